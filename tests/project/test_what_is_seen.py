"""Which particles a training sees: labelled ones, the pool, each as its tomogram allows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cryoal.io.tsv import read_tsv
from cryoal.learn import averaging
from cryoal.learn.schedule import Schedule
from cryoal.models.base import Network, build
from cryoal.project import settling
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings
from cryoal.project.settling import settle_pair
from cryoal.project.sight import Sight, look
from cryoal.project.training import train_pair
from cryoal.simulate.write import SimulationResult

FEW = Schedule(min_steps=6, max_steps=6, student_steps=2, warmup=1, batch_size=8)
BOXES = {
    "start": "scratch", "network": "compact-thin", "student": "compact-thin", "head": "trained",
    "network_options": {"width": 0.25}, "student_options": {"width": 0.5}, "device": "cpu",
    "rotations": 0.0,
}  # fmt: skip


@pytest.fixture
def sight(extracted: Path) -> Sight:
    return look(Project.open(extracted).subtomograms, "cpu")


@pytest.fixture
def labels(simulated: SimulationResult, sight: Sight) -> np.ndarray:
    truth = read_tsv(simulated.truth).set_index("id")["label"]
    return truth[sight.store.ids].to_numpy(dtype=str)


def weights(network: Network) -> torch.Tensor:
    return torch.cat([value.detach().float().ravel() for value in network.parameters()])


def pair(
    sight: Sight,
    labels: np.ndarray,
    rows: np.ndarray,
    pool: np.ndarray | None = None,
    **more: object,
) -> tuple[torch.Tensor, torch.Tensor]:
    settings = TrainSettings(**{**BOXES, **more})  # type: ignore[arg-type]
    made = train_pair(sight, rows, labels[rows].tolist(), settings, pool=pool, schedule=FEW)
    return weights(made.teacher), weights(made.student)


def test_particles_are_turned_as_their_own_tomogram_allows(
    sight: Sight, labels: np.ndarray
) -> None:
    last = np.flatnonzero(sight.store.tomogram == sight.store.tomogram[-1])
    others = np.setdiff1d(np.arange(len(sight)), last)
    still, free = sight.allowed.copy(), sight.allowed.copy()
    still[last] = still[others] = [True, False, False, False]
    free[last] = True
    free[others] = [True, False, False, False]
    one = pair(replace(sight, allowed=still), labels, last)[0]
    turned = pair(replace(sight, allowed=free), labels, last)[0]
    assert not torch.equal(turned, one)
    beside = free.copy()
    beside[others] = True
    assert torch.equal(pair(replace(sight, allowed=beside), labels, last)[0], turned)
    # Told not to, it turns nobody.
    assert torch.equal(pair(replace(sight, allowed=free), labels, last, views=False)[0], one)


def test_what_is_learnt_without_labels_is_learnt_from_the_pool(
    sight: Sight, labels: np.ndarray
) -> None:
    rows = np.arange(0, len(sight), 3)
    rest = np.setdiff1d(np.arange(len(sight)), rows)
    for where, sees in (("labelled", False), ("unlabelled", True), ("both", True)):
        (teacher, student), (again, other) = (
            pair(sight, labels, rows, np.concatenate([rows, pool]), transfer_on=where)
            for pool in (rest[::2], rest[1::2])
        )
        assert torch.equal(teacher, again)
        assert torch.equal(student, other) != sees


def test_each_network_is_the_one_that_the_settings_name(sight: Sight, labels: np.ndarray) -> None:
    rows = np.arange(0, len(sight), 3)
    settings = TrainSettings(**{**BOXES, "student": "compact", "student_options": {"width": 0.25}})  # type: ignore[arg-type]
    made = train_pair(sight, rows, labels[rows].tolist(), settings, schedule=FEW)
    assert (made.teacher.recipe.name, made.student.recipe.name) == ("compact-thin", "compact")
    assert dict(made.student.recipe.options) == {"width": 0.25}


def test_heads_in_closed_form_learn_from_particles_without_labels(
    sight: Sight, labels: np.ndarray
) -> None:
    rows = np.arange(0, len(sight), 3)
    classes, targets = np.unique(labels[rows], return_inverse=True)
    rest = np.setdiff1d(np.arange(len(sight)), rows)
    heads = []
    for pool in (rest, rest[:0]):
        networks = [
            build(name, len(classes), sight.store.geometry.network_box)
            for name in ("shape", "shape-linear")
        ]
        for network in networks:
            network.standard.settle(torch.from_numpy(sight.invariants))  # type: ignore[operator,union-attr]
        settle_pair(*networks, sight, rows, targets, list(classes), pool, TrainSettings(), None)
        heads.append(networks[0].head.weight.detach())  # type: ignore[union-attr]
    assert (heads[0] - heads[1]).abs().max() > 1e-2 * heads[1].abs().max()


def test_invariants_are_seen_against_those_of_all_particles(
    sight: Sight, labels: np.ndarray
) -> None:
    rows = np.arange(0, len(sight), 3)
    made = train_pair(sight, rows, labels[rows].tolist(), TrainSettings(device="cpu"), schedule=FEW)
    for network in (made.teacher, made.student):
        mean = network.standard.mean.numpy()  # type: ignore[union-attr]
        np.testing.assert_allclose(mean, sight.invariants.mean(0), rtol=1e-3, atol=1e-4)


def test_a_head_in_closed_form_is_told_how_common_classes_are_from_scratch_too(
    sight: Sight, labels: np.ndarray
) -> None:
    rows = np.arange(0, len(sight), 3)
    settings = TrainSettings(**{**BOXES, "head": "settled"})  # type: ignore[arg-type]
    still = replace(FEW, min_steps=0, max_steps=0, student_steps=0)
    made = train_pair(sight, rows, labels[rows].tolist(), settings, schedule=still)
    settled, head = next(iter(made.settled.values())), made.teacher.head
    flatter = (settled.weight / head.weight.detach().numpy()).mean()  # type: ignore[operator,union-attr]
    added = head.bias.detach().numpy() - settled.bias / flatter  # type: ignore[operator,union-attr]
    # The logarithm of shares.
    assert np.exp(added).sum() == pytest.approx(1, abs=1e-3)
    assert np.ptp(added) > 0.01


@pytest.mark.slow
def test_averages_that_labels_find_no_better_are_not_heard(
    sight: Sight, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "FEWEST", 1)
    monkeypatch.setattr(averaging, "SURE", np.inf)
    rows = np.arange(0, len(sight), 2)
    made = train_pair(sight, rows, labels[rows].tolist(), TrainSettings(device="cpu"), schedule=FEW)
    assert "averages" not in made.settled
    assert not [some for some in made.teacher.averages if some.named > 0]  # type: ignore[union-attr]
