"""Every acquisition function, registered today or later, keeps these promises."""

import time

import numpy as np
import pytest

from cryoal.acquire.base import Pool, acquisitions
from cryoal.core.predictions import Predictions

NAMES = acquisitions.names()

#: Those that look at no probability.
BEFORE_ANY_LABEL = {"random", "stratified", "score", "cold_start", "kmeans", "typiclust", "coreset"}


def a_pool(n=400, *, twins=0, distance=0.0, seed=0, labelled=30):
    """Two tomograms, two sources; the last ``twins`` particles repeat the first ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(3, n, 4)) * 2
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    p = p.astype(np.float32)
    position = rng.uniform(0, 20_000, (n, 3))
    tomogram = rng.choice(np.array(["TS_1", "TS_2"]), n)
    if twins:
        position[-twins:] = position[:twins] + 1.0
        tomogram[-twins:] = tomogram[:twins]
        p[:, -twins:] = p[:, :twins]
    labels = np.full(n, -1)
    labels[n // 2 : n // 2 + labelled] = rng.integers(0, 4, labelled)
    return Pool(
        predictions=Predictions(
            ids=np.array([f"p{i}" for i in range(n)]),
            classes=("a", "b", "c", "d"),
            probabilities={
                "teacher": p[0],
                "student": p[1],
                "previous": p[2],
                "dropout": p,
                "average": p[2],
                "committee": p,
            },
            embedding=rng.normal(size=(n, 16)).astype(np.float32),
        ),
        labels=labels,
        candidates=np.flatnonzero(labels < 0),
        tomogram=tomogram,
        source=rng.choice(np.array(["a", "b"]), n),
        position=position,
        score_rank=np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
        min_distance=distance,
    )


def choose(name, pool, n, seed=0):
    return acquisitions.get(name)(pool, n, np.random.default_rng(seed))


@pytest.mark.parametrize("name", NAMES)
def test_it_chooses_as_many_different_candidates_as_asked(name):
    pool = a_pool()
    rows = choose(name, pool, 25).rows
    assert len(rows) == len(set(rows.tolist())) == 25
    assert set(rows.tolist()) <= set(pool.candidates.tolist())


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_has_a_score_and_nothing_else_has(name):
    pool = a_pool()
    scores = choose(name, pool, 5).scores
    assert scores.shape == (400,)
    assert np.isfinite(scores[pool.candidates]).all()
    assert np.isnan(np.delete(scores, pool.candidates)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name):
    pool = a_pool()
    np.testing.assert_array_equal(choose(name, pool, 20, 3).rows, choose(name, pool, 20, 3).rows)


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_batch_than_the_pool_is_the_whole_pool(name):
    pool = a_pool(60, labelled=5)
    assert sorted(choose(name, pool, 1000).rows) == sorted(pool.candidates)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_left_to_ask_is_an_empty_answer(name):
    pool = a_pool(60, labelled=5)
    none = Pool(**{**vars(pool), "candidates": np.array([], dtype=np.intp)})
    assert len(choose(name, none, 5).rows) == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_same_particle_picked_twice_is_asked_about_once(name):
    pool = a_pool(300, twins=140, distance=50.0, labelled=0)
    rows = choose(name, pool, 300).rows
    assert len(rows) == 160
    firsts = np.where(rows >= 160, rows - 160, rows)
    assert len(set(firsts.tolist())) == 160


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_prediction_does_not_stop_it(name):
    pool = a_pool()
    broken = pool.candidates[:3]
    for p in pool.predictions.probabilities.values():
        p[..., broken, :] = np.nan
    pool.predictions.embedding[broken] = np.nan
    pick = choose(name, pool, 20)
    assert len(pick.rows) == 20
    assert np.isfinite(pick.scores[pool.candidates]).all()


@pytest.mark.parametrize("name", NAMES)
def test_before_the_first_label_it_answers_or_says_what_it_needs(name):
    pool = a_pool()
    nothing = Predictions(pool.predictions.ids, (), {}, pool.predictions.embedding)
    early = Pool(**{**vars(pool), "predictions": nothing})
    if name in BEFORE_ANY_LABEL:
        assert len(choose(name, early, 10).rows) == 10
    else:
        with pytest.raises(KeyError):
            choose(name, early, 10)


@pytest.mark.parametrize("name", NAMES)
def test_twenty_thousand_particles_take_seconds(name):
    pool = a_pool(20_000, distance=30.0, labelled=200)
    began = time.monotonic()
    assert len(choose(name, pool, 50).rows) == 50
    assert time.monotonic() - began < 8
