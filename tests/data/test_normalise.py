import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.data.normalise import CLIP, Shells, grey_scale, normalise, unmeasured

SHELLS = Shells(32, 10.0)


def particle(rng: np.random.Generator, signal: float = 0.0) -> np.ndarray:
    box = rng.normal(size=(32, 32, 32)).astype(np.float32)
    box[SHELLS.inside] += signal
    return box


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 1e4), st.floats(-1e5, 1e5), st.sampled_from([-1, 1]))
def test_grey_values_of_the_tomogram_do_not_matter(scale, offset, sign):
    raw = particle(np.random.default_rng(1), signal=1.0)
    expected = normalise(raw, SHELLS).box
    shifted = (sign * raw.astype(np.float64) * scale + offset).astype(np.float32)
    # float32 holds the grey values of a far offset less exactly
    tolerance = 0.01 + abs(offset) / scale * 1e-6
    np.testing.assert_allclose(normalise(shifted, SHELLS, sign).box, expected, atol=tolerance)


def test_the_background_becomes_0_with_deviation_1(rng):
    box = normalise(7 + 3 * particle(rng, signal=2.0), SHELLS).box
    background = box[SHELLS.shell]
    assert abs(background.mean()) < 0.05
    assert background.std() == pytest.approx(1, abs=0.05)
    assert box[SHELLS.inside].mean() == pytest.approx(2, abs=0.1)


def test_gold_is_clipped_and_does_not_move_the_background(rng):
    raw = particle(rng)
    plain = normalise(raw, SHELLS).box
    raw[:3, :3, :3] = 500
    box = normalise(raw, SHELLS).box
    assert box.max() == CLIP
    np.testing.assert_allclose(box[10:20, 10:20, 10:20], plain[10:20, 10:20, 10:20], atol=0.02)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_voxels_that_are_no_numbers_count_as_unmeasured(rng, value):
    raw = particle(rng)
    plain = normalise(raw, SHELLS).box
    raw[3, 4, 5] = value
    box = normalise(raw, SHELLS).box
    assert box[3, 4, 5] == 0
    np.testing.assert_allclose(box[8:], plain[8:], atol=0.01)


def test_the_background_is_known_better_than_by_its_median():
    errors = []
    for seed in range(40):
        box = normalise(5 + 2 * particle(np.random.default_rng(seed)), SHELLS).box
        background = box[SHELLS.shell]
        errors.append((background.mean(), background.std() - 1))
    location, scale = np.sqrt(np.mean(np.square(errors), axis=0))
    assert location < 0.018  # a median over as many voxels: 0.0196
    assert scale < 0.018


def test_a_tenth_of_gold_moves_the_background_by_a_fraction_of_its_deviation(rng):
    raw = particle(rng)
    plain = normalise(raw, SHELLS).box
    raw[:4, :, :] = -80  # an eighth of the box
    box = normalise(raw + 0.01 * rng.normal(size=raw.shape).astype(np.float32), SHELLS).box
    assert abs((box - plain)[8:].mean()) < 0.4


def test_a_quarter_outside_is_tolerated_and_filled_with_background(rng):
    raw = particle(rng)
    raw[:8] = np.nan
    result = normalise(raw, SHELLS)
    assert not result.empty
    assert result.constant == pytest.approx(0.25)
    assert (result.box[:8] == 0).all()
    assert result.box[8:].std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("fill", [0.0, np.nan, 17.5])
def test_more_than_a_quarter_constant_is_empty(rng, fill):
    raw = particle(rng)
    raw[:9] = fill
    result = normalise(raw, SHELLS)
    assert result.empty
    assert result.constant > 0.25


def test_a_box_without_contrast_is_empty():
    assert normalise(np.full((32, 32, 32), 3.0, np.float32), SHELLS).empty


def test_bytes_with_few_levels_are_not_taken_for_constant(rng):
    raw = np.round(particle(rng) * 4).astype(np.float32)
    missing = unmeasured(raw)
    assert missing is None or missing.mean() < 0.02
    assert normalise(raw, SHELLS).box[SHELLS.shell].std() == pytest.approx(1, abs=0.15)


def test_the_tomograms_grey_scale_leaves_constant_regions_out(rng):
    volume = rng.normal(5, 2, size=(40, 60, 60)).astype(np.float32)
    volume[:, :20] = 0
    scale = grey_scale(volume)
    assert scale.mean == pytest.approx(5, abs=0.1)
    assert scale.std == pytest.approx(2, abs=0.1)
