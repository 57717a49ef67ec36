"""Another project's model on these particles: what it sees is what it learnt from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMETER, cryoal

from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult


def cut(folder: Path, simulated: SimulationResult, *options: object) -> Path:
    outcome = cryoal(
        "extract", folder, "--tomograms", simulated.tomograms, "--particles", simulated.particles,
        "--contrast", "dark", "-j", 1, *options,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    return folder


@pytest.fixture
def learned(project: Path, simulated: SimulationResult) -> Path:
    """A project with a round that was settled, not trained by steps."""
    settings = project / "cryoal.toml"
    settings.write_text(settings.read_text().replace("max_steps = 20\n", ""))
    opened = Project.open(project)
    truth = pd.read_csv(simulated.truth, sep="\t", dtype=str).head(36)
    opened.labels.add(dict(zip(truth["id"], truth["label"], strict=True)), "kim")
    opened.train()
    opened.predict()
    return project


def test_a_model_sees_of_larger_boxes_what_it_saw_of_its_own(
    learned: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    larger = cut(tmp_path / "larger", simulated, "--diameter", DIAMETER * 1.5)
    assert cryoal("predict", larger, "--model", learned).code == 0
    ours, theirs = Project.open(larger).predictions, Project.open(learned).predictions
    assert ours is not None
    assert theirs is not None
    boxes = [Project.open(where).subtomograms.geometry.network_box for where in (larger, learned)]
    assert boxes[0] > boxes[1]
    same = ours.teacher.argmax(1) == theirs.teacher[theirs.rows(ours.ids)].argmax(1)
    assert same.mean() > 0.9  # boxes are normalised by what surrounds them, which differs


def test_voxels_of_another_size_are_refused_with_the_way_out(
    learned: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    coarse = cut(tmp_path / "coarse", simulated, "--box", 20, "--voxel-size", 22)
    outcome = cryoal("predict", coarse, "--model", learned)
    assert outcome.code == 2
    assert "trained at 20 A a voxel, but these boxes are at 22 A" in outcome.stderr
    assert f"--voxel-size 20 --diameter {DIAMETER}" in outcome.stderr
    assert not Project.open(coarse).rounds


def test_a_model_taken_over_says_what_to_ask_before_there_is_a_label(
    learned: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    new = cut(tmp_path / "new", simulated, "--diameter", DIAMETER)
    assert cryoal("predict", new, "--model", learned).code == 0
    opened = Project.open(new)
    queue = opened.select(20)
    assert queue.acquisition == "explore"
    predictions = Project.open(learned).predictions
    assert predictions is not None
    assert set(queue.table["cryoalPrediction"]) <= set(predictions.classes)
    assert queue.controls
    # Its controls tell how good the model is here, without a training of this project's own.
    opened.labels.add(dict.fromkeys(queue.ids, "a"), "kim")
    assert "Accuracy on random controls (2)" in cryoal("status", new).stdout


def test_a_class_the_model_does_not_know_is_said(
    learned: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    new = cut(tmp_path / "new", simulated, "--diameter", DIAMETER)
    Project.open(new).labels.add({"TS_001/1": "proteasome"}, "kim")
    outcome = cryoal("predict", new, "--model", learned)
    assert "This model knows no proteasome" in outcome.stderr
    assert np.isfinite(Project.open(new).predict().teacher).all()


def test_a_class_that_was_renamed_since_is_known(learned: Path) -> None:
    opened = Project.open(learned)
    assert opened.predictions is not None
    old = opened.predictions.classes[0]
    opened.layout.classes.write_text(f'[renamed]\n{old} = "renamed"\n')
    said = [name for name, word in opened.labels.current().items() if word == old]
    opened.labels.add(dict.fromkeys(said, "renamed"), "kim")
    assert "knows no" not in cryoal("predict", learned).stderr
    assert "renamed" in Project.open(learned).predict().classes
