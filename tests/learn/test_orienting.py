import numpy as np
import pytest
import torch

from cryoal.core.geometry import sampled_region
from cryoal.learn.orienting import Search
from cryoal.models.averages import PARTS, TURNS, part_of
from cryoal.models.harmonics import COEFFICIENTS, ORDERS, SHELLS, Harmonics
from cryoal.models.places import PLACES
from cryoal.models.pretrained import first_shapes
from cryoal.models.turning import transfer_operator

BOX = 20


@pytest.fixture
def search():
    """Of 90 noisy particles seen through a wedge, and how likely each is of three classes."""
    generator = torch.Generator().manual_seed(0)
    boxes = torch.randn(90, BOX, BOX, BOX, generator=generator)
    wedge = torch.from_numpy(transfer_operator(sampled_region((BOX,) * 3, (-60.0, 60.0))))
    points = Harmonics(BOX).coefficients(boxes).flatten(1) @ wedge.T
    shares = torch.rand(90, 3, generator=generator).softmax(1)
    return Search(points, shares, wedge, first_shapes()[:10]), points, shares


def settled(kinds):
    return torch.nn.functional.one_hot(kinds, 3).float()


def test_what_a_round_says_is_what_a_network_with_these_averages_says(search):
    search, points, shares = search
    averages = search.averages
    references = averages.references.clone()
    said = search.step(shares, TURNS)
    averages.references.copy_(references)
    torch.testing.assert_close(said, averages(points), rtol=1e-3, atol=1e-3)


def test_between_rounds_of_all_only_what_a_particle_may_be_is_asked(search):
    search, _, shares = search
    search.step(shares, 50)
    before, also = search.likely.clone(), torch.arange(90) < 10
    kinds = torch.arange(90) % 3
    search.step(settled(kinds), 50, also)
    asked = (settled(kinds) > 0) | also[:, None]
    torch.testing.assert_close(search.likely != before, asked)


def test_a_particle_has_no_part_in_the_averages_that_it_is_judged_by(search):
    search, points, shares = search
    again = Search(points.clone(), shares, torch.eye(COEFFICIENTS), first_shapes()[:10])
    first = Search(points, shares, torch.eye(COEFFICIENTS), first_shapes()[:10])
    part = part_of(points)
    one = (part == 0).nonzero()[0, 0]
    again.points.points[one] *= -1
    first.step(shares, 50)
    again.step(shares, 50)
    same = [
        torch.equal(*(s.averages.references[number] for s in (first, again)))
        for number in range(PARTS)
    ]
    assert same == [True, False, False]


def test_averages_of_no_shape_are_never_asked(search):
    search, _, shares = search
    search.averages.shapeless[2] = True
    said = search.step(shares, 50)
    assert (search.likely[:, 2] == 0).all()
    assert said.isfinite().all()


def test_every_particle_keeps_its_likeliest_place(search):
    search, points, _ = search
    generator = torch.Generator().manual_seed(1)
    placed = torch.randn(90, len(PLACES), SHELLS, ORDERS, generator=generator)
    placed[:, :, (points == 0).all(0).view(SHELLS, ORDERS)] = 0
    search.move(placed.flatten(1))
    for kind in range(3):
        said = search.step(settled(torch.full((90,), kind)), 50, torch.zeros(90, dtype=torch.bool))
        assert len(np.unique(search.points.particle)) == 90
        assert said.isfinite().all()
    assert len(search.points.points) <= 8 * 90


def test_who_moved_and_came_back_is_seen_as_before(search):
    search, points, _ = search
    before = search.points.points.clone()
    search.move(points.repeat(1, len(PLACES)))
    search.stay(points)
    torch.testing.assert_close(search.points.points, before)
    assert not search.averages.moves


def test_classes_of_different_shapes_are_judged_alike_by_search_and_network(search):
    search, points, shares = search
    averages = search.averages
    averages.references.mul_(torch.tensor([0.5, 2.0, 6.0])[None, :, None])
    references = averages.references.clone()
    said = search.step(shares, TURNS)
    averages.references.copy_(references)
    expected = averages(points)
    assert float(expected.std(0).min()) > 0.1, "the classes differ"
    torch.testing.assert_close(said, expected, rtol=0.05, atol=0.5)
