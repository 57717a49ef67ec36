"""RELION 5's list of lists: each file it names is read, for the tomogram beside it."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.convert import convert_file
from cryoal.io.inspect import inspect
from cryoal.io.particles import read_all, read_particles

TOMOGRAMS = {name: Tomogram(name, (50, 60, 70), 10.0) for name in ("TS_001", "TS_002")}
HEAD = "data_coordinate_files\n\nloop_\n_rlnTomoName #1\n_rlnTomoImportParticleFile #2\n"


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Two lists, of three and two particles, and the list that names them."""
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "first.coords").write_text("1.5 2 3\n4 5 6\n7 8 9\n")
    (tmp_path / "c" / "second.coords").write_text("10.5 20 30\n11 21 31\n")
    return listed(tmp_path, "TS_001 c/first.coords\nTS_002 c/second.coords\n")


def listed(folder: Path, rows: str) -> Path:
    (folder / "coords.star").write_text(HEAD + rows)
    return folder / "coords.star"


def counts(names: np.ndarray) -> dict[str, int]:
    return {str(name): int((names == name).sum()) for name in np.unique(names)}


@pytest.mark.parametrize("where", ["beside the file", "the project folder"])
def test_paths_count_from_the_file_or_from_the_project_folder(lists, where, monkeypatch):
    if where == "the project folder":
        monkeypatch.chdir(lists.parent)
        (lists.parent / "jobs").mkdir()
        lists = lists.rename(lists.parent / "jobs" / "coords.star").relative_to(lists.parent)
    particles = read_particles([lists], TOMOGRAMS)
    assert counts(particles.tomogram) == {"TS_001": 3, "TS_002": 2}
    np.testing.assert_allclose(particles.position[0], (30, 20, 15))
    np.testing.assert_allclose(particles.position[3], (300, 200, 105))


def test_a_list_may_be_a_star_file_and_name_its_tomogram_as_it_likes(lists, caplog):
    star = "data_\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"
    (lists.parent / "a.star").write_text(f"{star}TS_002.tomostar 1 2 3\n")
    (lists.parent / "b.star").write_text(f"{star}lamella 4 5 6\n")
    rows = listed(lists.parent, "TS_002 a.star\nTS_001 b.star\n")
    particles = read_particles([rows], TOMOGRAMS, unit="voxel")
    assert particles.tomogram.tolist() == ["TS_002", "TS_001"]
    assert "it names tomogram lamella" in caplog.text


def test_one_list_of_several_tomograms_is_read_once_and_only_for_those_named(lists, caplog):
    star = "data_\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"
    (lists.parent / "a.star").write_text(f"{star}TS_001 1 2 3\nTS_002 1 2 3\nTS_009 4 5 6\n")
    rows = listed(lists.parent, "TS_001 a.star\nTS_002 a.star\n")
    reading = read_all([rows], TOMOGRAMS, unit="voxel")
    assert counts(reading.particles.tomogram) == {"TS_001": 1, "TS_002": 1}
    assert len(reading.unmatched) == 1
    assert "1 of its particles are in tomograms that" in caplog.text


def test_tomograms_that_were_not_given_are_counted_and_the_others_read(lists):
    reading = read_all([lists], {"TS_002": TOMOGRAMS["TS_002"]})
    assert counts(reading.particles.tomogram) == {"TS_002": 2}
    assert counts(reading.unmatched.tomogram) == {"TS_001": 3}
    with pytest.raises(CryoalError, match="none of its particles is in a tomogram"):
        read_all([lists], {"L7": Tomogram("L7", (50, 60, 70), 10.0)})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("TS_001 c/gone.coords\n", "c/gone.coords, which is not there"),
        ("TS_001 None\nTS_002 none\n", "names no list"),
        ("TS_001 c/first.coords\nTS_002 c/first.coords\n", "for 2 tomograms"),
        ("TS_001 coords.star\n", "a list of lists too"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(lists, rows, words):
    with pytest.raises(CryoalError, match=words):
        read_particles([listed(lists.parent, rows)], TOMOGRAMS)


def test_a_tomogram_without_a_list_and_an_empty_list_are_told(lists, caplog):
    (lists.parent / "empty.coords").touch()
    rows = listed(lists.parent, "TS_001 c/first.coords\nTS_002 None\nTS_003 empty.coords\n")
    assert len(read_particles([rows], TOMOGRAMS)) == 3
    assert "names no list for 1 of 3 tomograms: TS_002" in caplog.text
    assert "empty.coords is empty" in caplog.text


def test_inspect_counts_the_particles_of_every_list(lists):
    facts = inspect(lists, TOMOGRAMS)
    assert (facts["kind"], facts["n_particles"], facts["unit"]) == ("particles", 5, "voxel")
    assert facts["tomograms"] == ["TS_001", "TS_002"]
    assert facts["inside"] == 1
    assert facts["refused"] is None


def test_inspect_names_the_list_that_is_damaged(lists):
    (lists.parent / "c" / "second.coords").write_text("nothing\n")
    facts = inspect(lists)
    assert "second.coords" in facts["refused"]
    assert facts["kind"] == "particles"


def test_a_list_of_lists_is_converted_whole(lists, tmp_path):
    audit = convert_file(lists, tmp_path / "out.star", "relion5", TOMOGRAMS)
    assert (audit.rows_in, audit.rows_out, audit.left_out) == (5, 5, {})
    assert audit.largest_change < 1e-3
    with pytest.raises(CryoalError, match="its own source"):
        convert_file(lists, lists.parent / "c" / "first.coords", "coords", TOMOGRAMS)


def test_particles_of_no_tomogram_are_left_out_and_counted(tmp_path, caplog):
    star = "data_\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"
    (tmp_path / "a.star").write_text(f"{star}TS_001 1 2 3\nNone 1 2 3\nnone 4 5 6\n")
    reading = read_all([tmp_path / "a.star"], TOMOGRAMS, unit="voxel")
    assert len(reading.particles) == 1
    assert len(reading.unmatched) == 2
    assert "2 of 3 particles name no tomogram" in caplog.text
    facts = inspect(tmp_path / "a.star", TOMOGRAMS, unit="voxel")
    assert facts["tomograms"] == ["TS_001"]
    assert "2 of its particles name no tomogram" in facts["problems"]


def test_a_list_all_of_whose_names_are_none_belongs_to_the_tomogram_it_is_called_by(tmp_path):
    star = "data_\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"
    (tmp_path / "TS_002_picks.star").write_text(f"{star}None 1 2 3\nNONE 1 2 3\n")
    particles = read_particles([tmp_path / "TS_002_picks.star"], TOMOGRAMS, unit="voxel")
    assert counts(particles.tomogram) == {"TS_002": 2}
