import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoal.core.geometry import sampled_region
from cryoal.data.augment import HALF_TURNS, augment, central, cut, views

ALL = torch.ones(1, 4, dtype=torch.bool)


def marked(stored, at):
    """A box that is zero but for one voxel."""
    box = torch.zeros(1, stored, stored, stored)
    box[0, at[0], at[1], at[2]] = 1
    return box


def where(box):
    return np.argwhere(box[0, 0].numpy() == box.max().item())[0]


@given(
    st.tuples(*[st.integers(-2, 2)] * 3),
    st.sampled_from(range(4)),
    st.sampled_from([8, 10]),
)
def test_the_voxel_at_the_offset_lands_on_the_centre_however_turned(offset, turn, box):
    stored = box + 4
    at = np.array(offset) + stored // 2
    signs = torch.from_numpy(HALF_TURNS[turn])[None]
    seen = cut(
        marked(stored, at), torch.zeros(1, dtype=torch.long), box, torch.tensor([offset]), signs
    )
    assert where(seen).tolist() == [box // 2] * 3


@given(st.tuples(*[st.integers(-3, 3)] * 3), st.sampled_from(range(4)))
def test_a_turn_moves_a_voxel_to_the_other_side_of_the_centre(offset, turn):
    seen = central(marked(8, np.array(offset) + 4), 8, turn)
    assert (where(seen) - 4).tolist() == (np.array(offset) * HALF_TURNS[turn]).tolist()


def test_every_view_is_a_rotation_and_none_a_mirror_image():
    assert (HALF_TURNS.prod(axis=1) == 1).all()


@pytest.mark.parametrize("tilts", [(-60, 60), (-48, 66), (-60, 58), (0, 60)])
@pytest.mark.parametrize(
    ("axis", "beam"), [("y", "z"), ("x", "z"), ("z", "y"), ("x", "y"), ("y", "x"), (25.0, "z")]
)
def test_an_allowed_view_leaves_the_measured_region_in_place(tilts, axis, beam):
    region = sampled_region((31, 31, 31), tilts, axis, beam, real=False)
    for turn, allowed in zip(HALF_TURNS, views(tilts, axis, beam), strict=True):
        turned = region
        for dimension in np.flatnonzero(turn < 0):
            turned = np.roll(np.flip(turned, dimension), 1, dimension)
        overlap = (turned & region).sum() / (turned | region).sum()
        assert (overlap > 0.93) == allowed, (turn, overlap)


def test_an_asymmetric_range_leaves_only_the_turn_about_the_tilt_axis():
    assert HALF_TURNS[views((-48, 66), "x")].tolist() == [[1, 1, 1], [-1, -1, 1]]


def test_draws_cover_all_shifts_and_allowed_views_and_nothing_else():
    box = marked(12, (6, 6, 6)).expand(500, 12, 12, 12).contiguous()
    allowed = torch.tensor([[True, False, True, False]]).expand(500, 4)
    ramp = box + torch.arange(12)[:, None, None] * 1e-3  # rises along z
    seen = augment(
        ramp,
        torch.arange(500),
        8,
        shift=1,
        allowed=allowed,
        generator=torch.Generator().manual_seed(0),
    )
    places = {tuple(where(seen[i : i + 1])) for i in range(500)}
    assert places == {(z, y, x) for z in (3, 4, 5) for y in (3, 4, 5) for x in (3, 4, 5)}
    falling = (seen[:, 0, -1, 0, 0] < seen[:, 0, 0, 0, 0]).float().mean()
    assert 0.4 < falling < 0.6


def test_the_generator_decides():
    boxes = torch.randn(4, 12, 12, 12)
    rows = torch.tensor([3, 1, 1])
    one, two = (
        augment(
            boxes,
            rows,
            8,
            shift=2,
            allowed=ALL.expand(4, 4),
            generator=torch.Generator().manual_seed(5),
        )
        for _ in range(2)
    )
    assert torch.equal(one, two)


def test_half_precision_boxes_come_out_as_single():
    assert central(torch.zeros(2, 8, 8, 8, dtype=torch.float16), 6).dtype == torch.float32
