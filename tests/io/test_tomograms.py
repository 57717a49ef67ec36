"""Tomograms are found where RELION means them, and only consistent claims are believed."""

import logging
import pickle

import numpy as np
import pandas as pd
import pytest
from volume_files import write_ome_zarr

from cryoal.core.errors import CryoalError
from cryoal.io.mrc import write_volume
from cryoal.io.star import read_star, write_star
from cryoal.io.tomogram_star import tilts_of_blocks
from cryoal.io.tomograms import read_tomograms
from cryoal.io.voxel_size import Said, resolve_voxel_size


def table(**columns):
    return pd.DataFrame(columns, dtype=str)


@pytest.fixture
def project(tmp_path, rng):
    """A RELION 5 project: two tomograms of 16 x 24 x 32 voxels of 10 A, binned 5 from 2 A."""
    names = ["TS_01", "001"]
    for name in names:
        write_volume(tmp_path / f"Tomograms/job009/rec_{name}.mrc",
                     rng.normal(size=(16, 24, 32)).astype(np.float32), 10.0)  # fmt: skip
        tilts = table(rlnTomoNominalStageTiltAngle=["-51.0", "0.0", "54.0"])
        write_star(tmp_path / f"Tomograms/job009/tilt_series/{name}.star", {name: tilts})
    tomograms = table(
        rlnTomoName=names,
        rlnTomoTiltSeriesPixelSize=["2.0"] * 2,
        rlnTomoTomogramBinning=["5.0"] * 2,
        rlnTomoSizeX=["160"] * 2,
        rlnTomoSizeY=["120"] * 2,
        rlnTomoSizeZ=["80"] * 2,
        rlnTomoTiltSeriesStarFile=[f"Tomograms/job009/tilt_series/{n}.star" for n in names],
        rlnTomoReconstructedTomogram=[f"Tomograms/job009/rec_{n}.mrc" for n in names],
    )
    write_star(tmp_path / "Tomograms/job009/tomograms.star", {"global": tomograms})
    write_star(tmp_path / "set.star", {"": table(
        rlnTomoParticlesFile=["particles.star"],
        rlnTomoTomogramsFile=["Tomograms/job009/tomograms.star"])})  # fmt: skip
    return tmp_path


def change(project, **columns):
    path = project / "Tomograms/job009/tomograms.star"
    block = read_star(path)["global"]
    write_star(path, {"global": block.assign(**columns)})
    return path


def test_paths_count_from_the_project_folder_wherever_cryoal_runs(project):
    tomograms = read_tomograms([project / "Tomograms/job009/tomograms.star"])
    assert list(tomograms) == ["TS_01", "001"]
    tomogram = tomograms["001"]
    assert (tomogram.shape, tomogram.voxel_size) == ((16, 24, 32), 10.0)
    assert tomogram.tilt_range == (-51.0, 54.0)
    assert pickle.loads(pickle.dumps(tomogram)).load().shape == (16, 24, 32)


def test_a_row_that_names_a_zarr_takes_the_level_of_its_binning(project):
    fine = np.zeros((32, 48, 64), np.float32) + 2
    levels = [fine, fine[::2, ::2, ::2] - 1]
    write_ome_zarr(project / "Tomograms/job009/rec_001.zarr", levels, 5.0)
    star = change(
        project,
        rlnTomoReconstructedTomogram=[
            "Tomograms/job009/rec_TS_01.mrc", "Tomograms/job009/rec_001.zarr",
        ],
    )  # fmt: skip
    tomogram = read_tomograms([star])["001"]
    assert (tomogram.shape, tomogram.voxel_size) == ((16, 24, 32), 10.0)
    assert tomogram.path.endswith("rec_001.zarr/1")
    assert float(tomogram.load()[3, 4, 5]) == 1.0


def test_an_optimisation_set_leads_to_its_tomograms(project):
    assert list(read_tomograms([project / "set.star"])) == ["TS_01", "001"]


def test_a_quoted_pattern_finds_volumes_named_by_their_stems(project):
    found = read_tomograms([str(project / "Tomograms/*/rec_*.mrc")])
    assert sorted(found) == ["rec_001", "rec_TS_01"]


def test_a_volume_given_twice_is_one_tomogram(project):
    path = project / "Tomograms/job009/rec_001.mrc"
    assert list(read_tomograms([path, str(path.parent / "rec_0*.mrc")])) == ["rec_001"]


def test_rows_without_a_volume_take_it_from_the_files_beside_them(project):
    star = change(project, rlnTomoReconstructedTomogram="")
    found = read_tomograms([star, str(project / "Tomograms/job009/*.mrc")])
    assert list(found) == ["TS_01", "001"]
    assert found["001"].path.endswith("rec_001.mrc")


def test_a_row_without_a_volume_takes_the_one_whose_name_holds_its_own(project, rng, caplog):
    for name in ("_isonet2-n2n_TS_01_10.00Apx", "L2_lamella_7"):
        volume = rng.normal(size=(16, 24, 32)).astype(np.float32)
        write_volume(project / f"{name}.mrc", volume, 10.0)
    change(project, rlnTomoReconstructedTomogram=["None", "None"], rlnTomoName=["TS_1", "L2"])
    star = project / "Tomograms/job009/tomograms.star"
    found = read_tomograms([star, str(project / "*.mrc")])
    assert {name: tomogram.path.split("/")[-1] for name, tomogram in found.items()} == {
        "TS_1": "_isonet2-n2n_TS_01_10.00Apx.mrc",
        "L2": "L2_lamella_7.mrc",
    }
    assert "_isonet2-n2n_TS_01_10.00Apx.mrc taken for TS_1" in caplog.text


def test_two_volumes_that_could_be_of_one_row_are_both_named(project, rng):
    for name in ("isonet_TS_01", "ddw_TS_01"):
        volume = rng.normal(size=(16, 24, 32)).astype(np.float32)
        write_volume(project / f"{name}.mrc", volume, 10.0)
    change(project, rlnTomoReconstructedTomogram=["", "Tomograms/job009/rec_001.mrc"])
    star = project / "Tomograms/job009/tomograms.star"
    with pytest.raises(CryoalError, match="'ddw_TS_01' or 'isonet_TS_01'"):
        read_tomograms([star, str(project / "*.mrc")])


def test_a_row_that_names_no_tomogram_is_refused(project):
    change(project, rlnTomoName=["None", "001"])
    with pytest.raises(CryoalError, match="tomogram 1: rlnTomoName names none"):
        read_tomograms([project / "Tomograms/job009/tomograms.star"])


def test_two_halves_are_averaged(project, rng):
    halves = [rng.normal(size=(16, 24, 32)).astype(np.float32) for _ in range(2)]
    for i, half in enumerate(halves, 1):
        write_volume(project / f"half{i}.mrc", half, 10.0)
    star = change(
        project,
        rlnTomoReconstructedTomogram="",
        rlnTomoReconstructedTomogramHalf1="half1.mrc",
        rlnTomoReconstructedTomogramHalf2="half2.mrc",
    )
    tomogram = read_tomograms([star])["TS_01"]
    np.testing.assert_allclose(tomogram.load(), np.mean(halves, axis=0), atol=1e-6)


def test_a_missing_volume_is_named_with_where_paths_count_from(project):
    (project / "Tomograms/job009/rec_001.mrc").unlink()
    with pytest.raises(CryoalError, match=r"tomogram 001: its volume .*rec_001\.mrc is not there"):
        read_tomograms([project / "set.star"])


def test_volumes_need_not_exist_when_only_sizes_are_needed(project):
    (project / "Tomograms/job009/rec_001.mrc").unlink()
    found = read_tomograms([project / "set.star"], need_volumes=False)
    assert (found["001"].shape, found["001"].voxel_size) == ((16, 24, 32), 10.0)
    assert found["001"].load is None


@pytest.mark.parametrize("header", [0.0, 1.0])
def test_a_header_nobody_filled_in_needs_the_option(tmp_path, header):
    write_volume(tmp_path / "a.mrc", np.zeros((4, 8, 8)), header)
    with pytest.raises(CryoalError, match=r"a\.mrc: the voxel size is unknown.*--voxel-size"):
        read_tomograms([tmp_path / "a.mrc"])
    assert read_tomograms([tmp_path / "a.mrc"], voxel_size=8.0)["a"].voxel_size == 8.0
    assert read_tomograms([tmp_path / "a.mrc"], voxel_size=1.0)["a"].voxel_size == 1.0


def test_the_voxel_size_in_the_name_stands_in_for_the_header(tmp_path):
    write_volume(tmp_path / "TS_01_12.50Apx.mrc", np.zeros((4, 8, 8)), 1.0)
    assert read_tomograms([tmp_path / "TS_01_12.50Apx.mrc"])["TS_01_12.50Apx"].voxel_size == 12.5


def test_claims_that_differ_by_more_than_a_percent_are_an_error_naming_both(tmp_path):
    write_volume(tmp_path / "TS_01_12.50Apx.mrc", np.zeros((4, 8, 8)), 10.0)
    with pytest.raises(CryoalError, match=r"12\.5 A by its name but 10 A by its header"):
        read_tomograms([tmp_path / "TS_01_12.50Apx.mrc"])


def test_the_option_overrules_and_says_so(tmp_path, caplog):
    write_volume(tmp_path / "a.mrc", np.zeros((4, 8, 8)), 10.0)
    with caplog.at_level(logging.WARNING):
        assert read_tomograms([tmp_path / "a.mrc"], voxel_size=12.0)["a"].voxel_size == 12.0
    assert "--voxel-size 12 overrules 10 of its header" in caplog.text


def test_without_binning_and_header_the_stated_size_gives_the_voxel_size(project):
    for name in ("TS_01", "001"):
        write_volume(project / f"Tomograms/job009/rec_{name}.mrc", np.zeros((16, 24, 32)), 0.0)
    change(project, rlnTomoTomogramBinning="")
    assert read_tomograms([project / "set.star"])["001"].voxel_size == 10.0
    change(project, rlnTomoSizeY="200")
    with pytest.raises(CryoalError, match="another tomogram, or is a voxel size wrong"):
        read_tomograms([project / "set.star"])


@pytest.mark.parametrize("option", [0.0, -1.0, float("nan")])
def test_an_impossible_option_is_refused(option):
    with pytest.raises(CryoalError, match="a positive number of Angstrom"):
        resolve_voxel_size({}, 10.0, "a.mrc", Said(option))


def test_a_volume_of_another_size_than_stated_is_refused(project):
    change(project, rlnTomoSizeX="200")
    with pytest.raises(CryoalError, match=r"40 x 24 x 16 voxels of 10 A .*32 x 24 x 16"):
        read_tomograms([project / "set.star"])


def test_swapped_axes_are_recognised_as_such(project):
    change(project, rlnTomoSizeY="80", rlnTomoSizeZ="120")
    with pytest.raises(CryoalError, match="Y and Z look swapped"):
        read_tomograms([project / "set.star"])


def test_one_voxel_of_rounding_is_allowed(project):
    change(project, rlnTomoSizeX="164")
    assert len(read_tomograms([project / "set.star"])) == 2


def test_two_volumes_of_one_name_are_refused_with_both_paths(project):
    other = project / "again/rec_001.mrc"
    write_volume(other, np.zeros((16, 24, 32)), 10.0)
    with pytest.raises(CryoalError, match=r"two tomograms are called 'rec_001'.*job009.*again"):
        read_tomograms([project / "Tomograms/job009/rec_001.mrc", other])


def test_a_display_volume_is_found_by_name_and_must_have_the_same_grid(project):
    write_volume(project / "dn/TS_01_dn.mrc", np.ones((16, 24, 32)), 10.0)
    pattern = str(project / "dn/*.mrc")
    found = read_tomograms([project / "set.star"], display=pattern)
    assert found["TS_01"].load_display().max() == 1
    assert found["001"].load_display is None
    write_volume(project / "dn/TS_01_dn.mrc", np.ones((16, 24, 30)), 10.0)
    with pytest.raises(CryoalError, match="voxels"):
        read_tomograms([project / "set.star"], display=pattern)


def test_a_fallback_fills_what_no_file_says_and_overrules_nothing(tmp_path):
    write_volume(tmp_path / "a.mrc", np.zeros((4, 8, 8)), 0.0)
    write_volume(tmp_path / "b.mrc", np.zeros((4, 8, 8)), 10.0)
    found = read_tomograms([tmp_path / "a.mrc", tmp_path / "b.mrc"], fallback_voxel_size=8.0)
    assert (found["a"].voxel_size, found["b"].voxel_size) == (8.0, 10.0)


def test_the_given_tilt_range_overrules_the_tilt_series(project):
    found = read_tomograms([project / "set.star"], tilt_range=(-40.0, 40.0))
    assert found["TS_01"].tilt_range == (-40.0, 40.0)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("odd_mrc/mrc2D.mrc", "a single image"),
        ("odd_mrc/header_only.mrc", "cut off"),
        ("particles/relion5/particles.star", "is this a particle file"),
        ("odd_mrc", "a folder"),
        ("odd_mrc/none.mrc", "no such file"),
        ("odd_mrc/none*.mrc", "no such file"),
    ],
)
def test_what_is_no_tomogram_is_refused_in_one_line(testdata, file, words):
    with pytest.raises(CryoalError, match=words) as caught:
        read_tomograms([testdata / file])
    assert "\n" not in str(caught.value)


def test_a_tilt_series_given_for_a_tomogram_is_told(tmp_path, caplog):
    write_volume(tmp_path / "TS_01.st", np.zeros((41, 64, 64)), 10.0)
    with caplog.at_level(logging.WARNING):
        read_tomograms([tmp_path / "TS_01.st"])
    assert "named like a tilt series" in caplog.text


def test_an_oddity_of_many_volumes_is_one_warning(testdata, caplog):
    with caplog.at_level(logging.WARNING):
        read_tomograms([str(testdata / "templates/polnet_10A/*.mrc")])
    assert len([r for r in caplog.records if "origin" in r.message]) == 1


def test_a_tilt_that_is_no_number_widens_no_tilt_range():
    table = pd.DataFrame({"rlnTomoNominalStageTiltAngle": ["-48", "nan", "inf", "51", "-inf"]})
    assert tilts_of_blocks({"TS_01": table}) == {"TS_01": (-48.0, 51.0)}
