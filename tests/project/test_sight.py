"""What networks are shown of particles, in blocks or at once, and what is kept of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cryoal.models.base import build
from cryoal.models.harmonics import COEFFICIENTS
from cryoal.models.invariants import SIZE, Invariants
from cryoal.models.places import PLACES
from cryoal.project.project import Project
from cryoal.project.sight import Sight, look


@pytest.fixture
def sight(project: Path) -> Sight:
    return look(Project.open(project).subtomograms, "cpu")


def test_descriptions_about_all_places_are_those_of_the_stored_boxes(sight: Sight) -> None:
    rows = np.array([7, 2, 40])
    boxes = torch.from_numpy(sight.store.read(rows))[:, None]
    seen = Invariants(sight.box).describe(boxes, placed=True).numpy()
    placed = sight.placed(rows)
    assert placed.shape == (3, SIZE + len(PLACES) * COEFFICIENTS)
    np.testing.assert_allclose(placed, seen, rtol=2e-3, atol=2e-3)
    assert sight.placed(rows[:0]).shape == (0, placed.shape[1])


@pytest.mark.parametrize("name", ["shape", "compact-thin"])
def test_blocks_show_the_same_as_all_at_once(
    sight: Sight, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cryoal.project.sight.BLOCK", 3)
    network, rows = build(name, 2, sight.box), np.array([5, 1, 30, 8, 2, 60, 11])
    blocks = list(sight.blocks(network, rows))
    assert [len(block) for block in blocks] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), sight.show(rows, network))
    assert sum(map(len, sight.blocks(network))) == len(sight)
