import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cryoal.acquire.base import Pool, acquisitions
from cryoal.acquire.discrepancy import kullback_leibler
from cryoal.acquire.uncertainty import lead, shannon
from cryoal.core.predictions import Predictions

simplex = arrays(np.float64, (5, 4), elements=st.floats(1e-6, 1)).map(
    lambda a: a / a.sum(1, keepdims=True)
)


def pool_of(teacher, student=None, embedding=None):
    teacher = np.asarray(teacher, dtype=np.float32)
    n = len(teacher)
    probabilities = {"teacher": teacher}
    if student is not None:
        probabilities["student"] = np.asarray(student, dtype=np.float32)
    return Pool(
        predictions=Predictions(
            np.array([f"p{i}" for i in range(n)]),
            tuple("abcdefgh"[: teacher.shape[1]]),
            probabilities,
            None if embedding is None else np.asarray(embedding, dtype=np.float32),
        ),
        labels=np.full(n, -1),
        candidates=np.arange(n),
        tomogram=np.array(["t"] * n),
        source=np.array([""] * n),
        position=np.zeros((n, 3)),
        score_rank=np.full(n, np.nan),
    )


def best(name, pool, n=1):
    return acquisitions.get(name)(pool, n, np.random.default_rng(0))


@given(simplex)
def test_entropy_is_largest_for_an_even_guess(p):
    assert (shannon(p) <= np.log(4) + 1e-9).all()
    assert shannon(np.full((1, 4), 0.25))[0] == pytest.approx(np.log(4))


@given(simplex, simplex)
def test_the_divergence_is_never_negative_and_zero_only_in_agreement(p, q):
    assert (kullback_leibler(p, q) >= -1e-9).all()
    np.testing.assert_allclose(kullback_leibler(p, p), 0, atol=1e-12)


@given(simplex)
def test_the_lead_is_first_minus_second(p):
    ordered = np.sort(p, axis=1)
    np.testing.assert_allclose(lead(p), ordered[:, -1] - ordered[:, -2])


def test_a_certain_student_that_contradicts_its_teacher_scores_finitely():
    value = kullback_leibler(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert value == pytest.approx(-np.log(1e-12))


def test_discrepancy_asks_where_the_networks_disagree_not_where_both_hesitate():
    teacher = [[0.5, 0.5], [0.9, 0.1]]
    student = [[0.5, 0.5], [0.1, 0.9]]
    assert best("discrepancy", pool_of(teacher, student)).rows[0] == 1
    assert best("entropy", pool_of(teacher, student)).rows[0] == 0


def test_the_expected_student_loss_is_the_cross_entropy_between_the_two():
    teacher, student = [[0.7, 0.3]], [[0.4, 0.6]]
    score = best("expected_student_loss", pool_of(teacher, student)).scores[0]
    assert score == pytest.approx(-0.7 * np.log(0.4) - 0.3 * np.log(0.6), rel=1e-5)


def test_margin_and_least_confidence_differ_with_three_classes():
    teacher = [[0.48, 0.47, 0.05], [0.40, 0.30, 0.30]]
    assert best("margin", pool_of(teacher)).rows[0] == 0
    assert best("least_confidence", pool_of(teacher)).rows[0] == 1


def test_ties_are_broken_by_the_seed():
    pool = pool_of(np.full((100, 2), 0.5))
    chosen = {
        tuple(acquisitions.get("margin")(pool, 3, np.random.default_rng(s)).rows) for s in range(5)
    }
    assert len(chosen) == 5


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence", "discrepancy"])
def test_a_particle_without_a_prediction_is_asked_about_last(name):
    teacher = np.array([[0.9, 0.1], [np.nan, np.nan], [0.6, 0.4]])
    pool = pool_of(teacher, teacher[:, ::-1])
    assert best(name, pool, 3).rows[-1] == 1


def test_a_shared_queue_leaves_room_for_classes_that_are_never_in_doubt():
    doubtful = np.tile([0.5, 0.45, 0.05], (20, 1))
    rare = np.tile([0.1, 0.1, 0.8], (4, 1))
    pool = pool_of(np.concatenate([doubtful, rare]))
    assert set(best("margin", pool, 9).rows) < set(range(20))
    shared = best("shared_margin", pool, 9).rows
    assert len(shared) == len(set(shared.tolist())) == 9
    assert set(range(20, 24)) < set(shared.tolist())
    # 5 = 1.5 * 9 / 3 of the doubtful class and the 4 rare ones; then doubt decides again.
    assert set(best("shared_margin", pool, 24).rows.tolist()) == set(range(24))
