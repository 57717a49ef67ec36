from dataclasses import replace

import numpy as np
import pytest

from cryoal.acquire.base import Pool, acquisitions
from cryoal.acquire.coverage import plus_plus
from cryoal.acquire.strata import round_robin
from cryoal.core.predictions import Predictions


def islands(sizes, seed=0, spread=0.05):
    """Well separated clusters of points: the pool, and each particle's island."""
    rng = np.random.default_rng(seed)
    island = np.repeat(np.arange(len(sizes)), sizes)
    n = len(island)
    points = 10 * np.eye(len(sizes))[island] + rng.normal(scale=spread, size=(n, len(sizes)))
    pool = Pool(
        predictions=Predictions(
            np.array([f"p{i}" for i in range(n)]), (), {}, points.astype(np.float32)
        ),
        labels=np.full(n, -1),
        candidates=np.arange(n),
        tomogram=np.array(["t1", "t2"])[np.arange(n) % 2],
        source=np.array([""] * n),
        position=rng.uniform(0, 1e4, (n, 3)),
        score_rank=np.full(n, np.nan),
    )
    return pool, island


@pytest.mark.parametrize("name", ["cold_start", "kmeans", "typiclust", "coreset"])
def test_rare_kinds_are_found_in_the_first_batch(name):
    pool, island = islands([300, 100, 30, 10, 5])
    rows = acquisitions.get(name)(pool, 5, np.random.default_rng(1)).rows
    assert set(island[rows]) == {0, 1, 2, 3, 4}


def test_typiclust_goes_where_no_label_is():
    pool, island = islands([100, 100, 100, 100])
    labels = np.where((island < 2) & (np.arange(400) % 10 == 0), 0, -1)
    pool = replace(pool, labels=labels, candidates=np.flatnonzero(labels < 0))
    rows = acquisitions.get("typiclust")(pool, 4, np.random.default_rng(0)).rows
    assert np.isin(island[rows], [2, 3]).sum() >= 2


@pytest.mark.parametrize("name", ["explore", "shared_margin"])
def test_only_who_explores_finds_a_class_that_is_surely_taken_for_another(name):
    pool, island = islands([100, 100, 40])
    teacher = np.eye(2, dtype=np.float32)[np.where(island == 0, 0, 1)] * 0.98 + 0.01
    doubtful = np.flatnonzero(island < 2)[::7]
    teacher[doubtful] = 0.5
    labels = np.full(240, -1)
    labels[[0, 1, 100, 101]] = [0, 0, 1, 1]
    known = replace(pool.predictions, classes=("a", "b"), probabilities={"teacher": teacher})
    pool = replace(pool, predictions=known, labels=labels, candidates=np.flatnonzero(labels < 0))
    rows = acquisitions.get(name)(pool, 10, np.random.default_rng(0)).rows
    assert len(set(rows.tolist())) == 10
    assert np.isin(rows, doubtful).sum() >= 4
    assert (2 in island[rows]) == (name == "explore")


def test_exploring_needs_no_embedding():
    pool, island = islands([20, 20])
    teacher = np.eye(2, dtype=np.float32)[island]
    pool = replace(
        pool,
        predictions=Predictions(pool.predictions.ids, ("a", "b"), {"teacher": teacher}),
    )
    rows = acquisitions.get("explore")(pool, 40, np.random.default_rng(0)).rows
    assert sorted(rows.tolist()) == list(range(40))


def test_coreset_flees_what_is_labelled():
    pool, island = islands([50, 50, 50])
    labels = np.where(island < 2, 0, -1)
    labels[:1] = -1
    pool = replace(pool, labels=labels, candidates=np.flatnonzero(labels < 0))
    assert island[acquisitions.get("coreset")(pool, 1, np.random.default_rng(0)).rows[0]] == 2


def test_the_cold_start_serves_every_tomogram():
    pool, _ = islands([400])
    rows = acquisitions.get("cold_start")(pool, 20, np.random.default_rng(0)).rows
    counts = np.unique(pool.tomogram[rows], return_counts=True)[1]
    assert counts.tolist() == [10, 10]


def test_each_trait_has_its_share_of_the_cold_start_where_combinations_are_too_many():
    pool, _ = islands([400, 300, 200])
    rng = np.random.default_rng(4)
    # Six unlike tomograms, three unlike lists and terciles: 54 combinations for 36 turns.
    tomogram = rng.choice(list("abcdef"), 900, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05])
    source = rng.choice(list("xyz"), 900, p=[0.7, 0.25, 0.05])
    rank = rng.random(900)
    pool = replace(pool, tomogram=tomogram, source=source, score_rank=rank)
    rows = acquisitions.get("cold_start")(pool, 36, np.random.default_rng(0)).rows
    counts = np.unique(tomogram[rows], return_counts=True)[1]
    assert len(counts) == 6
    assert counts.min() >= 4
    assert np.unique(source[rows], return_counts=True)[1].min() >= 8
    assert np.bincount((rank[rows] * 3).astype(int)).min() >= 8


def test_without_an_embedding_the_cold_start_takes_turns_over_the_strata():
    pool, _ = islands([400])
    rank = np.linspace(0, 1, 400)
    pool = replace(pool, predictions=Predictions(pool.predictions.ids, (), {}), score_rank=rank)
    rows = acquisitions.get("cold_start")(pool, 12, np.random.default_rng(0)).rows
    thirds = np.minimum((rank[rows] * 3).astype(int), 2)
    assert np.bincount(thirds).tolist() == [4, 4, 4]


def test_groups_take_turns_until_they_are_used_up(rng):
    groups = np.array([0] * 8 + [1] * 2 + [2])
    order = round_robin(groups, rng.random(11), rng)
    assert sorted(groups[order[:3]]) == [0, 1, 2]
    assert sorted(groups[order[3:5]]) == [0, 1]
    assert sorted(order) == list(range(11))


def test_equal_points_still_give_different_rows(rng):
    assert len(set(plus_plus(np.zeros((10, 3)), 10, rng).tolist())) == 10


def test_badge_spreads_over_directions_of_the_gradient():
    rng = np.random.default_rng(0)
    # 95 twins in embedding and prediction and five particles unlike them and one another.
    z = np.vstack([np.tile([5.0, 0, 0, 0, 0, 0], (95, 1)), 5 * np.eye(6)[1:]])
    p = np.tile([0.6, 0.4], (100, 1)).astype(np.float32)
    pool, _ = islands([100])
    pool = replace(
        pool,
        predictions=Predictions(
            pool.predictions.ids, ("a", "b"), {"teacher": p}, z.astype(np.float32)
        ),
    )
    rows = acquisitions.get("badge")(pool, 6, rng).rows
    assert (rows >= 95).sum() == 5
