"""Trainings side by side in one process."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL

from cryoal.io.tsv import read_tsv
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import look
from cryoal.project.training import predict_pair, train_pair
from cryoal.simulate.write import SimulationResult


@pytest.mark.slow  # two teams of two threads on two cores wait for each other
def test_two_trainings_in_threads_give_what_each_gives_alone(
    extracted: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    assert SMALL["classes"] == 3
    truth = read_tsv(simulated.truth).set_index("id")["label"]
    settings = TrainSettings(
        start="scratch", network="compact-thin", student="compact-thin", max_steps=4,
        student_steps=1, device="cpu",
    )  # fmt: skip

    def answers(name: str, start: int) -> np.ndarray:
        folder = shutil.copytree(extracted, tmp_path / name)  # described anew, in this thread
        store = Project.open(folder).subtomograms
        rows = np.arange(start, len(store), 3)
        sight = look(store, "cpu")
        _ = sight.invariants
        pair = train_pair(sight, rows, truth[store.ids[rows]].tolist(), settings)
        return predict_pair(pair, sight, settings).teacher

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = [answers(f"alone{k}", k) for k in range(2)]
        with ThreadPoolExecutor(2) as pool:
            together = list(pool.map(answers, ("together0", "together1"), range(2)))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
