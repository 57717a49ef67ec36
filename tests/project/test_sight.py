"""What networks are shown of particles, in blocks or at once, and what is kept of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cryoal.learn.describe import describe
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


def test_what_is_kept_of_other_boxes_or_another_edition_goes_and_what_is_of_these_stays(
    sight: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sight.store.folder
    for earlier in folder.glob("beside-*.npy"):
        earlier.unlink()
    (folder / "beside-18-3-0123456789abcdef.npy").write_bytes(b"of boxes that are gone")
    first = np.array(sight.beside[:2])
    kept = list(folder.glob("beside-*.npy"))
    assert len(kept) == 1
    other = kept[0].with_name(kept[0].name.replace(f"-{sight.box}-", "-12-"))
    other.write_bytes(b"of these boxes, as a model sees them that takes less")
    again = replace(sight)
    monkeypatch.setattr("cryoal.project.sight.EDITION", "next")
    np.testing.assert_array_equal(again.beside[:2], first)
    assert not {*kept, other} & {*folder.glob("beside-*.npy")}


def test_a_model_of_half_the_box_is_not_shown_what_is_kept_of_boxes_taken_in_twos(
    sight: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = sight.box // 2
    monkeypatch.setattr("cryoal.models.invariants.LARGEST_SHARP_BOX", half)
    store, blocks = sight.store, (boxes for _, boxes in sight.store.batches())
    look(store, "cpu")
    seen = look(store, "cpu", box=half)
    np.testing.assert_array_equal(seen.described, describe(blocks, half, device="cpu"))
