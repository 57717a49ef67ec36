"""Each score against a case worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.acquire.base import Pool, acquisitions
from cryoal.acquire.committee import mutual_information
from cryoal.acquire.discrepancy import fitted, squared_distance
from cryoal.acquire.stochastic import power_noised
from cryoal.core.predictions import Predictions

T, S = [0.5, 0.5], [0.25, 0.75]


def pool_of(score_rank=None, **probabilities):
    arrays = {name: np.asarray(p, dtype=np.float32) for name, p in probabilities.items()}
    n, classes = arrays["teacher"].shape
    return Pool(
        predictions=Predictions(
            np.array([f"p{i}" for i in range(n)]), tuple("abcdefgh"[:classes]), arrays
        ),
        labels=np.full(n, -1),
        candidates=np.arange(n),
        tomogram=np.array(["t"] * n),
        source=np.array([""] * n),
        position=np.zeros((n, 3)),
        score_rank=np.full(n, np.nan) if score_rank is None else np.asarray(score_rank),
    )


def scores(name, pool):
    return acquisitions.get(name)(pool, 1, np.random.default_rng(0)).scores


KL = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
REVERSE = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
JSD = 0.5 * (
    0.5 * math.log(0.5 / 0.375)
    + 0.5 * math.log(0.5 / 0.625)
    + 0.25 * math.log(0.25 / 0.375)
    + 0.75 * math.log(0.75 / 0.625)
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("discrepancy", KL),
        ("discrepancy_reverse", REVERSE),
        ("discrepancy_jsd", JSD),
        ("discrepancy_mse", 0.25**2),
        ("discrepancy_l1", 0.25),
        ("expected_student_loss", math.log(2) + KL),
        ("margin_mean", -0.25),  # the mean of both is (0.375, 0.625)
        ("entropy", math.log(2)),
        ("least_confidence", 0.5),
        ("margin", 0.0),
    ],
)
def test_the_distance_between_teacher_and_student(name, expected):
    pool = pool_of(teacher=[T], student=[S])
    assert scores(name, pool)[0] == pytest.approx(expected, abs=1e-6)


def test_temporal_discrepancy_is_half_the_squared_distance_to_the_round_before():
    # 1/2 ((0.5 - 0.25)^2 + (0.5 - 0.75)^2) = 0.0625
    assert scores("tod", pool_of(teacher=[T], previous=[S]))[0] == pytest.approx(0.0625)


def test_the_average_is_the_first_argument_of_its_divergence():
    assert scores("ema_discrepancy", pool_of(teacher=[S], average=[T]))[0] == pytest.approx(KL)


def test_dropout_that_hesitates_together_scores_nothing_and_draws_that_contradict_score_most():
    together = [[[0.5, 0.5], [0.0, 1.0]], [[0.5, 0.5], [1.0, 0.0]]]
    pool = pool_of(teacher=[T, T], dropout=together)
    assert scores("bald", pool).tolist() == pytest.approx([0.0, math.log(2)])
    assert scores("vote_entropy", pool)[1] > scores("vote_entropy", pool)[0]


def test_mutual_information_by_hand():
    draws = np.array([[[0.9, 0.1]], [[0.5, 0.5]]])
    mean = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3))
    each = (-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)) + math.log(2)) / 2
    assert mutual_information(draws)[0] == pytest.approx(mean - each)


def test_the_pickers_best_comes_first_and_what_has_no_score_last():
    pool = pool_of(teacher=[T] * 3, score_rank=[0.2, np.nan, 0.9])
    rows = acquisitions.get("score")(pool, 3, np.random.default_rng(0)).rows
    assert rows.tolist() == [2, 0, 1]


@given(st.floats(0.3, 4.0))
def test_a_student_that_is_only_less_sure_agrees_once_tempered(temperature):
    logits = np.random.default_rng(0).normal(size=(50, 3)) * 2
    teacher = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    flat = np.exp(logits / temperature)
    student = flat / flat.sum(1, keepdims=True)
    np.testing.assert_allclose(fitted(student, teacher), teacher, atol=2e-3)
    assert np.nanmax(scores("discrepancy_tempered", pool_of(teacher=teacher, student=student))) < (
        1e-4
    )


def test_power_noise_draws_in_proportion_to_the_score():
    values, rng = np.array([1.0, 3.0, 0.0]), np.random.default_rng(0)
    first = [int(power_noised(values, rng).argmax()) for _ in range(4000)]
    share = np.bincount(first, minlength=3) / 4000
    # Three standard deviations of a binomial of 4,000 at 1/4.
    assert share[:2] == pytest.approx([0.25, 0.75], abs=0.021)
    assert share[2] == 0


def test_dense_outputs_are_compared_pixel_by_pixel():
    a = np.zeros((2, 2, 2))
    b = np.array([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 3.0]]])
    assert squared_distance(a, b).tolist() == [0.25, 3.0]
