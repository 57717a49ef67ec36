"""Strategies on equal terms: the same first labels, the same test particles, never asked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryoal.core.errors import CryoalError
from cryoal.learn.schedule import Schedule
from cryoal.project.benchmark import COLUMNS, Plan, collect, run, run_chain, set_up
from cryoal.simulate.write import SimulationResult

NAMES = ("default", "random", "full")


@pytest.fixture(scope="module")
def plan(
    extracted: Path, simulated: SimulationResult, tmp_path_factory: pytest.TempPathFactory
) -> Plan:
    """Measured once, in this process; read only."""
    made = Plan(
        extracted, simulated.truth, tmp_path_factory.mktemp("benchmark"), NAMES,
        start=8, step=4, rounds=2, seeds=1, schedule=Schedule(max_steps=5, student_steps=2),
    )  # fmt: skip
    for name in NAMES:
        run_chain(made, name, 0)
    return made


def asked(plan: Plan, name: str) -> pd.DataFrame:
    return pd.read_csv(plan.labels_file(name, 0), sep="\t", dtype=str)


def test_every_strategy_has_a_row_a_round_with_as_many_labels_as_said(plan: Plan) -> None:
    table = collect(plan)
    assert tuple(table.columns[: len(COLUMNS)]) == COLUMNS
    classes = set(pd.read_csv(plan.truth, sep="\t")["label"])
    assert set(table.columns[len(COLUMNS) :]) == {f"recall_{name}" for name in classes}
    counts = {name: rows["labels"].tolist() for name, rows in table.groupby("acquisition")}
    assert counts["default"] == counts["random"] == [8, 12, 16]
    assert len(counts["full"]) == 1
    assert table["accuracy"].between(0, 1).all()
    assert (plan.out / "results.tsv").exists()


def test_all_strategies_start_from_the_same_labels_and_part_afterwards(plan: Plan) -> None:
    first, second = asked(plan, "default"), asked(plan, "random")
    start = first[first["round"] == "0"]
    assert start["id"].tolist() == second[second["round"] == "0"]["id"].tolist()
    assert start["label"].nunique() > 1
    assert set(first["id"]) != set(second["id"])
    table = collect(plan).set_index(["acquisition", "round"])
    assert table["accuracy"]["default", 0] == table["accuracy"]["random", 0]


@pytest.mark.parametrize("name", NAMES)
def test_test_particles_are_never_asked_about_nor_anyone_twice(plan: Plan, name: str) -> None:
    bench = set_up(plan, 0)
    ids = bench.project.subtomograms.ids
    test = set(ids[bench.test])
    assert len(test) > 4
    assert not set(asked(plan, name)["id"]) & test
    assert asked(plan, name)["id"].is_unique
    particles, box = bench.project.particles, bench.project.subtomograms.geometry.box * 20.0
    where = particles.position[particles.rows(ids)]
    for one in bench.test:
        here = bench.train[bench.project.subtomograms.tomogram[bench.train]
                           == bench.project.subtomograms.tomogram[one]]  # fmt: skip
        assert (np.linalg.norm(where[here] - where[one], axis=1) >= box).all()


def test_answers_are_the_truth(plan: Plan) -> None:
    truth = pd.read_csv(plan.truth, sep="\t", dtype=str).set_index("id")["label"]
    table = asked(plan, "default")
    assert table["label"].tolist() == truth[table["id"]].tolist()


@pytest.mark.slow
def test_an_interrupted_chain_goes_on_to_the_same_table(plan: Plan) -> None:
    path = plan.chain_file("default", 0)
    labels = plan.labels_file("default", 0)
    whole, said = collect(plan).drop(columns="seconds"), labels.read_text()
    table = pd.read_csv(path, sep="\t", dtype=str)
    table.iloc[:2].to_csv(path, sep="\t", index=False)
    run_chain(plan, "default", 0)  # killed after the choice of round 2, before its training
    pd.testing.assert_frame_equal(collect(plan).drop(columns="seconds"), whole)
    table.iloc[:1].to_csv(path, sep="\t", index=False)
    kept = pd.read_csv(labels, sep="\t", dtype=str)
    kept[kept["round"] == "0"].to_csv(labels, sep="\t", index=False)
    run_chain(plan, "default", 0)
    pd.testing.assert_frame_equal(collect(plan).drop(columns="seconds"), whole)
    assert labels.read_text() == said


def test_a_typo_is_found_before_anything_is_measured(plan: Plan, tmp_path: Path) -> None:
    wrong = Plan(plan.project, plan.truth, tmp_path / "out", ("randon",))
    with pytest.raises(CryoalError, match="did you mean 'random'"):
        run(wrong)
    assert not (tmp_path / "out").exists()


def test_more_first_labels_than_particles_is_refused(plan: Plan, tmp_path: Path) -> None:
    wrong = Plan(plan.project, plan.truth, tmp_path / "out", ("random",), start=70)
    with pytest.raises(CryoalError, match="--start 70"):
        run_chain(wrong, "random", 0)
