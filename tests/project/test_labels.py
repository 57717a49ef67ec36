"""Labels on disk: only ever added, never lost, never stuck to a particle that moved away."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.labels import LabelBook
from cryoal.core.particles import ParticleSet
from cryoal.io import ledger as write_ledger
from cryoal.project.doubts import doubts
from cryoal.project.label_files import read_labels
from cryoal.project.labels import ProjectLabels, reattach
from cryoal.project.layout import Layout

DIAMETER = 200.0


def particles(n: int = 6, spacing: float = 300.0) -> ParticleSet:
    ids = np.array([f"T/{k}" for k in range(n)])
    position = np.zeros((n, 3))
    position[:, 2] = spacing * np.arange(n)
    return ParticleSet(ids, np.full(n, "T"), position)


@pytest.fixture
def labels(tmp_path: Path) -> ProjectLabels:
    return ProjectLabels(Layout(tmp_path / "one"), particles(), DIAMETER)


def ledger(labels: ProjectLabels, who: str) -> Path:
    return labels._layout.ledger(who)


def test_what_was_said_is_on_the_disk_when_the_call_returns(labels: ProjectLabels) -> None:
    labels.add({"T/0": "a", "T/1": "b"}, "anna", round_number=3)
    text = ledger(labels, "anna").read_bytes()
    labels.add({"T/2": "junk"}, "anna")
    assert ledger(labels, "anna").read_bytes().startswith(text)
    again = ProjectLabels(labels._layout, particles(), DIAMETER)
    assert again.current() == {"T/0": "a", "T/1": "b", "T/2": "junk"}
    rounds = {label.id: label.round for label in again.book().statements}
    assert rounds == {"T/0": 3, "T/1": 3, "T/2": -1}


def test_the_last_word_of_each_annotator_counts_once(labels: ProjectLabels) -> None:
    labels.add({"T/0": "a"}, "anna")
    labels.add({"T/0": "b"}, "anna")
    assert labels.current() == {"T/0": "b"}
    labels.add({"T/0": "c"}, "ben")
    assert labels.current() == {}
    labels.add({"T/0": "c"}, "cleo")
    assert labels.current() == {"T/0": "c"}


def test_undo_brings_the_word_before_back_and_can_be_undone(labels: ProjectLabels) -> None:
    labels.add({"T/0": "a"}, "anna")
    (second,) = labels.add({"T/0": "b"}, "anna")
    (undo,) = labels.add({"T/0": ""}, "anna", revokes=second.statement)
    assert labels.current() == {"T/0": "a"}
    labels.add({"T/0": ""}, "anna", revokes=undo.statement)
    assert labels.current() == {"T/0": "b"}


def test_unsure_is_an_answer_but_no_label(labels: ProjectLabels) -> None:
    labels.add({"T/0": "unsure", "T/1": "unsure"}, "anna")
    labels.add({"T/1": "a"}, "ben")
    assert labels.unsure() == {"T/0"}
    assert labels.current() == {"T/1": "a"}


@pytest.mark.parametrize("cut", [3, 25, 60])
def test_a_torn_last_line_costs_that_line_alone(labels: ProjectLabels, cut: int) -> None:
    labels.add({"T/0": "a"}, "anna")
    labels.add({"T/1": "b"}, "anna")
    path = ledger(labels, "anna")
    path.write_bytes(path.read_bytes()[:-cut])
    assert labels.current() == {"T/0": "a"}
    labels.add({"T/2": "c"}, "anna")
    assert labels.current() == {"T/0": "a", "T/2": "c"}


def test_of_a_batch_with_one_unknown_particle_nothing_is_recorded(labels: ProjectLabels) -> None:
    with pytest.raises(CryoalError, match=r"'T/99'; ids look like 'T/0'"):
        labels.add({"T/0": "a", "T/99": "b"}, "anna")
    assert not ledger(labels, "anna").exists()


@pytest.mark.parametrize(
    "word", ["", "  ", "a\tb", "a\nb", "a\x07b", "a\u202eb", "\u200fa", "é" * 101]
)
def test_a_word_that_would_spoil_the_ledger_is_no_label(word: str, labels: ProjectLabels) -> None:
    with pytest.raises(CryoalError, match="is no label"):
        labels.add({"T/0": word}, "anna")
    assert not ledger(labels, "anna").exists()


@pytest.mark.parametrize(("moved", "kept"), [(49.0, True), (51.0, False)])
def test_a_label_finds_its_particle_within_a_quarter_of_the_diameter(
    moved: float, kept: bool, labels: ProjectLabels
) -> None:
    labels.add({"T/1": "a"}, "anna")
    again = particles()
    again = replace(
        again,
        id=np.array([f"new/{k}" for k in range(6)]),
        position=again.position + np.array([0, moved, 0]),
    )
    current = ProjectLabels(labels._layout, again, DIAMETER).current()
    assert current == ({"new/1": "a"} if kept else {})


def test_a_label_never_crosses_to_another_tomogram(labels: ProjectLabels) -> None:
    labels.add({"T/1": "a"}, "anna")
    elsewhere = replace(
        particles(), id=np.array([f"U/{k}" for k in range(6)]), tomogram=np.full(6, "U")
    )
    assert ProjectLabels(labels._layout, elsewhere, DIAMETER).current() == {}


def test_an_undo_follows_its_word_to_the_new_particle(labels: ProjectLabels) -> None:
    (said,) = labels.add({"T/1": "a"}, "anna")
    labels.add({"T/1": ""}, "anna", revokes=said.statement)
    again = replace(particles(), id=np.array([f"new/{k}" for k in range(6)]))
    book = reattach(LabelBook(labels.book().statements), again, 50.0)
    assert {label.id for label in book.statements} == {"new/1"}
    assert book.current() == {}


def test_uniting_two_projects_twice_adds_nothing(labels: ProjectLabels, tmp_path: Path) -> None:
    other = ProjectLabels(Layout(tmp_path / "two"), particles(), DIAMETER)
    labels.add({"T/0": "a", "T/1": "a"}, "anna")
    (wrong,) = other.add({"T/1": "b"}, "Ben Ångström / lab 2")
    other.add({"T/1": ""}, "Ben Ångström / lab 2", revokes=wrong.statement)
    other.add({"T/2": "b"}, "anna")
    assert labels.unite(tmp_path / "two") == 3
    united = labels.book()
    assert labels.unite(tmp_path / "two") == 0
    assert labels.book() == united
    assert labels.current() == {"T/0": "a", "T/1": "a", "T/2": "b"}
    assert other.unite(tmp_path / "one") == 2
    assert other.book() == united


def backdated(labels: ProjectLabels, who: str, word: str, when: str) -> None:
    """Say a word of the first particle as it is said where a clock goes wrong."""
    (now,) = labels.add({"T/0": word}, "nobody")
    ledger(labels, "nobody").unlink()
    when = f"{when}T00:00:00.000000+00:00"
    write_ledger.append(ledger(labels, who), [replace(now, annotator=who, when=when)])


def test_what_is_said_last_counts_also_after_the_clock_was_ahead(labels: ProjectLabels) -> None:
    backdated(labels, "anna", "a", "2062-01-01")
    labels.add({"T/0": "b"}, "anna")
    assert labels.current() == {"T/0": "b"}
    backdated(labels, "anna", "c", "2001-01-01")
    assert labels.current() == {"T/0": "c"}


def test_projects_that_are_joined_merge_by_time_and_each_in_its_own_order(
    labels: ProjectLabels, tmp_path: Path
) -> None:
    other = ProjectLabels(Layout(tmp_path / "two"), particles(), DIAMETER)
    backdated(labels, "anna", "first", "2020-01-01")
    backdated(labels, "anna", "last", "2020-01-03")
    backdated(other, "anna", "wrong clock", "2020-01-02")
    backdated(other, "anna", "corrected", "2019-01-01")
    other.add({"T/1": "x"}, "anna")
    assert labels.unite(tmp_path / "two") == 3
    assert labels.current() == {"T/0": "last", "T/1": "x"}
    assert other.current() == {"T/0": "corrected", "T/1": "x"}
    assert other.unite(tmp_path / "one") == 2
    assert other.current() == {"T/0": "last", "T/1": "x"}
    third = ProjectLabels(Layout(tmp_path / "three"), particles(), DIAMETER)
    assert third.take(ledger(labels, "anna")) == (5, 0)
    assert third.current() == labels.current()


def test_a_ledger_that_cannot_be_read_is_not_added_to(labels: ProjectLabels) -> None:
    labels.add({"T/0": "Zürich"}, "anna")
    path = ledger(labels, "anna")
    path.write_bytes(path.read_bytes().decode().encode("latin-1"))
    before = path.read_bytes()
    with pytest.raises(CryoalError, match="not UTF-8"):
        labels.add({"T/1": "b"}, "anna")
    assert path.read_bytes() == before


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "sign"), [("a.tsv", "\t"), ("a.csv", ",")])
def test_labels_come_from_tables_of_any_make(
    name: str, sign: str, ends: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    rows = ["note,label,id", "x,a,001", "y,,002", 'z,"b",003']
    path.write_bytes(("\ufeff" + ends.join(row.replace(",", sign) for row in rows)).encode())
    assert read_labels(path) == {"001": "a", "003": "b"}


def test_labels_come_from_star_files(tmp_path: Path) -> None:
    path = tmp_path / "classes.star"
    path.write_text(
        "data_particles\n\nloop_\n_rlnTomoParticleName #1\n_rlnClassNumber #2\nT/0 2\nT/1 1\n"
    )
    assert read_labels(path) == {"T/0": "class2", "T/1": "class1"}


def test_junk_and_unsure_are_no_classes_of_their_own_however_they_are_spelled(
    labels: ProjectLabels,
) -> None:
    labels.add({"T/0": "Junk", "T/1": "UNSURE", "T/2": "Ribosome"}, "anna")
    assert labels.current() == {"T/0": "junk", "T/2": "Ribosome"}
    assert labels.unsure() == {"T/1"}
    with pytest.raises(CryoalError, match="'None' is no label"):
        labels.add({"T/3": "None"}, "anna")


def test_what_a_model_predicted_comes_back_from_an_export_as_nobodys_label(tmp_path: Path) -> None:
    path = tmp_path / "particles.star"
    head = "data_particles\n\nloop_\n_cryoalId\n_cryoalLabel\n_rlnClassNumber\n_cryoalStatus\n"
    path.write_text(head + "T/0 a 1 labelled\nT/1 b 2 predicted\nT/2 none 0 unclassified\n")
    assert read_labels(path) == {"T/0": "a"}
    assert read_labels(path, predicted=True) == {"T/0": "a", "T/1": "b"}
    path.write_text(head + "T/1 b 2 predicted\n")
    with pytest.raises(CryoalError, match="a model predicted them; give --weak"):
        read_labels(path)


def test_a_class_of_two_spellings_is_said() -> None:
    said = doubts({"1": "Apo", "2": "apo", "3": "apo", "4": "apo", "5": "Apo", "6": "Apo"})
    assert said == [
        "'Apo' and 'apo' are kept as different classes; if they are one, label their particles "
        "again under one name."
    ]
