"""Labels on which people differ: counted, named, asked about, and decided."""

import json
from pathlib import Path

import pytest
from conftest import cryoal

from cryoal.annotate.session import AnnotationSession
from cryoal.core.labels import UNSURE
from cryoal.project.project import Project


def run(*arguments: object) -> str:
    outcome = cryoal(*arguments)
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout


@pytest.fixture
def asked(project: Path) -> tuple[Path, list[str]]:
    """A queue of 20, answered alike by two, but for six."""
    ids = json.loads(run("select", project, "-n", 20, "--json"))["ids"]
    labels = Project(project).labels
    one = {name: "ab"[k % 2] for k, name in enumerate(ids)}
    labels.add(one, "one", round_number=0)
    labels.add(one | dict.fromkeys(ids[:6], "junk"), "two", round_number=0)
    return project, ids


def state(project: Path) -> dict:
    return json.loads(run("status", project, "--json"))


def test_particles_on_which_two_differ_are_counted_and_named_everywhere(
    asked: tuple[Path, list[str]], tmp_path: Path
) -> None:
    project, ids = asked
    facts = state(project)
    assert facts["labels"] == 14
    assert facts["disputed"] == {
        name: {"one": "ab"[k % 2], "two": "junk"} for k, name in sorted(enumerate(ids[:6]))
    }
    assert facts["queue"]["answered"] == 20
    (pair,) = facts["between_annotators"]
    assert (pair["annotators"], pair["both"], pair["same"]) == (["one", "two"], 20, 14)
    assert 0.5 < pair["kappa"] < 0.7
    said = run("status", project)
    assert "6 particles that one and two name differently do not count" in said
    assert "wait for an answer" not in said
    assert "one and two name 14 of 20 particles alike" in said
    run("report", project)
    page = (project / "report.html").read_text()
    assert "Labels that do not count" in page
    assert all(name in page for name in ids[:6])

    table = tmp_path / "l.tsv"
    table.write_text(f"id\tlabel\n{ids[0]}\ta\n{ids[7]}\tnone\n{ids[8]}\tNone\n")
    outcome = cryoal("label", project, "--from", table, "--annotator", "three")
    assert outcome.code == 0
    assert "2 rows without a class left out" in outcome.stderr
    assert "5 particles that" in outcome.stderr
    assert "now 15" in outcome.stderr
    assert sum(len(state(project)[what]) for what in ("disputed",)) + state(project)["labels"] == 20


def test_a_queue_of_the_disputed_asks_everybody_and_a_decision_counts(
    asked: tuple[Path, list[str]],
) -> None:
    project, ids = asked
    found = json.loads(run("select", project, "--acquisition", "disputed", "--json"))
    assert sorted(found["ids"]) == sorted(ids[:6])
    assert json.loads(run("select", project, "--acquisition", "disputed", "--json")) == found
    assert "6 of 6 particles in the queue wait" in run("status", project)
    session = AnnotationSession(project, "one")
    assert session.remaining == 6, "who answered before is asked again"
    while session.current is not None:
        session.answer("junk")
    assert state(project)["labels"] == 20
    assert state(project)["disputed"] == {}
    outcome = cryoal("select", project, "--acquisition", "disputed")
    assert outcome.code == 2
    assert "no particle" in outcome.stderr
    after = json.loads(run("select", project, "-n", 4, "--json"))
    assert after["round"] > found["round"]
    assert not set(after["ids"]) & set(ids)


def test_the_next_queue_of_the_usual_kind_is_the_newest_one(
    asked: tuple[Path, list[str]],
) -> None:
    project, _ = asked
    before = json.loads(run("select", project, "-n", 4, "--json"))
    disputed = json.loads(run("select", project, "--acquisition", "disputed", "--json"))
    assert disputed["round"] > before["round"]
    again = json.loads(run("select", project, "-n", 4, "--json"))
    assert len(again["ids"]) == 4
    opened = Project(project)
    assert opened.queue is not None
    assert opened.queue.ids == again["ids"]
    kept = opened.layout.round(before["round"]).queries.read_text()
    assert all(name in kept for name in before["ids"]), "its controls go on counting"


def test_unsure_beside_a_name_is_no_dispute(asked: tuple[Path, list[str]]) -> None:
    project, ids = asked
    Project(project).labels.add(dict.fromkeys(ids[:6], UNSURE), "two")
    facts = state(project)
    assert (facts["labels"], facts["disputed"]) == (20, {})


def test_one_and_one_point_zero_are_one_class(project: Path) -> None:
    opened = Project(project)
    name = str(opened.subtomograms.ids[0])
    opened.labels.add({name: "1"}, "one")
    opened.labels.add({name: "1.0"}, "two")
    assert opened.labels.current() == {name: "1"}


def test_a_class_that_one_person_renames_is_disputed_and_renaming_it_for_all_decides(
    asked: tuple[Path, list[str]],
) -> None:
    project, ids = asked
    alike = [name for k, name in enumerate(ids) if k >= 6 and k % 2 == 0]
    one, two = AnnotationSession(project, "one"), AnnotationSession(project, "two")
    assert one.rename("a", "ribosome 70S") == 10
    assert one.others_who_say("a") == ["two"]
    facts = state(project)
    assert set(alike) <= set(facts["disputed"])
    assert "a" not in facts["classes"]
    ledgers = [p.read_bytes() for p in sorted((project / "labels").glob("*.tsv"))]

    assert one.rename("a", "ribosome 70S", for_all=True) == 7
    facts = state(project)
    assert facts["classes"]["ribosome 70S"] == 7
    assert set(facts["disputed"]) == set(ids[:6])
    assert [p.read_bytes() for p in sorted((project / "labels").glob("*.tsv"))] == ledgers
    two.refresh()
    assert two.word(alike[0]) == "ribosome 70S"
    two.go_to_id(alike[0])
    two.answer("a")  # the old key, the new name
    assert state(project)["classes"]["ribosome 70S"] == 7

    assert AnnotationSession(project, "two").undo()[0].id == alike[0], "hers, not the renaming"
    taken = AnnotationSession(project, "one").undo()
    assert {label.label for label in taken} <= {"a"}
    assert set(alike) <= set(state(project)["disputed"])


def test_renaming_back_for_all_is_what_was_said_before(asked: tuple[Path, list[str]]) -> None:
    project, _ = asked
    before = state(project)["classes"]
    one, two = AnnotationSession(project, "one"), AnnotationSession(project, "two")
    one.rename("a", "x", for_all=True)
    assert state(project)["classes"] == {("x" if k == "a" else k): n for k, n in before.items()}
    two.refresh()
    two.rename("x", "a", for_all=True)
    assert state(project)["classes"] == before


def test_an_answered_queue_does_not_come_back_for_what_people_dispute_in_it(
    project: Path,
) -> None:
    ids = json.loads(run("select", project, "-n", 6, "--json"))["ids"]
    labels = Project(project).labels
    labels.add(dict.fromkeys(ids, "a"), "one", round_number=0)
    labels.add({ids[0]: "junk"}, "two", round_number=0)
    again = json.loads(run("select", project, "-n", 6, "--json"))
    assert again["ids"][:6] == ids
    assert len(again["ids"]) == 12
