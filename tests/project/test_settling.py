"""Heads in closed form: how common classes are is told once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cryoal.io.tsv import read_tsv
from cryoal.models.base import build
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings
from cryoal.project.settling import settle_pair
from cryoal.project.sight import look
from cryoal.simulate.write import SimulationResult


def test_a_head_is_told_once_how_common_classes_are(
    extracted: Path, simulated: SimulationResult
) -> None:
    store = Project.open(extracted).subtomograms
    truth = read_tsv(simulated.truth).set_index("id")["label"]
    rows = np.arange(0, len(store), 3)
    classes, targets = np.unique(truth[store.ids[rows]].to_numpy(dtype=str), return_inverse=True)
    box = store.geometry.network_box
    teacher, student = build("shape", len(classes), box), build("shape-linear", len(classes), box)
    sight = look(store, "cpu")
    for network in (teacher, student):
        network.standard.settle(torch.from_numpy(sight.invariants))  # type: ignore[operator,union-attr]
    pool = np.setdiff1d(np.arange(len(store)), rows)
    settled = settle_pair(
        teacher, student, sight, rows, targets, list(classes), pool, TrainSettings(), None
    )
    assert "averages" not in settled, "with so few particles the head alone decides"
    taken = next(iter(settled.values()))
    added = teacher.head.bias.detach().numpy() - taken.bias  # type: ignore[operator,union-attr]
    # The logarithm of shares: of none it would be 0 everywhere, of two tellings it sums to less.
    assert np.exp(added).sum() == pytest.approx(1, abs=1e-4)
    assert np.ptp(added) > 0.01
