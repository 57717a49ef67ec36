"""Recipes, people who err, sub-pools, and folders that hold something else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.io.star import read_star, write_star
from cryoal.learn.schedule import Schedule
from cryoal.project.bench import difficulty, set_up
from cryoal.project.benchmark import (
    Plan,
    chains_of,
    collect,
    feasible,
    full_rows,
    run_chain,
    score_rows,
)
from cryoal.project.chain import _pool
from cryoal.project.recipes import RECIPES, recipe
from cryoal.project.settings import TrainSettings
from cryoal.simulate.write import SimulationResult


@pytest.fixture
def plan(extracted: Path, simulated: SimulationResult, tmp_path: Path) -> Plan:
    return Plan(
        extracted, simulated.truth, tmp_path / "out", ("margin", "random"),
        start=8, step=4, rounds=1, seeds=1, schedule=Schedule(max_steps=4, student_steps=2),
    )  # fmt: skip


def measured(plan: Plan) -> pd.DataFrame:
    plan = feasible(plan)
    if plan.errs:
        difficulty(plan, 0)
    for chain in chains_of(plan):
        run_chain(plan, chain.acquisition, chain.seed, chain.recipe)
    return collect(plan)


def asked(plan: Plan, name: str, way: str = "project") -> pd.DataFrame:
    return pd.read_csv(plan.labels_file(name, 0, way), sep="\t", dtype=str)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_training_that_can_be(name: str) -> None:
    assert recipe(name, TrainSettings()).model_dump().items() >= RECIPES[name].items()


def test_a_recipe_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "hot.toml"
    path.write_text("[train]\ntemperature = 4.0\nstudent_ce = 0.5\n")
    made = recipe(str(path), TrainSettings(seed=3))
    assert (made.temperature, made.student_ce, made.seed) == (4.0, 0.5, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("temperature = -1", "temperature = -1"),
        ("warmth = 2", "warmth"),
        ("temperature", "not valid TOML"),
        ("train = 3", "train"),
    ],
)
def test_a_recipe_that_cannot_be_is_named_with_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(text + "\n")
    with pytest.raises(CryoalError, match=says) as caught:
        recipe(str(path), TrainSettings())
    assert str(path) in str(caught.value)


def test_an_unknown_recipe_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(CryoalError, match="There are: project, pretrained, scratch"):
        recipe("scrach", TrainSettings())
    with pytest.raises(CryoalError, match="cannot be read"):
        recipe(str(tmp_path / "none.toml"), TrainSettings())


@pytest.mark.slow
def test_every_choice_is_crossed_with_every_recipe_on_equal_terms(plan: Plan) -> None:
    both = replace(plan, recipes=("project", "compact"), full=True)
    table = measured(both)
    series = set(zip(table["acquisition"], table["recipe"], strict=True))
    assert series == {(a, r) for a in ("margin", "random") for r in both.recipes}
    starts = {tuple(asked(both, a, r).query("round == '0'")["id"]) for a, r in series}
    assert len(starts) == 1
    full = full_rows(both)
    assert full is not None
    assert sorted(full["recipe"]) == ["compact", "project"]
    assert (full["labels"] == len(set_up(both, 0).train)).all()
    scores = score_rows(both)
    assert {"margin", "entropy", "discrepancy", "random"} <= set(scores["score"])
    assert scores.loc[scores["score"] == "entropy", "spearman_given_entropy"].isna().all()


def test_an_average_needs_a_recipe_whose_student_is_one(plan: Plan) -> None:
    table = measured(
        replace(plan, acquisitions=("ema_discrepancy", "random"), recipes=("compact", "average"))
    )
    mine = table[table["acquisition"] == "ema_discrepancy"]
    assert set(mine["recipe"]) == {"average"}
    assert set(table["recipe"]) == {"compact", "average"}


def test_an_average_of_a_teacher_that_takes_no_steps_is_refused(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "still.toml"
    path.write_text('student_is = "average"\n')
    with pytest.raises(CryoalError, match='set start = "scratch"'):
        feasible(replace(plan, recipes=(str(path),)))


@pytest.mark.slow
def test_people_err_alike_whoever_asks_and_mostly_where_it_is_hard(plan: Plan) -> None:
    erring = replace(plan, oracle_error=0.3, oracle_unsure=0.1, step=20)
    table = measured(erring)
    truth = pd.read_csv(plan.truth, sep="\t", dtype=str).set_index("id")["label"]
    first, second = asked(erring, "margin"), asked(erring, "random")
    both = first.merge(second, on="id")
    assert len(both) > 8
    assert (both["label_x"] == both["label_y"]).all()
    everyone = pd.concat([first, second]).drop_duplicates("id")
    wrong = everyone["label"].to_numpy() != truth[everyone["id"]].to_numpy()
    assert 0.1 < wrong.mean() < 0.75
    clarity = pd.read_csv(erring.difficulty_file(0), sep="\t").set_index("id")["clarity"]
    assert clarity.mean() == pytest.approx(0.5, abs=1e-6)
    where = clarity[everyone["id"]].to_numpy()
    assert where[wrong].mean() < where[~wrong].mean()
    unsure = int((first["label"] == "unsure").sum())
    last = table[table["acquisition"] == "margin"].iloc[-1]
    assert (last["asked"], last["labels"]) == (len(first), len(first) - unsure)


def test_a_baseline_by_score_is_left_out_where_picks_have_none(
    plan: Plan, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scored = replace(plan, acquisitions=("score", "random"))
    assert list(feasible(scored).acquisitions) == ["score", "random"]
    blocks = read_star(project / "particles.star")
    for table in blocks.values():
        if "cryoalScore" in table:
            table["cryoalScore"] = "nan"
    write_star(project / "particles.star", blocks)
    without = replace(scored, project=project, out=plan.out / "other")
    assert list(feasible(without).acquisitions) == ["random"]
    assert "no score" in caplog.text
    with pytest.raises(CryoalError, match="no acquisition is left"):
        feasible(replace(without, acquisitions=("score",)))


def test_another_plan_in_the_same_folder_is_refused_and_a_larger_one_is_not(plan: Plan) -> None:
    feasible(plan)
    feasible(replace(plan, seeds=5, rounds=9, acquisitions=("entropy",), recipes=("compact",)))
    with pytest.raises(CryoalError, match="another benchmark \\(step differ"):
        feasible(replace(plan, step=5))
    kept = json.loads((plan.out / "plan.json").read_text())
    assert set(kept["recipes"]) == {"project", "compact"}


def test_a_pool_that_runs_dry_ends_the_chain(plan: Plan) -> None:
    table = measured(replace(plan, step=40, rounds=6, acquisitions=("random",)))
    n = len(set_up(plan, 0).train)
    assert table["labels"].iloc[-1] <= n
    assert len(table) < 6
    assert table["labels"].is_monotonic_increasing


def test_a_sub_pool_is_the_same_whatever_was_asked_before(plan: Plan) -> None:
    bench = set_up(plan, 0)
    ids = bench.ids
    p = np.full((len(ids), 2), 0.5, dtype=np.float32)
    predictions = Predictions(ids, ("a", "b"), {"teacher": p})

    def candidates(labelled: np.ndarray) -> set[int]:
        labels = {str(ids[row]): "a" for row in labelled}
        rng = np.random.default_rng(3)
        return set(_pool(bench, predictions, labels, 20, rng).candidates.tolist())

    none, some = candidates(bench.train[:0]), candidates(bench.train[:6])
    assert len(none) == len(some) == 20
    assert len(none & some) >= 20 - 6
    assert some <= set(bench.train.tolist()) - set(bench.train[:6].tolist())


@pytest.mark.slow
def test_the_round_before_is_found_again_after_an_interruption(plan: Plan) -> None:
    temporal = replace(plan, acquisitions=("tod",), rounds=2)
    whole = measured(temporal).drop(columns="seconds")
    said = asked(temporal, "tod")
    for path, last in (
        (temporal.chain_file("tod", 0), 1),
        (temporal.scores_file("tod", 0), 1),
        (temporal.labels_file("tod", 0), 1),
    ):
        table = pd.read_csv(path, sep="\t", dtype=str)
        table[table["round"].astype(int) <= last].to_csv(path, sep="\t", index=False)
    again = measured(temporal).drop(columns="seconds")
    pd.testing.assert_frame_equal(asked(temporal, "tod"), said)
    pd.testing.assert_frame_equal(again, whole)


@pytest.mark.slow
def test_a_cold_start_is_shared_by_all_and_is_not_chance(plan: Plan) -> None:
    cold = replace(plan, start_with="cold_start", rounds=0, out=plan.out / "cold")
    measured(cold)
    measured(replace(plan, rounds=0))
    assert asked(cold, "margin")["id"].tolist() == asked(cold, "random")["id"].tolist()
    assert set(asked(cold, "random")["id"]) != set(asked(plan, "random")["id"])
