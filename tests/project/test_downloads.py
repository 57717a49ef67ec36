"""A downloaded sheet is taken once, wholly, for the right particles and the right person."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.project.downloads import holds_statements, place, read_statements
from cryoal.project.labels import ProjectLabels
from cryoal.project.layout import Layout
from cryoal.project.project import Project

HEADER = "statement\twhen\tid\tlabel\tround\trevokes\ttomogram\tx\ty\tz\tannotator\tcontrol"
DIAMETER = 200.0


def particles(n: int = 6) -> ParticleSet:
    position = np.zeros((n, 3))
    position[:, 2] = 300.0 * np.arange(n)
    return ParticleSet(np.array([f"T/{k}" for k in range(n)]), np.full(n, "T"), position)


@pytest.fixture
def labels(tmp_path: Path) -> ProjectLabels:
    return ProjectLabels(Layout(tmp_path / "project"), particles(), DIAMETER)


def row(name: str, second: int, particle: int, label: str, revokes: str = "", who: str = "kim"):
    when = f"2026-03-01T10:00:{second:02d}.000500+00:00"
    where = f"T\t{300 * particle}.000\t0.000\t0.000"
    return f"{name}\t{when}\tT/{particle}\t{label}\t3\t{revokes}\t{where}\t{who}\t0"


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def test_statements_keep_names_times_rounds_and_undos(labels, tmp_path):
    sheet = write(
        tmp_path / "s.tsv",
        row("b1", 1, 0, "ribosome"),
        row("b2", 2, 1, "unsure"),
        row("b3", 3, 2, "junk"),
        row("b4", 4, 2, "", revokes="b3"),
    )
    assert holds_statements(sheet)
    assert labels.take(sheet) == (4, 0)
    book = labels.book()
    assert {s.statement: s.round for s in book.statements} == dict.fromkeys(
        ["b1", "b2", "b3", "b4"], 3
    )
    assert {s.annotator for s in book.statements} == {"kim"}
    assert labels.current() == {"T/0": "ribosome"}
    assert labels.unsure() == {"T/1"}


def test_taking_twice_adds_nothing_and_a_later_file_undoes(labels, tmp_path):
    said = [row("b1", 1, 0, "a"), row("b2", 2, 1, "b")]
    assert labels.take(write(tmp_path / "1.tsv", *said)) == (2, 0)
    assert labels.take(write(tmp_path / "1.tsv", *said)) == (0, 2)
    assert labels.take(write(tmp_path / "2.tsv", *said, row("b3", 3, 1, "", "b2"))) == (1, 2)
    assert labels.current() == {"T/0": "a"}


def test_two_people_are_two_people(labels, tmp_path):
    labels.take(write(tmp_path / "1.tsv", row("b1", 1, 0, "a", who="kim")))
    labels.take(write(tmp_path / "2.tsv", row("c1", 1, 0, "b", who="ben")))
    labels.take(write(tmp_path / "3.tsv", row("d1", 1, 0, "b", who="")), "cleo")
    assert labels.book().answers() == {"T/0": {"kim": "a", "ben": "b", "cleo": "b"}}
    assert labels.current() == {"T/0": "b"}


def test_a_ledger_is_taken_under_its_own_name(labels, tmp_path):
    labels.add({"T/0": "a", "T/3": "junk"}, "anna")
    other = ProjectLabels(Layout(tmp_path / "other"), particles(), DIAMETER)
    assert other.take(labels._layout.ledger("anna")) == (2, 0)
    assert other.book() == labels.book()


def test_answers_follow_particles_that_were_picked_again():
    old = particles()
    names = ["T/3", "new", "T/0"]  # T/0 now lies where T/2 was, and T/1 has another name
    new = replace(old, id=np.array(names), tomogram=old.tomogram[:3], position=old.position[:3])
    made = [row(f"b{k}", k, k, f"class{k}") for k in range(4)]
    statements = [s for line in made for s in [_parsed(line)]]
    placed = place(statements, new, near=50)
    assert {s.id: s.label for s in placed.found} == {
        "T/3": "class0",
        "new": "class1",
        "T/0": "class2",
    }
    assert [s.label for s in placed.lost] == ["class3"]


def _parsed(line: str):
    import tempfile

    return read_statements(write(Path(tempfile.mkdtemp()) / "s.tsv", line))[0]


def test_a_sheet_of_another_project_is_refused(labels, tmp_path):
    far = row("b1", 1, 0, "a").replace("0.000\t0.000\t0.000", "0.000\t0.000\t900.000")
    with pytest.raises(CryoalError, match=r"s\.tsv: none of its particles is here .*another"):
        labels.take(write(tmp_path / "s.tsv", far))
    assert not labels._layout.labels.exists()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda line: line.replace("b1\t", "../b1\t"), "no name of a statement"),
        (lambda line: line.replace("\ta\t", "\t\t"), "a label, or the statement"),
        (lambda line: line.replace("2026-03-01", "yesterday"), "yesterday"),
        (lambda line: line.replace("\t3\t", "\tthree\t"), "three"),
        (lambda line: line.replace("\ta\t", "\ta\x07\t"), "a label"),
        (lambda line: line + "\tmore", "values under a header"),
    ],
)
def test_a_spoilt_line_is_named_and_nothing_is_taken(broken, words, labels, tmp_path):
    sheet = write(tmp_path / "s.tsv", row("b0", 0, 1, "a"), broken(row("b1", 1, 0, "a")))
    with pytest.raises(CryoalError, match=words) as problem:
        labels.take(sheet)
    assert "s.tsv" in str(problem.value)
    assert "2" in str(problem.value) or "3" in str(problem.value)
    assert not labels._layout.labels.exists()


def test_a_sheet_without_answers_says_so(labels, tmp_path):
    with pytest.raises(CryoalError, match="no statements in it"):
        labels.take(write(tmp_path / "s.tsv"))


@pytest.mark.parametrize("text", ["id\tlabel\nT/0\ta\n", "id,label,round\nT/0,a,1\n"])
def test_a_plain_table_holds_no_statements(text, tmp_path):
    (tmp_path / "t.tsv").write_text(text)
    assert not holds_statements(tmp_path / "t.tsv")


def test_the_command_takes_a_sheet(project, tmp_path):
    opened = Project.open(project)
    name = str(opened.particles.id[0])
    tomogram = str(opened.particles.tomogram[0])
    z, y, x = opened.particles.position[0]
    line = f"b1\t2026-03-01T10:00:00.000Z\t{name}\tribosome\t0\t\t{tomogram}\t{x}\t{y}\t{z}\t\t1"
    sheet = write(tmp_path / "s.tsv", line)
    outcome = cryoal("label", project, "--from", sheet, "--annotator", "kim")
    assert outcome.code == 0, outcome.stderr
    assert "Added 1 statements" in outcome.stderr
    again = cryoal("label", project, "--from", sheet, "--annotator", "kim")
    assert "Added 0 statements" in again.stderr
    assert "1 were there" in again.stderr
    assert opened.labels.book().answers() == {name: {"kim": "ribosome"}}
