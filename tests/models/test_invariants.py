import pytest
import torch
from scipy.spatial.transform import Rotation

from cryoal.models.harmonics import Harmonics
from cryoal.models.invariants import LARGEST_FULL_BOX, LARGEST_SHARP_BOX, SIZE, Invariants

SHAPES = {"dumbbell": [(0, 0, 6), (0, 0, -6)], "triangle": [(6, 0, 0), (-3, 5, 0), (-3, -5, 0)]}


def balls(places, rotation=None, box=24):
    """Round blobs at these places (z, y, x), turned about the centre: (1, 1, box, box, box)."""
    at = torch.arange(float(box)) - box // 2
    z, y, x = torch.meshgrid(at, at, at, indexing="ij")
    volume = torch.zeros(box, box, box)
    for place in places if rotation is None else rotation.apply(places):
        r2 = (z - place[0]) ** 2 + (y - place[1]) ** 2 + (x - place[2]) ** 2
        volume += torch.exp(-r2 / 8)
    return volume[None, None]


@pytest.fixture
def boxes():
    """Off-centre, elongated blobs in noise, empty towards the faces: (4, 1, 24, 24, 24)."""
    generator = torch.Generator().manual_seed(0)
    at = torch.arange(24.0) - 12
    z, y, x = torch.meshgrid(at, at, at, indexing="ij")
    blob = torch.exp(-((z - 1) ** 2 / 30 + (y + 2) ** 2 / 8 + x**2 / 4))
    noise = torch.randn(4, 1, 24, 24, 24, generator=generator)
    return (5 * blob + 0.5 * noise) * (z**2 + y**2 + x**2 < 64)


@pytest.mark.parametrize("axes", [(2, 3), (2, 4), (3, 4)])
def test_a_quarter_turn_about_the_centre_changes_nothing(boxes, axes):
    turned = torch.roll(torch.rot90(boxes, dims=axes), 1, dims=axes[0])
    describe = Invariants(24)
    one, other = describe(boxes), describe(turned)
    assert (one - other).abs().max() < 0.02 * one.abs().max()


@pytest.mark.parametrize("shape", SHAPES)
def test_any_turn_changes_spectra_less_than_another_shape_does(shape):
    harmonics = Harmonics(24)
    other = SHAPES["triangle" if shape == "dumbbell" else "dumbbell"]
    upright = harmonics(balls(SHAPES[shape])[:, 0])
    apart = (upright - harmonics(balls(other)[:, 0])).norm()
    for rotation in Rotation.random(6, random_state=0):
        turned = harmonics(balls(SHAPES[shape], rotation)[:, 0])
        assert (turned - upright).norm() < 0.15 * apart


def test_shapes_with_the_same_radial_profile_differ_in_their_spectra():
    here = SHAPES["dumbbell"]
    there = [(0, 6, 0), (0, 0, 6)]  # as far from the centre, at a right angle
    describe = Invariants(24)
    one, other = describe(balls(here)), describe(balls(there))
    spectra = slice(0, Harmonics.SIZE)
    assert (one - other)[:, spectra].norm() > 0.2 * one[:, spectra].norm()


def test_boxes_are_described_one_by_one(boxes):
    describe = Invariants(24)
    assert describe(boxes).shape == (4, SIZE)
    torch.testing.assert_close(describe(boxes)[1:2], describe(boxes[1:2]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("box", [16, 22, 36, LARGEST_FULL_BOX, LARGEST_FULL_BOX + 2, 74, 128])
def test_every_box_gives_the_same_list(box):
    values = Invariants(box)(torch.randn(2, 1, box, box, box))
    assert values.shape == (2, SIZE)
    assert values.isfinite().all()


def test_what_a_small_box_does_not_hold_is_zero_and_the_rest_agrees_with_a_large_one():
    small, large = Invariants(24), Invariants(36)
    particle = balls(SHAPES["triangle"], box=36)
    ours = small(particle[:, :, 6:30, 6:30, 6:30])[:, : Harmonics.SIZE]
    theirs = large(particle)[:, : Harmonics.SIZE]
    held = ours != 0
    assert 0 < held.sum() < (theirs != 0).sum()
    torch.testing.assert_close(ours[held], theirs[held], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("box", [LARGEST_FULL_BOX + 2, LARGEST_SHARP_BOX])
def test_a_box_for_a_large_particle_does_not_blur_the_small_ones(box):
    particle = balls(SHAPES["triangle"], box=box)
    start = box // 2 - LARGEST_FULL_BOX // 2
    middle = slice(start, start + LARGEST_FULL_BOX)
    as_if_small = Invariants(LARGEST_FULL_BOX)(particle[:, :, middle, middle, middle])
    torch.testing.assert_close(Invariants(box)(particle), as_if_small)


def test_a_long_particle_is_told_from_a_round_one_of_the_same_size():
    at = torch.arange(24.0) - 12
    z, y, x = torch.meshgrid(at, at, at, indexing="ij")
    long = torch.exp(-(z**2 / 40 + y**2 / 5 + x**2 / 5))
    short = torch.exp(-(z**2 / 10 + y**2 / 10 + x**2 / 10))
    moments = Invariants(24)(torch.stack([long, short])[:, None])[:, -13:-10]
    assert moments[0, 2] > 1.3 * moments[0, 0]
    assert moments[1, 2] == pytest.approx(moments[1, 0].item(), rel=0.05)


def test_half_precision_around_them_does_not_reach_them(boxes):
    describe = Invariants(24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(describe(boxes), describe(boxes.float()))
        assert describe(boxes).dtype == torch.float32


def test_a_constant_box_has_finite_invariants():
    assert Invariants(16)(torch.zeros(2, 1, 16, 16, 16)).isfinite().all()
