"""A project with a queue, and without the minutes it takes to make one."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryoal.project.project import Project
from cryoal.project.selecting import Queue


def write_queue(folder: Path, ids: list[str], round_number: int = 0, seed: int = 0) -> Path:
    """Put these particles in a round's queue, as ``cryoal select`` would."""
    table = pd.DataFrame(
        {
            "cryoalId": ids,
            "cryoalUncertainty": "0.5",
            "cryoalPrediction": "none",
            "cryoalConfidence": "nan",
            "cryoalControl": "0",
        },
        dtype=str,
    )
    path = Project(folder).layout.round(round_number).queries
    Queue(table, "margin", seed).write(path)
    return path


@pytest.fixture(scope="session")
def asked(extracted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that asks about 30 particles in round 0; read only."""
    folder = tmp_path_factory.mktemp("asked") / "project"
    shutil.copytree(extracted, folder)
    rng = np.random.default_rng(5)
    write_queue(folder, [str(i) for i in rng.permutation(Project(folder).subtomograms.ids)[:30]])
    return folder


@pytest.fixture
def queued(asked: Path, tmp_path: Path) -> Path:
    """A copy of it, to do with as one likes."""
    return Path(shutil.copytree(asked, tmp_path / "queued"))
