import re

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryoal.core.geometry import sampled_region
from cryoal.learn import averaging
from cryoal.learn.averaging import average
from cryoal.models.harmonics import COEFFICIENTS, ORDERS, SHELLS, Harmonics
from cryoal.models.pretrained import first_shapes
from cryoal.models.turning import transfer_operator, turning_of

BOX = 20


@pytest.fixture(scope="module")
def seen_through_a_wedge():
    """300 noisy particles of three shapes in any orientation: coefficients and kinds."""
    rng = np.random.default_rng(3)
    shapes = np.zeros((3, BOX, BOX, BOX), dtype=np.float32)
    shapes[0, 6:15, 9:12, 9:12] = shapes[1, 6:15, 6:9, 9:12] = shapes[1, 6:9, 6:9, 9:15] = 1
    shapes[2, 6:15, 9:12, 6:9] = shapes[2, 6:15, 9:12, 12:15] = 1
    wedge = transfer_operator(sampled_region((BOX,) * 3, (-60.0, 60.0)))
    kinds = np.arange(300) % 3
    expanded = Harmonics(BOX).coefficients(torch.from_numpy(shapes)).numpy()[kinds]
    turns = turning_of(Rotation.random(300, rng=rng))
    points = np.einsum("nij,nsj->nsi", turns, expanded).reshape(300, -1) @ wedge.T
    held = np.abs(expanded).reshape(300, -1).sum(0) > 0
    noise = rng.normal(size=points.shape) @ wedge.T
    return (points + 0.7 * noise * held).astype(np.float32), kinds, wedge


def averaged(points, kinds, wedge, labels=30, sure=1.0):
    told = np.arange(labels)
    logits = sure * np.eye(3)[kinds] + np.random.default_rng(0).normal(size=(len(kinds), 3))
    shapes = first_shapes()[:40]
    return logits, average(points, logits, told, kinds[told], logits[told], wedge, shapes)


def test_averages_name_particles_that_the_head_does_not(seen_through_a_wedge):
    points, kinds, wedge = seen_through_a_wedge
    logits, found = averaged(points, kinds, wedge)
    together = found.head * logits + found.averages(torch.from_numpy(points)).numpy()
    head, heard = ((z.argmax(1) == kinds)[30:].mean() for z in (logits, together))
    assert head < 0.75
    assert heard > 0.95
    assert found.accuracy > 0.9
    assert found.helps


def test_the_same_particles_have_the_same_averages(seen_through_a_wedge):
    once, again = (averaged(*seen_through_a_wedge)[1] for _ in range(2))
    torch.testing.assert_close(once.averages.references, again.averages.references)


def test_averages_of_noise_gain_nothing_that_is_sure_and_count_little(rng):
    points = rng.normal(size=(300, COEFFICIENTS)).astype(np.float32)
    kinds = np.arange(300) % 3
    _, found = averaged(points, kinds, np.eye(COEFFICIENTS, dtype=np.float32), labels=60)
    assert found.gain < 3 * found.error
    assert found.averages.share < 0.6


def test_what_no_round_makes_better_is_not_searched_for_long(rng, caplog):
    points = rng.normal(size=(300, COEFFICIENTS)).astype(np.float32)
    with caplog.at_level("INFO", logger="cryoal"):
        averaged(points, np.arange(300) % 3, np.eye(COEFFICIENTS, dtype=np.float32), labels=60)
    rounds = int(re.search(r"(\d+) rounds", caplog.text)[1])
    assert rounds < sum(number for _, number in averaging.STAGES)


def test_more_particles_than_enough_are_compared_but_not_averaged(
    seen_through_a_wedge, monkeypatch
):
    monkeypatch.setattr(averaging, "ENOUGH", 150)
    points, kinds, wedge = seen_through_a_wedge
    logits, found = averaged(points, kinds, wedge)
    together = found.head * logits + found.averages(torch.from_numpy(points)).numpy()
    assert together.shape == (300, 3)
    assert (together.argmax(1) == kinds).mean() > 0.9


def test_a_class_that_nobody_is_called_has_an_average(seen_through_a_wedge):
    points, kinds, wedge = seen_through_a_wedge
    logits = np.c_[np.eye(3)[kinds], np.full(300, -50.0)]
    told = np.arange(30)
    found = average(points, logits, told, kinds[told], logits[told], wedge, first_shapes()[:20])
    assert found.averages.references.isfinite().all()
    assert found.averages.references.shape[-1] == SHELLS * ORDERS


def test_where_a_class_holds_nothing_its_average_is_nothing(rng):
    """Noise on the outer shells is not averaged into a small particle."""
    shapes = np.zeros((2, SHELLS, ORDERS), dtype=np.float32)
    shapes[:, :3] = rng.normal(size=(2, 3, ORDERS))
    kinds = np.arange(200) % 2
    points = np.einsum("nij,nsj->nsi", turning_of(Rotation.random(200, rng=rng)), shapes[kinds])
    points = (points + 0.7 * rng.normal(size=points.shape)).reshape(200, -1).astype(np.float32)
    told = np.arange(20)
    logits, wedge = 2 * np.eye(2)[kinds], np.eye(COEFFICIENTS, dtype=np.float32)
    found = average(points, logits, told, kinds[told], logits[told], wedge, first_shapes()[:20])
    energy = found.averages.references.view(-1, SHELLS, ORDERS).square().sum((0, 2))
    assert energy[5:].sum() < 0.02 * energy[:3].sum()


def test_of_junk_only_the_head_speaks(seen_through_a_wedge):
    points, kinds, wedge = seen_through_a_wedge
    told = np.arange(30)
    logits = 2 * np.eye(3)[kinds]
    shapes = first_shapes()[:20]
    found = average(points, logits, told, kinds[told], logits[told], wedge, shapes, shapeless=2)
    said = found.averages(torch.from_numpy(points)).numpy()
    assert (said.argmax(1) != 2).all()
    assert (said.argmin(1) != 2).all()
