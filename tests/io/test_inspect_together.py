"""``cryoal inspect`` over several files, folders, projects and damaged files."""

import gzip
import json
import shutil

import numpy as np
import pytest
from conftest import cryoal

from cryoal.core.tomogram import Tomogram
from cryoal.io import plain_text
from cryoal.io.inspect import inspect, members
from cryoal.io.mrc import write_volume

ALWAYS = {"file", "kind", "dialect", "unit", "n_particles", "tomograms", "voxel_size", "problems"}


def objects(outcome):
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def star(path, names, xyz=(10.0, 20.0, 30.0), column="rlnMicrographName"):
    rows = "\n".join(f"{name} {xyz[0]} {xyz[1]} {xyz[2] + i}" for i, name in enumerate(names))
    labels = "\n".join(f"_{c}" for c in (column, *(f"rlnCoordinate{a}" for a in "XYZ")))
    path.write_text(f"data_\nloop_\n{labels}\n{rows}\n")
    return path


@pytest.fixture
def tomograms():
    return {name: Tomogram(name, (100, 200, 200), 10.0) for name in ("TS_01", "TS_02")}


@pytest.mark.parametrize(
    "spelling",
    ["TS_01.tomostar", "rec_TS_01", "TS_01_10.00Apx.mrc", "/data/a/TS_01_dn.rec",
     r"D:\data\rec\TS_01.mrc"],
)  # fmt: skip
def test_near_misses_of_a_name_are_matched_and_told(tmp_path, tomograms, spelling):
    facts = inspect(star(tmp_path / "p.star", [spelling]), tomograms)
    assert facts["matches"] == {spelling: "TS_01"}
    assert facts["refused"] is None
    assert facts["ranges_in_voxels"]["TS_01"]["x"] == [10.0, 10.0, 200]


def test_a_name_that_is_nearly_one_is_named_with_what_is_near(tmp_path, tomograms):
    facts = inspect(star(tmp_path / "p.star", ["TS_01", "TS_O2"]), tomograms)
    assert facts["unmatched"] == {"TS_O2": 1}
    assert "TS_02" in facts["near"]["TS_O2"]
    assert any("'TS_O2'" in problem for problem in facts["problems"])
    assert facts["refused"] is None


def test_a_name_that_means_two_tomograms_is_an_oddity_here_and_an_error_when_read(tmp_path):
    two = {name: Tomogram(name, (100, 200, 200), 10.0) for name in ("TS_01_bin4", "TS_01_bin8")}
    path = star(tmp_path / "p.star", ["TS_01"])
    facts = inspect(path, two)
    assert facts["ambiguous"] == {"TS_01": ["TS_01_bin4", "TS_01_bin8"]}
    assert facts["refused"] is None


def test_two_spellings_in_one_file_are_told(tmp_path):
    facts = inspect(star(tmp_path / "p.star", ["TS_01", "TS_01.tomostar"]))
    assert facts["spellings"] == {"TS_01": ["TS_01", "TS_01.tomostar"]}


def test_each_place_that_claims_a_voxel_size_is_named(testdata, tmp_path):
    facts = inspect(testdata / "particles/relion4/relion_4.0.star")
    assert facts["voxel_sizes"] == {
        "rlnTomoTiltSeriesPixelSize of data_optics": 1.971,
        "rlnImagePixelSize of data_optics": 3.942,
    }
    facts = inspect(testdata / "particles/pytom_match_pick/SPEF1MT2_001_8.48Apx_particles.star")
    assert (facts["voxel_size"], facts["voxel_sizes_agree"]) == (8.48, True)
    write_volume(tmp_path / "TS_01_12.00Apx.mrc", np.zeros((8, 16, 16), np.float32), 10.0)
    facts = inspect(tmp_path / "TS_01_12.00Apx.mrc")
    assert facts["voxel_sizes"] == {"its name": 12.0, "its header": 10.0}
    assert facts["voxel_sizes_agree"] is False
    assert "say which with --voxel-size" in facts["refused"]


def test_a_list_that_states_another_voxel_size_than_its_tomogram_is_told(testdata):
    path = testdata / "particles/pytom_match_pick/CCDC147C_001_particles.star"
    known = {"CCDC147C_001": Tomogram("CCDC147C_001", (300, 1000, 1000), 8.2)}
    facts = inspect(path, known)
    assert facts["voxel_sizes_agree"] is False
    assert any("states voxels of 14 A" in problem for problem in facts["problems"])
    assert facts["score"] == "rlnLCCmax"


def test_a_list_of_another_binning_is_scaled_and_said(tmp_path, tomograms, caplog):
    """Warp writes the size into the name, so that is the volume that was picked in."""
    path = star(tmp_path / "p.star", ["TS_01_20.00Apx.mrc"], (10, 20, 30))
    facts = inspect(path, tomograms)
    assert facts["ranges_in_voxels"]["TS_01"]["y"] == [40.0, 40.0, 200]
    assert "states voxels of 20 A" in caplog.text


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: raw[:20000], "is the file cut off"),
        (lambda raw: raw.replace(b"TS_01", b"TS 01", 1), "values in a table of"),
        (lambda raw: raw.replace(b"-395.269452", b"nan", 1), "a number was expected"),
        (lambda raw: raw.replace(b"_rlnCenteredCoordinateYAngst",
                                 b"_rlnCenteredCoordinateXAngst"), "stands twice"),
    ],
    ids=["cut", "a space in a name", "nan", "a column twice"],
)  # fmt: skip
def test_a_damaged_file_is_still_named(testdata, tmp_path, damage, words):
    raw = (testdata / "particles/relion5/particles.star").read_bytes()
    changed = damage(raw)
    assert changed != raw
    (tmp_path / "p.star").write_bytes(changed)
    outcome = cryoal("inspect", "--json", tmp_path / "p.star")
    (facts,) = objects(outcome)
    assert outcome.code == 2
    assert facts.keys() >= ALWAYS
    assert (facts["kind"], facts["dialect"]) == ("particles", "relion5")
    assert words in facts["problems"][0]
    assert str(tmp_path / "p.star") in outcome.stderr


def test_a_folder_is_an_object_a_file_and_a_project_one(testdata, project, tmp_path):
    shutil.copytree(testdata / "particles/relion5", tmp_path / "in/lists")
    (tmp_path / "in/.hidden").write_text("x")
    (tmp_path / "in/notes.txt").write_text("nothing that anybody reads\n")
    shutil.move(project, tmp_path / "in/ribosomes")
    outcome = cryoal("inspect", "--json", tmp_path / "in")
    found = objects(outcome)
    assert {f["kind"] for f in found} == {
        "particles", "tilt_series", "tomogram_set", "optimisation_set", "project", "unknown",
    }  # fmt: skip
    assert len(found) == len(members(tmp_path / "in")) == 13 + 2
    assert all(f.keys() >= ALWAYS for f in found)


def test_a_zarr_folder_is_one_volume(testdata):
    folder = testdata / "odd_mrc/omezarr_4x4x4"
    assert [path.name for path in members(folder)] == ["input_omezarr.zarr"]
    outcome = cryoal("inspect", "--json", folder)
    assert [f["kind"] for f in objects(outcome)] == ["tomogram"]


def test_a_compressed_volume_is_a_tomogram(tmp_path):
    write_volume(tmp_path / "a.mrc", np.zeros((8, 16, 16), np.float32), 10.0)
    (tmp_path / "TS_01.mrc.gz").write_bytes(gzip.compress((tmp_path / "a.mrc").read_bytes()))
    facts = inspect(tmp_path / "TS_01.mrc.gz")
    assert (facts["kind"], facts["voxel_size"], facts["tomograms"]) == ("tomogram", 10.0, ["TS_01"])


def test_a_list_is_read_once_and_its_verdict_printed_once(testdata, monkeypatch):
    folder = testdata / "particles/relion5"
    read = []
    whole = plain_text.read_text
    for module in ("cryoal.io.content", "cryoal.io.star"):
        monkeypatch.setattr(f"{module}.read_text", lambda path: read.append(path) or whole(path))
    outcome = cryoal("inspect", folder / "particles.star", folder / "tomograms.star")
    assert outcome.code == 0
    assert outcome.stderr.count("centred_angstrom") == 1
    assert "columns rlnCenteredCoordinateX/Y/ZAngst" in outcome.stderr
    # Once to tell what it is, once to read it: the text is not kept between.
    assert read.count(folder / "particles.star") <= 2


@pytest.mark.parametrize(
    ("name", "text", "tilts"),
    [
        ("TS_01.tomostar", "data_\nloop_\n_wrpMovieName #1\n_wrpAngleTilt #2\na.mrc -60\nb.mrc 0\n"
         "c.mrc 57\n", 3),
        ("TS_01.mrc.mdoc", "PixelSpacing = 1.35\n[ZValue = 0]\nTiltAngle = -60\n[ZValue = 1]\n"
         "TiltAngle = 57\n", 2),
        ("TS_01.aln", "# AreTomo Alignment / Priims bprmMn \n# RawSize = 10 20 2\n"
         "# SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT\n0 88.3 1 23.9 -56.1 1 1 1 0 -60.0\n"
         "1 88.3 1 57.2 74.2 1 1 1 0 57.0\n# Local Alignment\n0 1 2 3 4 5\n", 2),
        ("TS_01.rawtlt", "-60.0\n-30.0\n0.0\n57.0\n", 4),
    ],
)  # fmt: skip
def test_tilt_series_of_other_programs(tmp_path, name, text, tilts):
    (tmp_path / name).write_text(text)
    facts = inspect(tmp_path / name)
    assert (facts["kind"], facts["tomograms"], facts["n_tilts"]) == (
        "tilt_series",
        ["TS_01"],
        tilts,
    )
    assert facts["tilt_range"] == [-60.0, 57.0]


def test_imods_transforms_are_no_particles(tmp_path):
    rows = ["0.9962 -0.0872 0.0872 0.9962 12.5 -3.0"] * 4
    (tmp_path / "TS_01.xf").write_text("\n".join(rows))
    assert inspect(tmp_path / "TS_01.xf")["kind"] == "tilt_series"


def test_repeated_ids_and_positions_are_oddities_of_a_readable_file(testdata, tmp_path):
    lines = (testdata / "particles/relion5/run_it025_data.star").read_text().rstrip().split("\n")
    path = tmp_path / "p.star"
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    outcome = cryoal("inspect", "--json", path)
    (facts,) = objects(outcome)
    assert outcome.code == 0
    assert facts["duplicates"] == 1
    assert any("rlnTomoParticleName repeats in 1 rows" in problem for problem in facts["problems"])


def test_a_cut_off_volume_is_still_a_tomogram_and_an_error_in_its_folder(tmp_path):
    write_volume(tmp_path / "TS_01.mrc", np.zeros((8, 16, 16), np.float32), 10.0)
    raw = (tmp_path / "TS_01.mrc").read_bytes()
    (tmp_path / "TS_01.mrc").write_bytes(raw[:-1])
    outcome = cryoal("inspect", "--json", tmp_path)
    (facts,) = objects(outcome)
    assert (outcome.code, facts["kind"]) == (2, "tomogram")
    assert "cut off" in facts["refused"]


def test_a_volume_thicker_than_wide_may_be_flipped(tmp_path):
    write_volume(tmp_path / "TS_01.mrc", np.zeros((40, 16, 40), np.float32), 10.0)
    facts = inspect(tmp_path / "TS_01.mrc")
    assert facts["problems"] == ["Z is not its smallest side; are its axes flipped?"]


def test_a_set_without_sizes_is_readable_and_says_what_is_missing(tmp_path):
    (tmp_path / "tomograms.star").write_text(
        "data_global\nloop_\n_rlnTomoName #1\n_rlnTomoTiltSeriesPixelSize #2\n"
        "_rlnTomoReconstructedTomogram #3\nTS_01 2.1 nowhere/rec_TS_01.mrc\n"
    )
    facts = inspect(tmp_path / "tomograms.star")
    assert (facts["kind"], facts["tomograms"], facts["refused"]) == ("tomogram_set", ["TS_01"],
                                                                     None)  # fmt: skip
    assert any("neither a volume nor rlnTomoSizeX/Y/Z" in told for told in facts["problems"])


def test_a_volume_of_unknown_voxel_size_is_readable_and_asks_for_the_option(tmp_path):
    (tmp_path / "TS_01.em").write_bytes(bytes([6, 0, 0, 1]) + np.array([8, 8, 8], "<i4").tobytes()
                                        + bytes(496 + 512))  # fmt: skip
    write_volume(tmp_path / "a.mrc", np.zeros((8, 16, 16), np.float32), 0.0)
    for name in ("TS_01.em", "a.mrc"):
        outcome = cryoal("inspect", "--json", tmp_path / name)
        (facts,) = objects(outcome)
        assert (outcome.code, facts["kind"], facts["voxel_size"]) == (0, "tomogram", None)
        assert any("give it in Angstrom with --voxel-size" in told for told in facts["problems"])
        (facts,) = objects(cryoal("inspect", "--json", tmp_path / name, "--voxel-size", 7.5))
        assert facts["voxel_size"] == 7.5


def test_a_volume_of_unknown_voxel_size_hides_neither_the_list_nor_other_volumes(tmp_path):
    write_volume(tmp_path / "a.mrc", np.zeros((8, 16, 16), np.float32), 1.0)
    write_volume(tmp_path / "TS_01.mrc", np.zeros((8, 16, 16), np.float32), 10.0)
    (tmp_path / "TS_01.coords").write_text("1 2 3\n")
    outcome = cryoal("inspect", "--json", tmp_path / "TS_01.coords", tmp_path / "a.mrc",
                     tmp_path / "TS_01.mrc")  # fmt: skip
    facts = objects(outcome)[0]
    assert (outcome.code, facts["inside"], facts["voxel_size"]) == (0, 1.0, 10.0)


def test_tomograms_that_cannot_be_read_do_not_hide_the_list(testdata, tmp_path):
    write_volume(tmp_path / "a_12.00Apx.mrc", np.zeros((8, 16, 16), np.float32), 10.0)
    outcome = cryoal("inspect", "--json", testdata / "particles/relion5/particles.star",
                     tmp_path / "a_12.00Apx.mrc")  # fmt: skip
    first, second = objects(outcome)
    assert (first["n_particles"], second["kind"]) == (9442, "tomogram")
    assert "--voxel-size" in second["refused"]
    assert outcome.code == 2


def test_numbers_that_fit_no_names_ask_for_a_map(testdata):
    known = {n: Tomogram(n, (500, 2000, 2000), 10.0) for n in ("a", "b")}
    facts = inspect(testdata / "particles/dynamo/aligned.tbl", known)
    assert facts["unmatched"] == {"1": 304, "2": 195} or sum(facts["unmatched"].values()) == 499
    assert facts["refused"] is None


def test_people_read_ranges_beside_the_volumes_size(testdata):
    folder = testdata / "particles/relion5"
    outcome = cryoal("inspect", folder / "particles.star", folder / "tomograms.star")
    assert "TS_01: x 29.84 to 488.45 of 540, y 40.29 to 477.99 of 540" in outcome.stdout
    assert "shapes       TS_01: 270 x 540 x 540" in outcome.stdout


def test_two_volumes_of_one_name_do_not_hide_the_list(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_volume(tmp_path / folder / "TS_01.mrc", np.zeros((8, 16, 16), np.float32), 10.0)
    star(tmp_path / "p.star", ["TS_01"], (1, 2, 3))
    outcome = cryoal("inspect", "--json", tmp_path)
    assert [f["kind"] for f in objects(outcome)] == ["tomogram", "tomogram", "particles"]
    assert "two tomograms are called 'TS_01'" in outcome.stderr
    assert outcome.code == 0


def test_a_set_of_tomograms_names_each_place_that_states_the_voxel_size(testdata, tmp_path):
    facts = inspect(testdata / "particles/relion5/tomograms.star")
    assert facts["voxel_sizes"] == {
        "rlnTomoTiltSeriesPixelSize": 1.35,
        "rlnTomoTiltSeriesPixelSize x rlnTomoTomogramBinning": 10.0,
    }
    write_volume(tmp_path / "TS_01_10.00Apx.mrc", np.zeros((8, 16, 16), np.float32), 10.0)
    columns = {"rlnTomoName": "TS_01", "rlnTomoTiltSeriesPixelSize": "2.5",
               "rlnTomoTomogramBinning": "4", "rlnTomoSizeX": "64", "rlnTomoSizeY": "64",
               "rlnTomoSizeZ": "32",
               "rlnTomoReconstructedTomogram": "TS_01_10.00Apx.mrc"}  # fmt: skip
    labels = "\n".join(f"_{c}" for c in columns)
    (tmp_path / "t.star").write_text(
        f"data_global\nloop_\n{labels}\n{' '.join(columns.values())}\n"
    )
    facts = inspect(tmp_path / "t.star")
    assert facts["voxel_sizes"] == {
        "rlnTomoTiltSeriesPixelSize": 2.5,
        "rlnTomoTiltSeriesPixelSize x rlnTomoTomogramBinning": 10.0,
        "the names of its volumes": 10.0,
        "the headers of its volumes": 10.0,
    }
    assert (facts["voxel_size"], facts["voxel_sizes_agree"]) == (10.0, True)


def test_a_set_with_the_tilts_of_each_tomogram_is_a_set(tmp_path):
    (tmp_path / "t.star").write_text(
        "data_global\nloop_\n_rlnTomoName\n_rlnTomoSizeX\n_rlnTomoSizeY\n_rlnTomoSizeZ\n"
        "_rlnTomoTiltSeriesPixelSize\nTS_01.tomostar 64 64 32 10\n\n"
        "data_TS_01.tomostar\nloop_\n_rlnTomoYTilt\n_rlnDefocusU\n-60 1\n60 1\n"
    )
    assert inspect(tmp_path / "t.star")["kind"] == "tomogram_set"
    (tmp_path / "s.star").write_text(
        "data_global\nloop_\n_rlnTomoName\n_rlnTomoTiltSeriesStarFile\n"
        "TS_01 tilt_series/TS_01.star\n"
    )
    facts = inspect(tmp_path / "s.star")
    assert (facts["kind"], facts["tomograms"]) == ("tilt_series", ["TS_01"])
