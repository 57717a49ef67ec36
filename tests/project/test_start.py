"""What a round's networks start from, and that asking for scratch is not forgotten."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import cryoal

from cryoal.learn import averaging
from cryoal.models import checkpoint
from cryoal.models.shape import Shape
from cryoal.project import settling
from cryoal.project.lesson_plan import SETTLED, schedule_for, starts_pretrained
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings
from cryoal.simulate.write import SimulationResult


def labelled(project: Path, simulated: SimulationResult, n: int = 12) -> None:
    table = pd.read_csv(simulated.truth, sep="\t", dtype=str).head(n)
    table.to_csv(project.parent / "labels.tsv", sep="\t", index=False)
    outcome = cryoal("label", project, "--from", project.parent / "labels.tsv")
    assert outcome.code == 0, outcome.stderr


def pretrained(project: Path) -> None:
    settings = project / "cryoal.toml"
    settings.write_text(
        settings.read_text().replace("[train]\n", '[train]\nstart = "pretrained"\n')
    )


@pytest.mark.slow
def test_a_round_asked_to_start_from_scratch_is_kept_by_those_that_do_not_ask(
    project: Path, simulated: SimulationResult
) -> None:
    pretrained(project)
    labelled(project, simulated)
    assert cryoal("train", project).code == 0
    assert cryoal("train", project, "--from-scratch").code == 0
    assert [r.number for r in Project.open(project).rounds] == [1, 2]
    for again in (("train", project), ("train", project, "--from-scratch")):
        assert cryoal(*again).code == 0
        assert len(Project.open(project).rounds) == 2


def test_a_pretrained_teacher_takes_no_steps_unless_told() -> None:
    settings = TrainSettings(start="pretrained")
    assert schedule_for(settings) == SETTLED
    assert schedule_for(settings).max_steps == 0
    assert schedule_for(settings.model_copy(update={"max_steps": 40})).max_steps == 40
    assert schedule_for(TrainSettings(start="scratch")).max_steps > 1000


def test_a_pair_of_which_one_has_no_weights_starts_from_scratch() -> None:
    assert starts_pretrained(TrainSettings(start="pretrained"))
    assert not starts_pretrained(TrainSettings(start="pretrained", student="compact-thin"))
    assert not starts_pretrained(TrainSettings(start="scratch"))


def test_teacher_and_student_of_a_pretrained_round_disagree(
    project: Path, simulated: SimulationResult
) -> None:
    pretrained(project)
    labelled(project, simulated)
    assert cryoal("predict", project).code == 2
    assert cryoal("train", project).code == 0
    predictions = Project.open(project).predict()
    teacher, student = (predictions.probabilities[name] for name in ("teacher", "student"))
    assert torch.tensor(teacher - student).abs().max() > 1e-3


@pytest.mark.slow
def test_averages_are_heard_where_labels_say_so_and_go_with_the_teacher(
    project: Path, simulated: SimulationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "FEWEST", 1)
    monkeypatch.setattr(averaging, "SURE", -math.inf)
    pretrained(project)
    labelled(project, simulated, n=36)
    assert cryoal("train", project).code == 0
    opened = Project.open(project)
    here = opened.rounds[-1]
    assert json.loads(here.history.read_text().splitlines()[0])["head"] == "averages"
    heard = opened.predict().teacher
    again = opened.predict(model=here.teacher).teacher
    torch.testing.assert_close(torch.tensor(again), torch.tensor(heard))
    network = checkpoint.load(here.teacher).network
    assert isinstance(network, Shape)
    assert [some.named > 0 for some in network.averages] == [False, True]
    assert all(some.references.abs().sum() > 0 for some in network.averages)


def test_few_particles_are_not_averaged(project: Path, simulated: SimulationResult) -> None:
    pretrained(project)
    labelled(project, simulated, n=36)
    assert cryoal("train", project).code == 0
    history = Project.open(project).rounds[-1].history.read_text()
    assert '"averages"' not in history
