import torch

from cryoal.models import checkpoint
from cryoal.models.averages import PARTS, Averages, part_of
from cryoal.models.base import build
from cryoal.models.harmonics import COEFFICIENTS, DEGREE, ORDERS, SHELLS
from cryoal.models.invariants import SIZE, Invariants
from cryoal.models.places import PLACES, spread
from cryoal.models.turning import turning


def some_averages(n_classes=3):
    averages = Averages(n_classes)
    shapes = torch.randn(n_classes, COEFFICIENTS, generator=torch.Generator().manual_seed(0))
    averages.references.copy_(shapes / 4)
    return averages


def turned(averages, which, turn, noise=0.5, seed=1):
    shapes = averages.references[0].view(-1, SHELLS, ORDERS)[which]
    seen = (turning(37)[turn] @ shapes.transpose(1, 2)).transpose(1, 2).flatten(1)
    return seen + noise * torch.randn(seen.shape, generator=torch.Generator().manual_seed(seed))


def test_a_particle_is_named_however_it_lies():
    averages = some_averages()
    which, turn = torch.arange(60) % 3, torch.arange(60) % 37
    called = averages(turned(averages, which, turn)).argmax(1)
    assert (called == which).float().mean() > 0.95


def test_noise_alone_is_nobodys():
    averages = some_averages()
    particle = averages(turned(averages, torch.tensor([1]), torch.tensor([5])))
    noise = averages(torch.randn(200, COEFFICIENTS, generator=torch.Generator().manual_seed(2)))
    assert particle.max() > noise.abs().quantile(0.99)


def test_particles_are_dealt_evenly_by_nothing_but_themselves():
    points = torch.randn(3000, COEFFICIENTS, generator=torch.Generator().manual_seed(0))
    part = part_of(points)
    assert torch.bincount(part, minlength=PARTS).min() > 900
    order = torch.randperm(3000)
    torch.testing.assert_close(part_of(points[order]), part[order])


def test_each_particle_is_held_against_the_averages_it_had_no_part_in():
    averages = some_averages()
    averages.references[0] = 0.0
    points = torch.randn(100, COEFFICIENTS, generator=torch.Generator().manual_seed(0))
    nothing = averages(points).abs().max(1).values < 1e-5
    torch.testing.assert_close(nothing, part_of(points) == 0)


def test_a_network_with_averages_answers_the_same_once_it_is_read_again(tmp_path):
    network = build("shape", 3, 20).eval()
    boxes = torch.randn(6, 1, 20, 20, 20)
    plain, _ = network(boxes)
    network.take([some_averages()])
    heard, _ = network(boxes)
    checkpoint.save(network, tmp_path / "teacher.safetensors", classes=["a", "b", "c"])
    again = checkpoint.load(tmp_path / "teacher.safetensors").network
    torch.testing.assert_close(again(boxes)[0], heard)
    assert (heard - plain).abs().max() > 0.01


def test_a_shapeless_class_is_as_likely_as_the_others_together():
    averages = some_averages()
    averages.shapeless[2] = True
    averages.frequency.copy_(torch.tensor([0.3, 0.1, 0.6]))
    likely = torch.tensor([[2.0, -1.0, 30.0], [0.0, 0.0, -30.0]])
    said = averages.compared(likely)
    together = (0.75 * said[:, 0].exp() + 0.25 * said[:, 1].exp()).log()
    torch.testing.assert_close(said[:, 2], together)
    torch.testing.assert_close(said[:, 0] - said[:, 1], torch.tensor([3.0, 0.0]))


def test_a_network_that_looks_beside_the_centre_sees_places_and_is_read_again(tmp_path):
    network = build("shape", 3, 20).eval()
    averages = some_averages()
    averages.lies.copy_(spread(1.0))
    network.take([averages])
    boxes = torch.randn(6, 1, 24, 24, 24)
    assert network.sees == "places"
    described = Invariants(20).describe(boxes, placed=True)
    heard, _ = network(boxes)
    torch.testing.assert_close(network(described)[0], heard)
    assert (network(described[:, : SIZE + COEFFICIENTS])[0] - heard).abs().max() > 0.01
    checkpoint.save(network, tmp_path / "teacher.safetensors", classes=["a", "b", "c"])
    again = checkpoint.load(tmp_path / "teacher.safetensors").network
    assert again.sees == "places"
    torch.testing.assert_close(again(described)[0], heard)


def test_places_that_are_not_worth_it_change_nothing(monkeypatch):
    averages = some_averages()
    averages.lies.copy_(spread(0.8))
    averages.references.mul_(2)
    averages.references.view(-1, ORDERS)[:, DEGREE > 3] = 0  # what coarse turns can tell
    points = torch.randn(20, len(PLACES), COEFFICIENTS, generator=torch.Generator().manual_seed(3))
    points[:, 5] = turned(averages, torch.arange(20) % 3, torch.arange(20))
    some = averages(points.flatten(1))
    monkeypatch.setattr("cryoal.models.averages.UNLIKELY", 1e-12)
    every = averages(points.flatten(1))
    assert (some.argmax(1) == torch.arange(20) % 3).float().mean() > 0.9
    torch.testing.assert_close(some.softmax(1), every.softmax(1), rtol=0, atol=0.05)
