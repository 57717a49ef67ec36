import re

import numpy as np
import pytest
import torch
from noisy_particles import BOX, noisy_particles, three_shapes
from scipy.spatial.transform import Rotation

from cryoal.core.geometry import sampled_region
from cryoal.learn import averaging
from cryoal.learn.averaging import average
from cryoal.learn.weighing import Heard
from cryoal.models.averages import together
from cryoal.models.harmonics import COEFFICIENTS, ORDERS, SHELLS
from cryoal.models.invariants import SIZE, Invariants
from cryoal.models.places import PLACES, REACH
from cryoal.models.pretrained import first_shapes
from cryoal.models.turning import transfer_operator, turning_of


@pytest.fixture(scope="module")
def seen_through_a_wedge():
    """300 noisy particles of three shapes in any orientation: coefficients and kinds."""
    wedge = transfer_operator(sampled_region((BOX,) * 3, (-60.0, 60.0)))
    return *noisy_particles(three_shapes(), 300, wedge, np.random.default_rng(3)), wedge


def averaged(points, kinds, wedge, labels=30, sure=1.0):
    told = np.arange(labels)
    logits = sure * np.eye(3)[kinds] + np.random.default_rng(0).normal(size=(len(kinds), 3))
    shapes = first_shapes()[:40]
    return logits, average(points, Heard(logits, kinds[told], logits[told]), wedge, shapes)


def test_averages_name_particles_that_the_head_does_not(seen_through_a_wedge):
    points, kinds, wedge = seen_through_a_wedge
    logits, found = averaged(points, kinds, wedge)
    known = torch.from_numpy(logits), torch.from_numpy(points)
    heard_both = together(found.averages, *known).numpy()
    head, heard = ((z.argmax(1) == kinds)[30:].mean() for z in (logits, heard_both))
    assert head < 0.75
    assert heard > 0.95
    assert found.accuracy > 0.9
    assert found.helps


def test_the_same_particles_have_the_same_averages(seen_through_a_wedge):
    once, again = (averaged(*seen_through_a_wedge)[1] for _ in range(2))
    torch.testing.assert_close(once.averages[0].references, again.averages[0].references)


def test_averages_of_noise_gain_nothing_that_is_sure_and_count_little(rng):
    points = rng.normal(size=(300, COEFFICIENTS)).astype(np.float32)
    kinds = np.arange(300) % 3
    _, found = averaged(points, kinds, np.eye(COEFFICIENTS, dtype=np.float32), labels=60)
    assert found.gain < 3 * found.error
    assert found.averages[0].share < 0.6


def test_what_no_round_makes_better_is_not_searched_for_long(rng, caplog):
    points = rng.normal(size=(300, COEFFICIENTS)).astype(np.float32)
    with caplog.at_level("DEBUG", logger="cryoal"):
        averaged(points, np.arange(300) % 3, np.eye(COEFFICIENTS, dtype=np.float32), labels=60)
    rounds = int(re.search(r"(\d+) fine rounds", caplog.text)[1])
    assert rounds < averaging.THEN[1]


def test_a_class_that_nobody_is_called_has_an_average(seen_through_a_wedge):
    points, kinds, wedge = seen_through_a_wedge
    logits = np.c_[np.eye(3)[kinds], np.full(300, -50.0)]
    told = np.arange(30)
    found = average(points, Heard(logits, kinds[told], logits[told]), wedge, first_shapes()[:20])
    assert found.averages[0].references.isfinite().all()
    assert found.averages[0].references.shape[-1] == SHELLS * ORDERS


def test_where_a_class_holds_nothing_its_average_is_nothing(rng):
    """Noise on the outer shells is not averaged into a small particle."""
    shapes = np.zeros((2, SHELLS, ORDERS), dtype=np.float32)
    shapes[:, :3] = rng.normal(size=(2, 3, ORDERS))
    kinds = np.arange(200) % 2
    points = np.einsum("nij,nsj->nsi", turning_of(Rotation.random(200, rng=rng)), shapes[kinds])
    points = (points + 0.7 * rng.normal(size=points.shape)).reshape(200, -1).astype(np.float32)
    told = np.arange(20)
    logits, wedge = 2 * np.eye(2)[kinds], np.eye(COEFFICIENTS, dtype=np.float32)
    found = average(points, Heard(logits, kinds[told], logits[told]), wedge, first_shapes()[:20])
    energy = found.averages[0].references.view(-1, SHELLS, ORDERS).square().sum((0, 2))
    assert energy[5:].sum() < 0.02 * energy[:3].sum()


def test_of_junk_only_the_head_speaks(seen_through_a_wedge):
    points, kinds, wedge = seen_through_a_wedge
    told = np.arange(30)
    logits = 2 * np.eye(3)[kinds]
    shapes = first_shapes()[:20]
    found = average(points, Heard(logits, kinds[told], logits[told]), wedge, shapes, shapeless=2)
    said = found.averages[0](torch.from_numpy(points)).numpy()
    assert (said.argmax(1) != 2).all()
    assert (said.argmin(1) != 2).all()


@pytest.fixture(scope="module")
def beside_their_centre():
    """240 noisy particles of two shapes, picked up to two voxels beside themselves."""
    rng = np.random.default_rng(4)
    wide = BOX + 2 * REACH
    turns = np.array([rotate_cube(number) for number in range(24)])
    hooked, plate = np.zeros((2, wide, wide, wide), dtype=np.float32)
    hooked[8:17, 11:14, 11:14] = hooked[8:11, 11:14, 11:17] = 1
    plate[11:13, 9:16, 9:16] = 1
    kinds, places = np.arange(240) % 2, rng.integers(0, len(PLACES), 240)
    boxes = np.stack([turned((hooked, plate)[k], turns[rng.integers(24)]) for k in kinds])
    for box, place in zip(boxes, PLACES[places].tolist(), strict=True):
        box[:] = np.roll(box, place, axis=(0, 1, 2)) + 0.4 * rng.normal(size=box.shape)
    described = Invariants(BOX).describe(torch.from_numpy(boxes)[:, None], placed=True)
    return described[:, SIZE:].numpy(), kinds


def rotate_cube(number):
    """One of the 24 turns of a cube."""
    return Rotation.create_group("O").as_matrix()[number].round().astype(int)


def turned(volume, matrix):
    """A box of even side turned about voxel side // 2."""
    n = len(volume)
    at = np.indices(volume.shape).reshape(3, -1) - n // 2
    source = (matrix @ at + n // 2) % n
    return volume[tuple(source)].reshape(volume.shape)


def test_particles_beside_their_centre_are_looked_for_there(beside_their_centre, caplog):
    placed, kinds = beside_their_centre
    still = np.ascontiguousarray(placed[:, :COEFFICIENTS])
    logits = 1.5 * np.eye(2)[kinds] + np.random.default_rng(0).normal(size=(240, 2))
    wedge, shapes = np.eye(COEFFICIENTS, dtype=np.float32), first_shapes()[:40]
    known = (Heard(logits, kinds[:40], logits[:40]), wedge, shapes)
    right = {}
    where = {"still": "at the centre of its box", "placed": "2.4 voxels from the centre of its box"}
    for way, seen in {"still": still, "placed": placed}.items():
        with caplog.at_level("INFO", logger="cryoal"):
            found = average(still, *known, placed=placed if way == "placed" else None)
        # What was done; not how many lie elsewhere, as noise moves faint ones picked exactly too.
        assert caplog.messages[-1].endswith(where[way])
        assert "%" not in caplog.messages[-1]
        said = found.averages[0](torch.from_numpy(seen)).numpy()
        right[way] = (said.argmax(1) == kinds)[40:].mean()
        assert found.averages[0].moves == (way == "placed")
    assert 1 - right["placed"] < 0.3 * (1 - right["still"])
    assert right["placed"] > 0.95


def test_particles_on_their_centre_are_found_there(seen_through_a_wedge):
    points, kinds, wedge = seen_through_a_wedge
    rng = np.random.default_rng(1)
    beside = rng.normal(size=(300, len(PLACES) - 1, SHELLS, ORDERS)).astype(np.float32)
    beside *= (np.abs(points).sum(0) > 0).reshape(SHELLS, ORDERS)
    placed = np.concatenate([points, beside.reshape(300, -1)], axis=1)
    logits = np.eye(3)[kinds] + rng.normal(size=(300, 3))
    known = (Heard(logits, kinds[:30], logits[:30]), wedge, first_shapes()[:40])
    found = average(points, *known, placed=placed)
    assert not found.averages[0].moves
