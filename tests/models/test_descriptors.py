import pytest
import torch

from cryoal.models.descriptors import Descriptors


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
    describe = Descriptors(24)
    one, other = describe(boxes), describe(turned)
    assert (one - other).abs().max() < 0.02 * one.abs().max()


def test_boxes_are_described_one_by_one(boxes):
    describe = Descriptors(24)
    assert describe(boxes).shape == (4, describe.size)
    torch.testing.assert_close(describe(boxes)[1:2], describe(boxes[1:2]), rtol=1e-4, atol=1e-4)


def test_a_long_particle_is_told_from_a_round_one_of_the_same_size():
    at = torch.arange(24.0) - 12
    z, y, x = torch.meshgrid(at, at, at, indexing="ij")
    long = torch.exp(-(z**2 / 40 + y**2 / 5 + x**2 / 5))
    short = torch.exp(-(z**2 / 10 + y**2 / 10 + x**2 / 10))
    describe = Descriptors(24)
    first = describe.shells.shape[1] * 2 + 4
    moments = describe(torch.stack([long, short])[:, None])[:, first : first + 3]
    assert moments[0, 2] > 1.3 * moments[0, 0]
    assert moments[1, 2] == pytest.approx(moments[1, 0].item(), rel=0.05)


def test_half_precision_around_them_does_not_reach_them(boxes):
    describe = Descriptors(24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(describe(boxes), describe(boxes.float()))
        assert describe(boxes).dtype == torch.float32
