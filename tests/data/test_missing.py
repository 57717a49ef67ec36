"""One dead voxel far from all picks must turn nothing over."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.data.coarse import binned
from cryoal.data.crop import Cropper
from cryoal.data.extract import BoxGeometry, Task, extract_tomogram, look
from cryoal.data.missing import any_missing, count_missing, filled, missing
from cryoal.data.normalise import grey_scale
from cryoal.data.readings import standard_errors

DEAD = [np.nan, np.inf, -np.inf, 1e30, -3e38]


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    z, y, x = np.indices((60, 64, 66)) / 9
    return (np.sin(z) + np.cos(y) + np.sin(x + 1)).astype(np.float32)


@pytest.mark.parametrize("dead", DEAD)
def test_what_is_no_measurement_is_counted_once(dead):
    volume = np.zeros((4, 5, 6), dtype=np.float32)
    volume[1, 2, 3] = volume[3, 0, 0] = dead
    assert count_missing(volume) == missing(volume).sum() == 2
    assert any_missing(volume)
    assert not any_missing(np.zeros(3, dtype=np.float32))


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("dead", DEAD)
def test_a_binned_tomogram_hardly_knows_of_a_dead_voxel(smooth, step, dead):
    spoilt = smooth.copy()
    spoilt[20, 30, 40] = spoilt[-1, -1, -1] = dead
    coarse = binned(spoilt, step)
    assert coarse.missing == 2
    np.testing.assert_allclose(coarse.volume, binned(smooth, step).volume, atol=0.05)


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.9))
@settings(max_examples=25, deadline=None)
def test_filling_leaves_no_gap_and_touches_nothing_else(seed, share):
    rng = np.random.default_rng(seed)
    volume = rng.normal(size=(9, 8, 7)).astype(np.float32)
    gaps = rng.random(volume.shape) < share
    spoilt = np.where(gaps, np.float32(np.nan), volume)
    patched = filled(spoilt)
    assert np.isfinite(patched).all()
    np.testing.assert_array_equal(patched[~gaps], volume[~gaps])


@pytest.mark.parametrize("scale", [1.0, 0.8, 1.37])
@pytest.mark.parametrize("centre", [(30, 32, 33), (30.3, 31.8, 33.4)])
@pytest.mark.parametrize("dead", DEAD)
def test_a_box_is_what_it_would_be_without_its_dead_voxels(smooth, scale, centre, dead):
    spoilt = smooth.copy()
    spoilt[29, 34, 31] = spoilt[22, 32, 33] = spoilt[2, 2, 2] = dead
    box = Cropper(spoilt, 24, scale)(np.array(centre, dtype=float))
    whole = Cropper(smooth, 24, scale)(np.array(centre, dtype=float))
    np.testing.assert_allclose(box, whole, atol=0.05)


@pytest.mark.parametrize("scale", [1.0, 1.37])
def test_a_hole_stays_unmeasured(smooth, scale):
    spoilt = smooth.copy()
    spoilt[26:34, 28:36, 29:37] = np.nan
    box = Cropper(spoilt, 24, scale)(np.array([30.3, 32.0, 33.0]))
    assert 0.5 * 8**3 < np.isnan(box).sum() * scale**3 < 2 * 8**3


def tomogram_of(volume: np.ndarray) -> Tomogram:
    return Tomogram("TS_01", volume.shape, 10.0, partial(np.asarray, volume))


def test_a_box_that_lacks_too_much_is_left_out_with_its_reason(tmp_path, rng):
    volume = rng.normal(size=(48, 80, 96)).astype(np.float32)
    volume[:, :, 60:][rng.random((48, 80, 36)) < 0.4] = np.nan
    ids, position = np.array(["good", "bad"]), np.array([[24, 40, 30], [24, 40, 80]]) * 10.0
    task = Task(
        tomogram_of(volume), ids, position, tmp_path / "TS_01.mrc", BoxGeometry(24, 10, 150)
    )
    result = extract_tomogram(task)
    assert result.ids.tolist() == ["good"]
    assert result.left_out[0][0] == "bad"
    assert "constant or padding" in result.left_out[0][1]
    assert np.isfinite([result.mean, result.std]).all()


def test_a_tomogram_without_a_number_is_refused_by_name(tmp_path):
    volume = np.full((48, 80, 96), np.nan, dtype=np.float32)
    position = np.full((12, 3), 240.0)
    task = Task(
        tomogram_of(volume), np.arange(12).astype(str), position, tmp_path / "TS_01.mrc",
        BoxGeometry(24, 10, 150),
    )  # fmt: skip
    with pytest.raises(CryoalError, match=r"TS_01: not one voxel .* is a number"):
        look(task)
    volume[0, 0, 0] = 1.0
    assert look(replace(task, tomogram=tomogram_of(volume))).placement.contrast is None


def test_the_grey_scale_of_a_tomogram_ignores_what_is_no_measurement(rng):
    volume = rng.normal(size=(32, 20, 20)).astype(np.float32)
    spoilt = volume.copy()
    spoilt[0, :2] = [np.nan, np.inf, -np.inf, 3e38] * 5
    assert grey_scale(spoilt).std == pytest.approx(grey_scale(volume).std, abs=0.05)


@pytest.mark.parametrize("dead", [np.nan, np.inf])
def test_no_standard_error_comes_from_what_is_not_finite(dead):
    assert standard_errors(np.array([1.0, 2.0, 3.0] * 5 + [dead])) == 0.0
