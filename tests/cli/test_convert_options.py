"""What converts coordinates: the size of a voxel, and where centred ones count from."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal

from cryoal.io.star import read_star
from cryoal.simulate.write import SimulationResult


def test_a_stated_voxel_size_makes_angstrom_of_voxels(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x,y,z\n10,20,30\n")
    out = tmp_path / "TS_01.json"
    words = ["convert", tmp_path / "in.csv", out, "--to", "copick", "--unit", "voxel"]
    assert cryoal(*words).code == 2
    assert cryoal(*words, "--voxel-size", 12.5).code == 0
    place = json.loads(out.read_text(encoding="utf-8"))["points"][0]["location"]
    assert [place[axis] for axis in "xyz"] == [125.0, 250.0, 375.0]


def test_relions_picker_counts_from_a_pixel_before_the_middle(
    simulated: SimulationResult, tmp_path: Path
) -> None:
    placed = []
    for centre in ("half", "half-minus-one"):
        out = tmp_path / f"{centre}.star"
        outcome = cryoal(
            "convert", simulated.particles, out, "--to", "relion4", "--tomograms",
            simulated.tomograms, "--relion-centre", centre,
        )  # fmt: skip
        assert outcome.code == 0, outcome.stderr
        table = read_star(out)["particles"]
        placed.append(table[[f"rlnCoordinate{axis}" for axis in "XYZ"]].to_numpy(dtype=float))
    # RELION 4 counts unbinned pixels.
    np.testing.assert_allclose(np.abs(placed[0] - placed[1]), 1.0, atol=1e-4)
    assert placed[0].mean() - placed[1].mean() == pytest.approx(1.0, abs=1e-4)
