"""Queue, predictions and benchmark of a small project stay what they are.

``CRYOAL_GOLDEN=write pytest tests/test_golden.py`` writes ``tests/golden`` anew. A change that
needs it says in its commit why results are others now.
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMETER, SMALL, cryoal

from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.learn.device import one_thread
from cryoal.project.project import Project
from cryoal.simulate.write import simulate

GOLDEN = Path(__file__).parent / "golden"

#: Probabilities may differ by this between two machines.
CLOSE = 1e-4


def run(*arguments: object) -> str:
    with one_thread():
        outcome = cryoal(*arguments)
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout


def hold(name: str, found: pd.DataFrame) -> None:
    """Hold a table against the one that is kept: words alike, numbers within ``CLOSE``."""
    path = GOLDEN / name
    if os.environ.get("CRYOAL_GOLDEN") == "write":
        rounded = {c: found[c].map("{:.6f}".format) for c in found if found[c].dtype.kind == "f"}
        write_tsv(path, found.assign(**rounded).astype(str))
    kept = read_tsv(path)
    assert list(found.columns) == list(kept.columns)
    for column in kept:
        values = found[column].to_numpy()
        if values.dtype.kind == "f":
            np.testing.assert_allclose(
                values, kept[column].astype(float), rtol=0, atol=CLOSE, err_msg=column
            )
        else:
            assert list(map(str, values)) == kept[column].tolist(), column


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project with enough particles that classes are averaged, and its truth."""
    folder = tmp_path_factory.mktemp("golden")
    data = simulate(folder / "data", junk=0.1, snr=0.5, seed=0, **{**SMALL, "per_tomogram": 60})
    run(
        "extract", folder / "project", "--tomograms", data.tomograms, "--particles",
        data.particles, "--diameter", DIAMETER, "--contrast", "dark", "-j", 1,
    )  # fmt: skip
    return folder / "project", folder / "data" / "truth.tsv"


def test_two_rounds_ask_for_the_same_particles_and_predict_the_same(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, truth = made
    first = json.loads(run("select", folder, "-n", 40, "--json"))
    known = read_tsv(truth)
    known[known["id"].isin(first["ids"])].to_csv(tmp_path / "said.tsv", sep="\t", index=False)
    run("label", folder, "--from", tmp_path / "said.tsv", "--annotator", "kim")
    second = json.loads(run("select", folder, "-n", 10, "--json"))
    asked = [
        (queue["round"], name, name in queue["controls"])
        for queue in (first, second)
        for name in queue["ids"]
    ]
    hold("queues.tsv", pd.DataFrame(asked, columns=["round", "id", "control"]))

    project = Project.open(folder)
    history = (folder / "rounds/001/history.jsonl").read_text().splitlines()
    assert json.loads(history[0])["head"] == "averages", (
        "the golden must hold what is done by default"
    )
    predictions = project.predictions
    assert predictions is not None
    probabilities = {
        f"{network} {name}": values[:, column].astype(float)
        for network, values in sorted(predictions.probabilities.items())
        for column, name in enumerate(predictions.classes)
    }
    hold("predictions.tsv", pd.DataFrame({"id": predictions.ids, **probabilities}))


def test_a_benchmark_measures_the_same(extracted: Path, simulated, tmp_path: Path) -> None:
    run(
        "benchmark", extracted, "--truth", simulated.truth, "--acquisitions", "default,discrepancy",
        "--recipes", "compact", "--start", 20, "--step", 10, "--rounds", 1, "--seeds", 1,
        "--max-steps", 20, "--no-full", "-j", 1, "-o", tmp_path / "measured",
    )  # fmt: skip
    results = read_tsv(tmp_path / "measured" / "results.tsv").drop(columns="seconds")
    words = ["acquisition", "recipe"]
    results = results.astype({name: float for name in results if name not in words})
    hold("results.tsv", results)
