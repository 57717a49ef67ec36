"""Boxes distorted in training keep to what their tomogram has measured."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from cryoal.core.geometry import sampled_region
from cryoal.data.distort import (
    Distortions,
    as_by_ctf,
    distort,
    distorter,
    random_rotations,
    rotate,
    within,
)

BOX = 24
EVERYWHERE = torch.ones(1, BOX, BOX, BOX // 2 + 1, dtype=torch.bool)
WEDGE = torch.from_numpy(sampled_region((BOX,) * 3, (-60, 60)))[None]
ABOUT_Y = torch.tensor([[[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]])  # 90 degrees, zyx


def noise(n=8, seed=0):
    return torch.randn(n, 1, BOX, BOX, BOX, generator=torch.Generator().manual_seed(seed))


def power(boxes):
    return torch.fft.rfftn(boxes, dim=(2, 3, 4)).abs().square()[:, 0]


def blob(at):
    z, y, x = np.mgrid[:BOX, :BOX, :BOX] - np.array(at)[:, None, None, None]
    return torch.from_numpy(np.exp(-(z**2 + y**2 + x**2) / 8)).float()[None, None]


def test_a_turn_moves_what_is_off_centre_as_its_matrix_says():
    c, moved = BOX // 2, torch.tensor([3.0, -2.0, 4.0])
    turns = random_rotations(1, torch.Generator().manual_seed(1))
    seen = rotate(blob(c + moved.numpy()), EVERYWHERE, turns)[0, 0]
    grid = torch.stack(torch.meshgrid(*[torch.arange(BOX) - c] * 3, indexing="ij"), -1).float()
    centre = (seen.clamp(min=0.05)[..., None] - 0.05).mul(grid).sum((0, 1, 2))
    centre = centre / (seen.clamp(min=0.05) - 0.05).sum()
    torch.testing.assert_close(centre, turns[0] @ moved, atol=0.1, rtol=0)


def test_turned_a_quarter_about_the_tilt_axis_the_intersection_of_two_wedges_is_left():
    # +-60 degrees measure 120 of 180 degrees; so does the turned series; both measure 60 of 180.
    boxes = within(noise(), WEDGE.expand(8, -1, -1, -1))
    seen = rotate(boxes, WEDGE.expand(8, -1, -1, -1), ABOUT_Y.expand(8, -1, -1))
    turned = torch.from_numpy(sampled_region((BOX,) * 3, (-60, 60)))
    full = torch.from_numpy(sampled_region((BOX,) * 3, (-60, 60), real=False))
    at = -torch.arange(BOX) % BOX
    turned = full.permute(2, 1, 0)[at][:, :, : BOX // 2 + 1]
    both = WEDGE[0] & turned
    assert power(seen)[:, ~WEDGE[0]].max() < 1e-3 * power(seen).mean()
    assert power(seen)[:, both].sum() / power(seen).sum() > 0.9
    assert both.float().mean() / WEDGE.float().mean() == pytest.approx(0.5, abs=0.1)


def test_rotations_turn_about_no_preferred_axis():
    turns = random_rotations(4000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand(4000, 3, 3), atol=1e-5, rtol=0)
    assert (torch.linalg.det(turns) > 0.99).all()
    assert turns.mean(0).abs().max() < 0.05
    assert (turns.square().mean(0) - 1 / 3).abs().max() < 0.05


def test_noise_is_added_where_the_tomogram_has_measured_and_grey_stays_what_it_was():
    boxes = within(noise(), WEDGE.expand(8, -1, -1, -1))
    generator = torch.Generator().manual_seed(3)
    seen = distort(boxes, WEDGE.expand(8, -1, -1, -1), Distortions(noise=2.0), generator)
    assert power(seen)[:, ~WEDGE[0]].max() < 1e-3 * power(seen).mean()
    torch.testing.assert_close(seen.std((1, 2, 3, 4)), boxes.std((1, 2, 3, 4)))
    likeness = (seen * boxes).mean((1, 2, 3, 4)) / boxes.var((1, 2, 3, 4))
    # Between none and two deviations: a likeness of 1 down to 1 / sqrt(5).
    assert likeness.max() < 1
    assert likeness.min() > 1 / math.sqrt(5) - 0.05
    assert likeness.std() > 0.1


def test_a_wave_at_a_zero_of_the_filter_loses_its_share_and_the_longest_none():
    x = torch.arange(BOX) * 2 * math.pi / BOX
    long, short = (torch.cos(n * x).expand(1, 1, BOX, BOX, BOX) for n in (1, BOX // 4))
    phase = torch.tensor([4 * math.pi])  # at half of Nyquist pi
    for wave, left in ((short, 0.4), (long, 1.0)):
        seen = as_by_ctf(wave, phase, torch.tensor([0.6]))
        torch.testing.assert_close(seen, left * wave, atol=1e-4, rtol=0)


def test_each_particle_has_its_own_tomograms_wedge():
    facts = {"rlnTomoName": ["a", "b"], "cryoalTiltAxis": ["y", "x"]}
    table = pd.DataFrame({**facts, "cryoalTiltMin": [-60, -40], "cryoalTiltMax": [60, 40]})
    apply = distorter(Distortions(noise=1e4), table, np.array(["b", "a"]), BOX)
    seen = power(apply(noise(2), torch.tensor([1, 0]), torch.Generator().manual_seed(0)))
    missing = [~torch.from_numpy(sampled_region((BOX,) * 3, (-60, 60), "y"))]
    missing.append(~torch.from_numpy(sampled_region((BOX,) * 3, (-40, 40), "x")))
    for box, empty in zip(seen, missing, strict=True):
        assert box[empty].max() < 1e-3 * box.mean()


def test_nothing_asked_for_is_nothing_done():
    assert not Distortions()
    boxes = noise()
    seen = distort(boxes, EVERYWHERE.expand(8, -1, -1, -1), Distortions(), torch.Generator())
    torch.testing.assert_close(seen, boxes)


def test_a_batch_in_which_no_box_is_turned_stays_as_it_is():
    boxes, seldom = noise(2), Distortions(rotations=1e-6)
    generator = torch.Generator().manual_seed(0)
    seen = distort(boxes, EVERYWHERE.expand(2, -1, -1, -1), seldom, generator)
    torch.testing.assert_close(seen, boxes)
