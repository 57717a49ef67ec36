"""Volumes for looking at belong to the tomogram they are named like, binned or not."""

import logging

import numpy as np
import pytest
from volume_files import write_ome_zarr

from cryoal.core.errors import CryoalError
from cryoal.io.display import with_displays
from cryoal.io.mrc import write_volume
from cryoal.io.tomograms import read_tomograms


@pytest.fixture
def tomograms(tmp_path):
    """Two tomograms of 16 x 24 x 33 voxels of 5 A."""
    for name in ("TS_01", "TS_02"):
        write_volume(tmp_path / f"raw/rec_{name}.mrc", np.zeros((16, 24, 33)), 5.0)
    return read_tomograms([str(tmp_path / "raw/*.mrc")])


@pytest.mark.parametrize("name", ["TS_01_dn.mrc", "TS_01.mrc", "rec_TS_01_isonet.mrc"])
def test_a_display_volume_is_found_by_the_name_of_its_series(tmp_path, tomograms, name):
    write_volume(tmp_path / "dn" / name, np.ones((16, 24, 33)), 1.0)
    shown = with_displays(tomograms, str(tmp_path / "dn/*"))["rec_TS_01"]
    assert shown.load_display().max() == 1
    assert shown.display_path == str(tmp_path / "dn" / name)
    assert shown.shown.voxel_size == shown.voxel_size == 5.0


def test_tomograms_without_a_display_volume_are_named(tmp_path, tomograms, caplog):
    write_volume(tmp_path / "dn/TS_01.mrc", np.ones((16, 24, 33)), 1.0)
    with caplog.at_level(logging.WARNING):
        shown = with_displays(tomograms, str(tmp_path / "dn/*"))
    assert "1 of 2 tomograms have no display volume" in caplog.text
    assert "rec_TS_02" in caplog.text
    assert shown["rec_TS_02"].load_display is None
    assert shown["rec_TS_02"].shown is shown["rec_TS_02"]


@pytest.mark.parametrize(
    ("shape", "header", "size"),
    [((8, 12, 16), 1.0, 10.0), ((8, 12, 17), 10.0, 10.0), ((12, 18, 25), 6.67, 6.67)],
)
def test_a_binned_display_volume_is_taken_and_told(
    tmp_path, tomograms, caplog, shape, header, size
):
    write_volume(tmp_path / "dn/TS_01.mrc", np.ones(shape), header)
    with caplog.at_level(logging.INFO):
        shown = with_displays(tomograms, str(tmp_path / "dn/*"))["rec_TS_01"].shown
    assert (shown.shape, shown.voxel_size) == (shape, pytest.approx(size, rel=0.05))
    assert "are binned by" in caplog.text


@pytest.mark.parametrize("shape", [(16, 24, 30), (8, 24, 33), (24, 16, 33)])
def test_a_volume_of_another_field_is_refused(tmp_path, tomograms, shape):
    write_volume(tmp_path / "dn/TS_01.mrc", np.ones(shape), 5.0)
    with pytest.raises(CryoalError, match=r"TS_01\.mrc: .*is it another tomogram"):
        with_displays(tomograms, str(tmp_path / "dn/*"))


def test_a_multiscale_display_shows_the_level_of_the_tomogram(tmp_path, tomograms):
    fine = np.ones((32, 48, 66), np.float32)
    write_ome_zarr(tmp_path / "dn/TS_01.zarr", [fine, fine[::2, ::2, ::2]], 2.5)
    shown = with_displays(tomograms, str(tmp_path / "dn/*.zarr"))["rec_TS_01"]
    assert shown.shown.shape == shown.shape
    assert shown.display_path.endswith("TS_01.zarr/1")


def test_names_that_fit_nothing_or_two_are_refused(tmp_path, tomograms):
    write_volume(tmp_path / "dn/other.mrc", np.ones((16, 24, 33)), 5.0)
    with pytest.raises(CryoalError, match="none of its 1 files is named like a tomogram"):
        with_displays(tomograms, str(tmp_path / "dn/*"))
    for name in ("TS_01_dn", "TS_01_isonet"):
        write_volume(tmp_path / f"two/{name}.mrc", np.ones((16, 24, 33)), 5.0)
    with pytest.raises(CryoalError, match="'TS_01_dn' or 'TS_01_isonet'"):
        with_displays(tomograms, str(tmp_path / "two/*"))
