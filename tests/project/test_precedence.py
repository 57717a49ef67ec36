"""An option wins over cryoal.toml, and cryoal.toml over the default, wherever both can state it."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal
from planted import plant, state

from cryoal.io.star import read_star
from cryoal.learn.transfer import TransferOptions
from cryoal.project.lesson_plan import schedule_for, transfer_options
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings


@pytest.fixture
def graded(project: Path) -> Path:
    """All ribosomes, one surer than the other: 0.40, 0.41, ..."""
    sure = 0.4 + 0.01 * np.arange(len(Project.open(project).subtomograms.ids)) % 0.6
    rest = (1 - sure) / 2
    plant(project, np.stack([sure, rest, rest], axis=1))
    return project


def rows(project: Path, *options: object) -> list[dict[str, str]]:
    outcome = cryoal("export", project, "-o", project / "out.star", *options)
    assert outcome.code == 0, outcome.stderr
    return read_star(project / "out.star")["particles"].to_dict("records")


def test_the_least_confidence_of_an_export(graded: Path) -> None:
    everybody = rows(graded)
    state(graded / "cryoal.toml", "export", min_confidence=0.6)
    filed = rows(graded)
    assert 0 < len(filed) < len(everybody)
    assert min(float(row["cryoalConfidence"]) for row in filed) >= 0.6
    stricter = rows(graded, "--min-confidence", 0.8)
    assert 0 < len(stricter) < len(filed)
    assert min(float(row["cryoalConfidence"]) for row in stricter) >= 0.8
    assert len(rows(graded, "--min-confidence", 0)) == len(everybody)


def test_the_distance_of_duplicates(graded: Path) -> None:
    def duplicates(*options: object) -> int:
        return sum(row["cryoalStatus"] == "duplicate" for row in rows(graded, *options))

    near, far = duplicates(), duplicates("--min-distance", 500)
    assert near < far
    state(graded / "cryoal.toml", "export", min_distance=500.0)
    assert duplicates() == far
    assert duplicates("--min-distance", 0) == 0
    assert duplicates("--min-distance", 2000) > far


def queue(project: Path, *options: object) -> dict[str, object]:
    outcome = cryoal("select", project, "--json", *options)
    assert outcome.code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


def test_how_to_choose(graded: Path) -> None:
    assert queue(graded, "-n", 4)["acquisition"] == "explore"
    state(graded / "cryoal.toml", "select", acquisition="margin")
    assert queue(graded, "-n", 4)["acquisition"] == "margin"
    assert queue(graded, "-n", 4, "--acquisition", "entropy")["acquisition"] == "entropy"


@pytest.mark.parametrize(("share", "controls"), [(None, 1), (0.0, 0), (0.5, 5), (1.0, 10)])
def test_the_share_of_random_controls(graded: Path, share: float | None, controls: int) -> None:
    if share is not None:
        state(graded / "cryoal.toml", "select", controls=share)
    found = queue(graded, "-n", 10)
    assert len(found["ids"]) == 10  # type: ignore[arg-type]
    assert len(found["controls"]) == controls  # type: ignore[arg-type]


def test_how_many_are_ranked(graded: Path) -> None:
    state(graded / "cryoal.toml", "select", subpool=6, controls=0.0)
    assert len(queue(graded, "-n", 20)["ids"]) <= 6  # type: ignore[arg-type]


def test_everything_that_passes_between_teacher_and_student() -> None:
    said = TrainSettings(
        distance="jsd", student_ce=0.25, transfer_on="both", temperature=3.0, mutual=True,
        ema_weight=0.5, ema_decay=0.9, ema_on="unlabelled",
    )  # fmt: skip
    assert transfer_options(said) == TransferOptions(
        distance="jsd", student_ce=0.25, where="both", temperature=3.0, mutual=True,
        ema_weight=0.5, ema_decay=0.9, ema_where="unlabelled",
    )  # fmt: skip
    assert transfer_options(TrainSettings(student_is="average")).average
    assert transfer_options(TrainSettings()) == TransferOptions()


@pytest.mark.parametrize("start", ["pretrained", "scratch"])
def test_the_lengths_of_a_training(start: str) -> None:
    said = schedule_for(TrainSettings(start=start, max_steps=123, student_steps=7))
    assert (said.max_steps, said.student_steps) == (123, 7)
    assert schedule_for(TrainSettings(start=start)).student_steps not in (0, 7)
