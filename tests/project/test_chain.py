"""What a benchmark measures: particles that nothing was learnt from, asked by what it says."""

import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest

from cryoal.io.star import read_star
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.project.bench import set_up
from cryoal.project.chain import run_chain
from cryoal.project.plan import Plan
from cryoal.project.training import predict_pair, train_pair
from cryoal.simulate.write import SimulationResult


def plan_of(project: Path, truth: Path, out: Path, acquisition: str, rounds: int = 1) -> Plan:
    return Plan(project, truth, out, [acquisition], start=16, step=6, rounds=rounds, seeds=1,
                full=False)  # fmt: skip


@pytest.fixture
def own(extracted: Path, tmp_path: Path) -> Path:
    """The project, its caches apart, so that its boxes can be changed."""
    return Path(shutil.copytree(extracted, tmp_path / "own"))


def test_accuracy_is_that_of_tomograms_that_were_held_out(
    extracted: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    plan = plan_of(extracted, simulated.truth, tmp_path / "out", "margin")
    bench = set_up(plan, 0)
    assert not set(bench.train) & set(bench.test)
    held_out = {str(name) for name in bench.ids[bench.test]}
    truth = read_tsv(simulated.truth)
    truth.loc[truth["id"].isin(held_out), "label"] = "a class that nobody can learn"
    write_tsv(tmp_path / "truth.tsv", truth)
    changed = plan_of(extracted, tmp_path / "truth.tsv", tmp_path / "out", "margin")
    assert set(set_up(changed, 0).test) == set(bench.test)
    run_chain(changed, "margin", 0)
    table = read_tsv(changed.chain_file("margin", 0, "project"))
    assert table["accuracy"].astype(float).tolist() == [0.0, 0.0]
    asked = read_tsv(changed.labels_file("margin", 0, "project"))
    assert not set(asked["id"]) & held_out


def test_nothing_is_learnt_from_the_boxes_that_are_held_out(
    extracted: Path, own: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    asked = []
    for project, out in ((extracted, "one"), (own, "other")):
        plan = plan_of(project, simulated.truth, tmp_path / out, "margin")
        if project == own:
            bench = set_up(plan, 0)
            boxes = read_star(own / "subtomograms/index.star")["particles"].set_index("cryoalId")
            for place in boxes.loc[bench.ids[bench.test], "rlnImageName"]:
                number, _, stack = str(place).partition("@")
                with mrcfile.mmap(own / stack, "r+") as file:
                    box = file.data[int(number) - 1]
                    box[:] = np.random.default_rng(int(number)).normal(size=box.shape)
            (own / "subtomograms/descriptions.safetensors").unlink(missing_ok=True)
        run_chain(plan, "margin", 0)
        asked.append(read_tsv(plan.labels_file("margin", 0, "project")))
    pd.testing.assert_frame_equal(*asked)


@pytest.mark.slow
def test_tod_asks_where_the_round_before_said_otherwise(
    extracted: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    plan = plan_of(extracted, simulated.truth, tmp_path / "out", "tod", rounds=2)
    run_chain(plan, "tod", 0)
    asked = read_tsv(plan.labels_file("tod", 0, "project"))
    bench = set_up(plan, 0)
    said = []
    for number in ("0", "1"):
        known = asked[asked["round"] <= number]
        rows = bench.project.subtomograms.rows(known["id"].to_numpy(dtype=str))
        pair = train_pair(bench.sight, rows, known["label"].tolist(), bench.settings,
                          pool=bench.train, schedule=plan.schedule_of(bench.settings))  # fmt: skip
        said.append(predict_pair(pair, bench.sight, bench.settings))
    before, now = (p.teacher for p in said)
    assert said[0].classes == said[1].classes
    change = 0.5 * ((now - before) ** 2).sum(1)
    known = set(asked[asked["round"] <= "1"]["id"])
    left = [row for row in bench.train if str(bench.ids[row]) not in known]
    chosen = set(asked[asked["round"] == "2"]["id"])
    best = {str(bench.ids[row]) for row in sorted(left, key=lambda row: -change[row])[:8]}
    assert len(chosen & best) >= 5, "all but such as are twins of others"
