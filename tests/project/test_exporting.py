"""What comes out: every row that went in, with a class, a confidence and a status."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import cryoal

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.io.predictions import write_predictions
from cryoal.io.star import read_star
from cryoal.project.exporting import (
    Classified,
    Tally,
    class_numbers,
    classify,
    counts,
    exported,
    omissions,
    tally,
)
from cryoal.project.project import Project

#: In a row, 100 A apart; the last alone in another tomogram, at the place of the first.
X = [0, 100, 200, 1000, 0]


@pytest.fixture
def particles() -> ParticleSet:
    table = pd.DataFrame(
        {
            "rlnClassNumber": ["7", "7", "2", "2", "1"],
            "rlnRandomSubset": ["1", "2", "2", "1", "1"],
            "myNote": ["a", "b", "c", "d", "e"],
        }
    )
    position = np.zeros((5, 3))
    position[:, 2] = X
    return ParticleSet(np.array(list("abcde")), np.array([*"TTTT", "U"]), position, table=table)


def predictions(certain: list[float], ids: str = "abcde") -> Predictions:
    """Of two classes; a negative number is the certainty of the second, junk."""
    p = np.array([[c, 1 - c] if c > 0 else [1 + c, -c] for c in certain], dtype=np.float32)
    return Predictions(np.array(list(ids)), ("ribosome", "junk"), {"teacher": p}, None)


def known(particles: ParticleSet, **more: object) -> Classified:
    arguments: dict[str, object] = {
        "labels": {}, "predictions": predictions([0.9, 0.8, -0.7, 0.6, 0.95]), "uncertainty": {},
        "left_out": {}, "diameter": 240.0, "min_distance": 0.0,
    }  # fmt: skip
    return classify(particles, **{**arguments, **more})  # type: ignore[arg-type]


def test_every_row_and_column_is_there_unchanged(particles: ParticleSet) -> None:
    result, _ = exported(particles, known(particles))
    before = particles.table
    assert result.id.tolist() == list("abcde")
    for name in ("rlnRandomSubset", "myNote"):
        assert result.table[name].tolist() == before[name].tolist()
    assert result.table["cryoalInputClassNumber"].tolist() == before["rlnClassNumber"].tolist()
    assert result.table["rlnClassNumber"].tolist() == ["1", "1", "2", "1", "1"]


def test_no_subset_is_invented(particles: ParticleSet) -> None:
    bare = replace(particles, table=particles.table.drop(columns="rlnRandomSubset"))
    result, _ = exported(bare, known(particles))
    assert "rlnRandomSubset" not in result.table


def test_peoples_words_win_over_the_teacher(particles: ParticleSet) -> None:
    found = known(particles, labels={"a": "junk", "c": "virus"})
    assert found.label.tolist() == ["junk", "ribosome", "virus", "ribosome", "ribosome"]
    assert found.status.tolist()[0] == "labelled"
    assert found.confidence[0] == 1


def test_of_duplicates_the_most_confident_stays(particles: ParticleSet) -> None:
    # a 0.9, b 0.8, c 0.7: a takes b away; c, 200 A from a, is nobody's duplicate any more.
    found = known(particles, min_distance=120.0)
    assert found.status.tolist() == ["predicted", "duplicate", *["predicted"] * 3]
    # A person's word is worth more than any prediction.
    found = known(particles, min_distance=120.0, labels={"b": "ribosome"})
    assert found.status.tolist() == ["duplicate", "labelled", *["predicted"] * 3]


def test_two_labelled_particles_are_never_duplicates(particles: ParticleSet) -> None:
    certain = predictions([0.9, 0.8, 0.7, 0.6, 0.95])
    labels = {"a": "ribosome", "b": "ribosome"}
    found = known(particles, min_distance=500.0, labels=labels, predictions=certain)
    assert found.status.tolist()[:3] == ["labelled", "labelled", "duplicate"]
    assert found.labelled_close == 1
    assert known(particles, min_distance=50.0, labels=labels).labelled_close == 0


def test_duplicates_are_of_one_tomogram(particles: ParticleSet) -> None:
    certain = predictions([0.6, 0.7, 0.8, 0.9, 0.95])
    found = known(particles, min_distance=5000.0, predictions=certain)
    assert found.status.tolist() == [*["duplicate"] * 3, "predicted", "predicted"]


def test_junk_takes_no_room_and_is_nobodys_duplicate(particles: ParticleSet) -> None:
    # b is the surest of all, and junk; a and c lie 100 A away, on either side.
    found = known(
        particles, min_distance=None, diameter=500.0,
        predictions=predictions([0.8, -0.99, 0.7, 0.6, 0.95]),
    )  # fmt: skip
    assert found.status.tolist() == ["predicted", "predicted", "duplicate", *["predicted"] * 2]
    # Nor does junk that a person named so.
    found = known(
        particles, labels={"b": "junk"}, min_distance=150.0,
        predictions=predictions([0.8, 0.9, 0.7, 0.6, 0.95]),
    )  # fmt: skip
    assert found.status.tolist()[:3] == ["predicted", "labelled", "predicted"]


@pytest.mark.parametrize(
    ("diameters", "min_distance", "second"),
    [
        ({}, None, "predicted"),  # (198 + 198) / 4 is 99 A, and they are 100 A apart
        ({"virus": 210.0}, None, "duplicate"),  # (198 + 210) / 4 is 102 A
        ({"virus": 210.0}, 5.0, "duplicate"),  # a distance within one class changes nothing
        ({"virus": 210.0}, 0.0, "predicted"),  # 0 keeps all
    ],
)
def test_particles_of_two_classes_are_one_where_both_cannot_stand(
    particles: ParticleSet, diameters: dict[str, float], min_distance: float | None, second: str
) -> None:
    p = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    found = known(
        particles[[0, 1]], diameter=198.0, diameters=diameters, min_distance=min_distance,
        predictions=Predictions(np.array(["a", "b"]), ("ribosome", "virus"), {"teacher": p}, None),
    )  # fmt: skip
    assert found.status.tolist() == ["predicted", second]


def test_every_row_is_counted_once(particles: ParticleSet) -> None:
    found = known(
        particles, min_distance=120.0, left_out={"d": "edge: 40% inside"},
        predictions=predictions([0.9, 0.8, -0.7], "abc"),
    )  # fmt: skip
    total = tally(found.label, found.status)
    assert total == Tally({"junk": 1, "ribosome": 1}, duplicates=1, unclassified=1, left_out=1)
    assert total.rows == len(particles)
    assert total.sentence() == (
        "junk 1, ribosome 1; 1 duplicate, 1 unclassified, 1 left out; 5 rows in all"
    )
    why = omissions(found, "ribosome", 0.5)
    assert why.tolist() == ["", "as duplicate", "of another class", "without a box", "unclassified"]
    assert omissions(found, None, 0.8).tolist()[2] == "less certain than 0.8"
    assert set(omissions(found)) == {""}


@pytest.mark.parametrize(
    ("option", "value"),
    [("--min-distance", "nan"), ("--min-distance", "inf"), ("--min-confidence", "nan")],
)
def test_a_limit_that_is_no_number_is_refused(project: Path, option: str, value: str) -> None:
    found = cryoal("export", project, option, value)
    assert found.code == 2
    assert f"{option} {value}" in found.stderr


def test_a_particle_without_a_box_says_why(particles: ParticleSet) -> None:
    found = known(
        particles, predictions=predictions([0.9, 0.8, -0.7, 0.6], "abcd"),
        left_out={"e": "edge: 40% inside"},
    )  # fmt: skip
    assert found.status[4] == "edge: 40% inside"
    assert found.label[4] == "none"
    result, numbers = exported(particles, found)
    assert result.table["rlnClassNumber"].iloc[4] == "0"
    assert numbers == {"ribosome": 1, "junk": 2}


def test_a_filter_leaves_rows_of_that_class_and_confidence(particles: ParticleSet) -> None:
    found = known(particles, min_distance=120.0)
    of_class, _ = exported(particles, found, only_class="ribosome")
    assert of_class.id.tolist() == list("ade")
    assert counts(of_class.table["cryoalLabel"], of_class.table["cryoalStatus"]) == {"ribosome": 3}
    certain, _ = exported(particles, found, min_confidence=0.65)
    assert certain.id.tolist() == list("ace")
    with pytest.raises(CryoalError, match="no particle is of class 'virus'; there are: ribosome"):
        exported(particles, found, only_class="virus")


def test_class_numbers_count_from_one_with_junk_last(particles: ParticleSet) -> None:
    found = known(particles, labels={"a": "zebra", "b": "Apoferritin"})
    assert class_numbers(found) == {"Apoferritin": 1, "ribosome": 2, "zebra": 3, "junk": 4}


def test_an_export_without_any_label_still_holds_every_row(
    project: Path, simulated: object
) -> None:
    assert cryoal("export", project).code == 0
    given = read_star(Path(simulated.particles))["particles"]  # type: ignore[attr-defined]
    out = read_star(project / "export" / "particles.star")["particles"]
    pd.testing.assert_frame_equal(out[given.columns], given)
    assert set(out["cryoalStatus"]) == {"unclassified"}
    assert set(out["rlnClassNumber"]) == {"0"}


def test_the_legend_names_every_class_number_in_the_file(project: Path) -> None:
    opened = Project.open(project)
    names = {"TS_001/1": "ribosome", "TS_001/2": "junk", "TS_001/3": "80 S, mature"}
    opened.labels.add(names, "kim")
    result = opened.export(project.parent / "out.star")
    legend = pd.read_csv(result.legend, sep="\t", dtype=str).set_index("rlnClassNumber")["label"]
    out = read_star(result.path)["particles"]
    told = out[out["cryoalStatus"] == "labelled"].set_index("cryoalId")
    assert {name: legend[told["rlnClassNumber"][name]] for name in names} == names
    assert told["cryoalLabel"].to_dict() == names


@pytest.mark.parametrize("dialect", ["relion31", "relion4", "warp", "csv"])
def test_an_export_goes_to_other_programs_with_its_classes(project: Path, dialect: str) -> None:
    path = project.parent / f"out.{'csv' if dialect == 'csv' else 'star'}"
    outcome = cryoal("export", project, "--to", dialect, "-o", path)
    assert outcome.code == 0, outcome.stderr
    assert "cryoalStatus" in path.read_text()
    facts = cryoal("inspect", path, "--json").stdout
    assert '"n_particles": 72' in facts


@pytest.mark.parametrize("dialect", ["copick", "portal", "coords"])
def test_a_project_of_many_tomograms_goes_to_dialects_of_one_a_file(
    project: Path, dialect: str
) -> None:
    opened = Project.open(project)
    opened.labels.add({"TS_001/1": "ribosome", "TS_002/1": "80 S, mature"}, "kim")
    outcome = cryoal("export", project, "--to", dialect, "-o", project.parent / "out")
    assert outcome.code == 0, outcome.stderr
    # One of copick's files for the class of each, and one for those without a class.
    files = 5 if dialect == "copick" else 3
    assert f"72 rows in {files} files, " in outcome.stderr
    assert "70 unclassified; 72 rows in all" in outcome.stderr
    again = cryoal(
        "convert", project.parent / "out", project.parent / "again.csv", "--to", "csv",
        "--tomograms", project / "tomograms.star", "--json",
    )  # fmt: skip
    assert again.code == 0, again.stderr
    assert '"rows_out": 72' in again.stdout
    assert (project.parent / "out" / "cryoal_classes.tsv").exists()
    assert cryoal("export", project, "--to", dialect).code == 0
    assert (project / "export" / dialect / "cryoal_files.tsv").exists()
    refused = cryoal("export", project, "--to", dialect, "-o", project.parent / "one.x")
    assert refused.code == 2
    assert "{tomogram}" in refused.stderr


def test_a_filter_says_how_many_rows_it_leaves_out_and_why(project: Path) -> None:
    opened = Project.open(project)
    opened.labels.add({"TS_001/1": "ribosome", "TS_001/2": "junk", "TS_001/3": "ribosome"}, "kim")
    outcome = cryoal("export", project, "--class", "ribosome")
    assert outcome.code == 0
    assert "Left out of 72 rows: 1 of another class, 69 unclassified." in outcome.stderr
    assert "2 rows in " in outcome.stderr
    assert "(ribosome 2; 2 rows in all)" in outcome.stderr


def test_status_export_and_report_count_every_row_once(project: Path) -> None:
    settings = project / "cryoal.toml"
    settings.write_text(settings.read_text() + "\nribosome.diameter = 20000\n")
    opened = Project.open(project)
    ids = opened.subtomograms.ids
    p = np.tile(np.array([[0.7, 0.2, 0.1]], dtype=np.float32), (len(ids), 1))
    p[::3] = [0.1, 0.2, 0.7]
    here = opened.layout.round(1)
    here.predictions.parent.mkdir(parents=True)
    here.teacher.touch()
    classes = ("ribosome", "groel", "junk")
    write_predictions(here.predictions, Predictions(ids, classes, {"teacher": p}, None), "")
    opened.labels.add({str(ids[1]): "groel", str(ids[2]): "ribosome"}, "kim")
    facts = json.loads(cryoal("status", project, "--json").stdout)
    # A ribosome fills its tomogram: junk stays, and what people named.
    junk = len(ids[::3])
    assert facts["predicted"]["junk"] == junk
    assert facts["duplicates"] > 0
    assert facts["labelled_close"] == 1
    rows = facts["rows"]
    whole = sum(rows["classes"].values()) + sum(
        rows[name] for name in ("duplicates", "unclassified", "left_out")
    )
    assert whole == rows["total"] == facts["particles"] == len(opened.particles)
    said = cryoal("status", project).stdout
    assert f"junk {junk}" in said
    assert f"; {facts['duplicates']} duplicates; {whole} rows in all" in said
    assert "1 labelled particle lies on another labelled one" in said
    outcome = cryoal("export", project)
    assert f"; {facts['duplicates']} duplicates; {whole} rows in all)" in outcome.stderr
    assert cryoal("report", project).code == 0
    page = (project / "report.html").read_text()
    assert f"; {facts['duplicates']} duplicates; {whole} rows in all." in page
    only = cryoal("export", project, "--min-confidence", 0.5)
    assert f"Left out of {whole} rows: {facts['duplicates']} as duplicate." in only.stderr
