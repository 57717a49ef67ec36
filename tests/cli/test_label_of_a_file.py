"""Labels of a file: whose they are, and which round had asked."""

from pathlib import Path

from conftest import cryoal

from cryoal.project.project import Project


def test_they_are_the_named_persons_and_of_the_newest_queues_round(project: Path) -> None:
    opened = Project.open(project)
    queue = opened.select(4)
    table = project.parent / "said.tsv"
    rows = [f"{name}\t{word}" for name, word in zip(queue.ids, ("a", "b", "junk"), strict=False)]
    table.write_text("\n".join(["id\tlabel", *rows]) + "\n")
    assert cryoal("label", project, "--from", table, "--annotator", "lee").code == 0
    assert [path.stem for path in (project / "labels").glob("*.tsv")] == ["lee"]
    said = Project.open(project).labels.book().statements
    assert {(s.annotator, s.round) for s in said} == {("lee", 0)}
    assert {s.id: s.label for s in said} == dict(zip(queue.ids, ("a", "b", "junk"), strict=False))
    (project / "rounds" / "000").rename(project / "rounds" / "003")
    table.write_text(f"id\tlabel\n{queue.ids[3]}\ta\n")
    assert cryoal("label", project, "--from", table, "--annotator", "kim").code == 0
    newest = [s for s in Project.open(project).labels.book().statements if s.annotator == "kim"]
    assert [s.round for s in newest] == [3]


def test_weak_ones_are_what_the_command_says_of_the_whole_list(project: Path) -> None:
    ids = [str(name) for name in Project.open(project).particles.id]
    words = ["label", project, "--from", project.parent / "particles.star", "--weak"]
    (project.parent / "particles.star").write_text("data_\n")
    assert cryoal(*words, "--as", "ribosome").code == 0
    opened = Project.open(project)
    assert opened.labels.weak() == dict.fromkeys(ids, "ribosome")
    assert opened.labels.current() == {}
