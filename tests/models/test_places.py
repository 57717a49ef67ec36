"""Where a particle may lie beside its centre."""

import math

import pytest
import torch

from cryoal.models.harmonics import Harmonics
from cryoal.models.places import PLACES, PLACES_OF_RING, RING, Placed, even_on_rings, spread


def test_the_centre_comes_first_and_every_place_has_its_opposite():
    assert PLACES[0].tolist() == [0, 0, 0]
    assert {tuple(p) for p in PLACES.tolist()} == {tuple(p) for p in (-PLACES).tolist()}


def test_no_voxel_within_two_is_farther_than_one_from_a_place():
    steps = torch.arange(-2, 3)
    voxels = torch.cartesian_prod(steps, steps, steps)
    near = voxels[voxels.square().sum(1) <= 4]
    assert torch.cdist(near.float(), PLACES.float()).amin(1).max() <= 1


def test_what_is_seen_from_a_place_is_what_a_box_about_it_shows():
    box, place = torch.randn(2, 24, 24, 24), torch.tensor([[1, -2, 1]])
    harmonics = Harmonics(20)
    moved = torch.roll(box, (-1, 2, -1), (1, 2, 3))[:, 2:-2, 2:-2, 2:-2]
    seen = harmonics.coefficients_at(box, place)[:, 0]
    torch.testing.assert_close(seen, harmonics.coefficients(moved), rtol=1e-4, atol=1e-4)


def test_chances_of_a_ring_are_shared_by_its_places():
    chances = torch.rand(len(PLACES), generator=torch.Generator().manual_seed(0))
    even = even_on_rings(chances)
    assert even.sum() == pytest.approx(1)
    for ring in range(len(PLACES_OF_RING)):
        own = even[ring == RING]
        assert own.std(correction=0) < 1e-7
        assert own.sum() == pytest.approx((chances[ring == RING].sum() / chances.sum()).item())


def test_rings_with_hardly_a_particle_are_left_out():
    chances = torch.where(RING == 0, 0.95, 0.05 / (len(PLACES) - 1))
    assert even_on_rings(chances, least=0.1).tolist() == [1.0] + [0.0] * (len(PLACES) - 1)


def test_the_larger_the_error_the_less_likely_the_centre():
    assert spread(0.3)[0] > 0.99 > spread(0.6)[0] > spread(1.5)[0]


def test_likelihoods_are_summed_over_a_particles_places():
    placed = Placed.of(torch.zeros(2, 3, 5), torch.tensor([0, 4, 7]))
    assert placed.place.tolist() == [0, 4, 7, 0, 4, 7]
    logs = torch.tensor([[0.0], [1.0], [2.0], [-900.0], [-901.0], [-902.0]])
    whole = math.log(1 + math.e + math.e**2)
    assert placed.together(logs)[:, 0].tolist() == pytest.approx([whole, whole - 902])
    some = placed.only(torch.tensor([1, 3]))
    assert some.together(logs[[1, 3]])[:, 0].tolist() == pytest.approx([1, -900])
