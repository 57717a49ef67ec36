"""The numbers of a benchmark, of predictions and answers that are known."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.data.split import split
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.learn.schedule import Schedule
from cryoal.project.bench import set_up
from cryoal.project.chain import run_chain
from cryoal.project.measuring import Measured, measure
from cryoal.project.plan import Plan
from cryoal.project.settings import TrainSettings
from cryoal.simulate.write import SimulationResult

#: Ten of a, three of b, two of c and one of d, which the model does not know.
TRUTH = np.array(list("aaaaaaaaaabbbccd"))
#: What the teacher says: 8 of a, 1 of b and both of c rightly.
SAID = "aaaaaaaabcbaaccc"


def measured(classes: Sequence[str] = "abc", acquisition: str = "entropy") -> Measured:
    """Of a teacher that says this, in the order of its classes, and a student that errs more."""
    n = len(TRUTH)
    sure = np.linspace(0.9, 0.5, n)
    p, q = np.zeros((2, n, len(classes)), dtype=np.float32)
    for row, word in enumerate(SAID):
        p[row] = (1 - sure[row]) / 2
        p[row, classes.index(word)] = sure[row]
        q[row] = 0.1
        q[row, classes.index("b")] = 0.8
    ids = np.array([f"p{k}" for k in range(n)])
    particles = ParticleSet(ids, np.array(["T"] * n), np.zeros((n, 3)))
    made = Predictions(ids, tuple(classes), {"teacher": p, "student": q}, None)
    return measure(particles, made, TRUTH, list("abcd"), acquisition, 0)


@pytest.mark.parametrize("classes", ["abc", "cab", "bca"])
def test_the_row_holds_the_teachers_numbers_by_the_names_of_classes(classes: str) -> None:
    row = measured(classes).row
    assert row["accuracy"] == pytest.approx(11 / 16, abs=1e-4)
    recall = {"a": 8 / 10, "b": 1 / 3, "c": 1.0, "d": 0.0}
    assert row["balanced_accuracy"] == pytest.approx(np.mean(list(recall.values())), abs=1e-4)
    for name, share in recall.items():
        assert row[f"recall_{name}"] == pytest.approx(share, abs=1e-4)
    # 2 TP / (true + said): a 16 / (10 + 10), b 2 / (3 + 2), c 4 / (2 + 4), d 0.
    f1 = [16 / 20, 2 / 5, 4 / 6, 0.0]
    assert row["macro_f1"] == pytest.approx(np.mean(f1), abs=1e-4)


def test_a_model_that_lacks_the_first_class_is_measured_by_the_names_it_has() -> None:
    ids = np.array(["x", "y", "z"])
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]], dtype=np.float32)
    made = Predictions(ids, ("b", "c"), {"teacher": p, "student": p[::-1]}, None)
    particles = ParticleSet(ids, np.array(["T"] * 3), np.zeros((3, 3)))
    row = measure(particles, made, np.array(["b", "c", "a"]), list("abc"), "margin", 0).row
    assert row["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert (row["recall_a"], row["recall_b"], row["recall_c"]) == (0, 1, 1)


@pytest.mark.parametrize("acquisition", ["entropy", "discrepancy"])
def test_the_score_that_is_held_to_the_loss_is_that_of_the_acquisition(acquisition: str) -> None:
    found = measured(acquisition=acquisition)
    scores = {one["score"]: one for one in found.scores}
    assert scores["entropy"]["spearman"] != scores["discrepancy"]["spearman"]
    for number in ("spearman", "auroc"):
        assert found.row[number] == pytest.approx(scores[acquisition][number], abs=1e-4)
    # By hand for entropy: p of three classes is flatter the less sure, and falls row by row.
    if acquisition == "entropy":
        sure = np.linspace(0.9, 0.5, len(TRUTH))
        of_truth = [
            sure[k] if SAID[k] == word else 1e-12 if word == "d" else (1 - sure[k]) / 2
            for k, word in enumerate(TRUTH)
        ]
        loss = -np.log(of_truth)
        assert found.row["spearman"] == pytest.approx(spearmanr(-sure, loss).statistic, abs=1e-3)
        wrong = np.array([a != b for a, b in zip(SAID, TRUTH, strict=True)])
        pairs = [(i, j) for i in np.flatnonzero(wrong) for j in np.flatnonzero(~wrong)]
        assert found.row["auroc"] == pytest.approx(np.mean([i > j for i, j in pairs]), abs=1e-3)


@pytest.fixture
def plan(extracted: Path, simulated: SimulationResult, tmp_path: Path) -> Plan:
    way = tmp_path / "small.toml"
    way.write_text(
        "start = 'scratch'\nhead = 'trained'\nnetwork = 'compact-thin'\nstudent = 'compact-thin'\n"
        "network_options = {width = 0.25}\nstudent_options = {width = 0.25}\n"
    )
    return Plan(
        extracted, simulated.truth, tmp_path / "out", ("random",), recipes=(str(way),),
        start=8, step=6, rounds=1, seeds=2, schedule=Schedule(max_steps=2, student_steps=1),
    )  # fmt: skip


def run(plan: Plan, name: str, seed: int = 0) -> pd.DataFrame:
    """What was asked and answered in one chain."""
    run_chain(plan, name, seed, plan.recipes[0])
    return read_tsv(plan.labels_file(name, seed, plan.recipes[0]))


def test_each_seed_holds_others_out_starts_with_others_and_trains_otherwise(plan: Plan) -> None:
    benches = {seed: set_up(plan, seed, plan.recipes[0]) for seed in range(10)}
    assert [bench.settings.seed for bench in benches.values()] == list(range(10))
    by_test: dict[frozenset[int], list[int]] = {}
    for seed, bench in benches.items():
        by_test.setdefault(frozenset(bench.test.tolist()), []).append(seed)
    assert len(by_test) > 2
    # Three tomograms have eight sets of ends, so two of ten seeds hold the same out.
    pair = next(seeds for seeds in by_test.values() if len(seeds) > 1)[:2]
    one, other = (run(replace(plan, rounds=0), "random", seed) for seed in pair)
    assert set(one["id"]) != set(other["id"])


def test_no_voxel_of_a_held_out_box_was_seen_in_training(plan: Plan) -> None:
    for seed in range(4):
        bench = set_up(plan, seed)
        particles = bench.project.particles
        particles = particles[particles.rows(bench.ids)]
        geometry = bench.project.subtomograms.geometry
        side = geometry.box * geometry.voxel_size
        assert len(bench.test)
        for name in np.unique(particles.tomogram):
            train, test = (
                particles.position[rows[particles.tomogram[rows] == name]]
                for rows in (bench.train, bench.test)
            )
            # Boxes overlap where all three coordinates are nearer than a side.
            away, _ = cKDTree(train).query(test, p=np.inf)
            assert (away >= side - 1e-6).all()


def test_with_many_tomograms_whole_ones_are_held_out() -> None:
    tomogram = np.repeat([f"T{k}" for k in range(6)], 20)
    position = np.random.default_rng(0).uniform(0, 1000, (120, 3))
    train, test = split(tomogram, position, 0.3, np.random.default_rng(1), gap=300.0)
    assert not set(tomogram[train]) & set(tomogram[test])
    assert len(train) + len(test) == 120


def test_unsure_costs_a_question_and_is_no_label(plan: Plan) -> None:
    unsure = replace(plan, oracle_unsure=0.4)
    assert unsure.errs
    bench = set_up(unsure, 0)
    names = bench.ids[bench.train]
    clarity = np.linspace(0, 1, len(names))
    write_tsv(unsure.difficulty_file(0), pd.DataFrame({"id": names, "clarity": clarity}))
    said = run(unsure, "random")
    truth = read_tsv(plan.truth).set_index("id")["label"]
    sure = said[said["label"] != "unsure"]
    assert 0 < len(sure) < len(said)
    assert sure["label"].tolist() == truth[sure["id"]].tolist()
    rows = read_tsv(unsure.chain_file("random", 0, plan.recipes[0])).astype(
        {"labels": int, "asked": int}
    )
    assert rows["asked"].tolist() == [8, 14]
    first = said[said["round"] == "0"]
    assert rows["labels"].tolist() == [(first["label"] != "unsure").sum(), len(sure)]
    assert not [name for name in rows if name == "recall_unsure"]
    assert (rows["seconds"].astype(float) > 0).all()


def test_strategies_choose_from_one_and_the_same_sub_pool(plan: Plan) -> None:
    # Of as many as are asked: whichever ranks them, they are those of the sub-pool.
    few = replace(plan, subpool=6)
    chosen = []
    for name in ("margin", "discrepancy"):
        table = run(few, name)
        assert table["id"].is_unique
        chosen.append(set(table[table["round"] == "1"]["id"]))
    assert chosen[0] == chosen[1]
    assert 4 <= len(chosen[0]) <= 6


def test_two_classes_stand_among_the_first_labels_even_where_one_is_rare(
    plan: Plan, tmp_path: Path
) -> None:
    bench = set_up(plan, 0)
    truth = read_tsv(plan.truth)
    rare = str(bench.ids[bench.train[-1]])
    truth["label"] = np.where(truth["id"] == rare, "rare", "common")
    write_tsv(tmp_path / "truth.tsv", truth)
    once = replace(plan, truth=tmp_path / "truth.tsv", start=4, rounds=0)
    said = run(once, "random")
    assert len(said) == 4
    assert set(said["label"]) == {"rare", "common"}


def test_full_learns_every_label_that_may_be_asked_for(plan: Plan) -> None:
    bench = set_up(plan, 0)
    assert set(run(plan, "full")["id"]) == {str(name) for name in bench.ids[bench.train]}


def test_no_training_takes_more_steps_than_the_plan_allows(plan: Plan) -> None:
    scratch = TrainSettings(start="scratch")
    short = replace(plan, schedule=None, max_steps=12).schedule_of(scratch)
    assert max(short.max_steps, short.min_steps, short.student_steps) == 12
    assert replace(plan, schedule=None).schedule_of(scratch).max_steps > 1000
