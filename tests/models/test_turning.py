import numpy as np
import pytest
import torch
from scipy import fft
from scipy.spatial.transform import Rotation

from cryoal.core.geometry import sampled_region
from cryoal.models.harmonics import COEFFICIENTS, RESOLVED, Harmonics, shells_of
from cryoal.models.turning import even_rotations, transfer_operator, turning, turning_of


def test_turned_coefficients_are_those_of_the_turned_box(rng):
    box = np.zeros((1, 25, 25, 25), dtype=np.float32)
    box[0, 4:21, 4:21, 4:21] = rng.normal(size=(17, 17, 17))
    # The box's middle, voxel 12, stays where it is in a quarter turn that maps x to y.
    turned = np.rot90(box, axes=(3, 2)).copy()
    quarter = Rotation.from_euler("z", 90, degrees=True)
    expand = Harmonics(24).coefficients
    before, after = (
        expand(torch.from_numpy(b[:, :24, :24, :24].copy()))[0].numpy() for b in (box, turned)
    )
    found = [(m @ before.T).T for m in turning_of(Rotation.concatenate([quarter, quarter.inv()]))]
    # One of the two senses is f(R x); the other one is not.
    errors = sorted(np.abs(f - after)[RESOLVED].max() for f in found)
    assert errors[0] < 1e-3
    assert errors[1] > 0.1


def test_a_turn_changes_no_lengths_and_mixes_no_degrees():
    for matrix in turning(20):
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(49), atol=1e-4, rtol=0)


def test_even_rotations_leave_no_orientation_far_from_all():
    asked = Rotation.random(200, rng=np.random.default_rng(0))
    grid = even_rotations(400)
    nearest = [(grid * one.inv()).magnitude().min() for one in asked]
    assert np.rad2deg(max(nearest)) < 30


@pytest.mark.parametrize("side", [24, 25])
def test_what_lets_everything_through_changes_nothing_that_the_box_holds(side):
    operator = transfer_operator(np.ones((side, side, side // 2 + 1)))
    held = len(shells_of(side)) * 49
    resolved = np.flatnonzero(RESOLVED.flatten()[:held])
    there = operator[np.ix_(resolved, resolved)]
    np.testing.assert_allclose(there, np.eye(len(resolved)), atol=0.02)
    assert operator.shape == (COEFFICIENTS, COEFFICIENTS)
    assert not operator[held:].any()


def test_the_wedge_takes_the_share_of_the_energy_that_it_hides(rng):
    density = torch.from_numpy(rng.normal(size=(1, 24, 24, 24)).astype(np.float32))
    measured = sampled_region((24, 24, 24), (-60.0, 60.0))
    seen = fft.irfftn(fft.rfftn(density.numpy()[0]) * measured, s=(24, 24, 24))
    expand = Harmonics(24).coefficients
    whole, through = (
        expand(torch.as_tensor(np.asarray(b, np.float32).reshape(1, 24, 24, 24))).flatten()
        for b in (density, seen)
    )
    predicted = transfer_operator(measured) @ whole.numpy()
    # Noise is not band-limited as shells are, so that the prediction is only near.
    assert np.corrcoef(predicted, through)[0, 1] > 0.9
    assert 0.5 < np.square(predicted).sum() / whole.square().sum() < 0.9
