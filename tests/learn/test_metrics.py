import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from cryoal.learn.calibrate import (
    fit_forgiving,
    fit_to_labels,
    fit_to_teacher,
    forgiving,
    tempered,
)
from cryoal.learn.metrics import (
    accuracy,
    balanced_accuracy,
    calibration_error,
    error_auroc,
    log_loss,
    macro_f1,
    recall_per_class,
    spearman,
)

TRUTH = np.array([0, 0, 0, 1])
PREDICTED = np.array([0, 0, 1, 1])


def test_metrics_are_those_counted_by_hand():
    assert accuracy(TRUTH, PREDICTED) == 0.75
    assert balanced_accuracy(TRUTH, PREDICTED, 2) == pytest.approx((2 / 3 + 1) / 2)
    assert macro_f1(TRUTH, PREDICTED, 2) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_a_class_that_does_not_occur_has_no_recall_and_does_not_count():
    assert np.isnan(recall_per_class(TRUTH, PREDICTED, 3)[2])
    assert balanced_accuracy(TRUTH, PREDICTED, 3) == balanced_accuracy(TRUTH, PREDICTED, 2)
    assert macro_f1(TRUTH, PREDICTED, 3) == macro_f1(TRUTH, PREDICTED, 2)


@given(st.integers(0, 1000))
def test_the_area_is_the_chance_that_a_wrong_one_scores_higher(seed):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 5, 30).astype(float)
    wrong = rng.random(30) < 0.4
    wrong[:2] = True, False
    a, b = score[wrong][:, None], score[~wrong][None]
    assert error_auroc(score, wrong) == pytest.approx(((a > b) + 0.5 * (a == b)).mean())


def test_detection_of_errors_that_do_not_occur_is_not_a_number():
    assert np.isnan(error_auroc(np.arange(3.0), np.zeros(3, dtype=bool)))
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))


def test_spearman_sees_order_only():
    assert spearman(np.array([1.0, 2.0, 30.0]), np.array([0.1, 0.2, 0.3])) == pytest.approx(1)


def test_log_loss_is_that_of_the_true_class():
    p = np.array([[0.25, 0.75], [1.0, 0.0]])
    loss = log_loss(np.array([0, 1]), p)
    assert loss == pytest.approx([np.log(4), -np.log(1e-12)])


def test_confidence_that_holds_has_no_calibration_error():
    p = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(np.array([0, 0, 0, 1]), p) == pytest.approx(0)
    assert calibration_error(np.array([1, 1, 1, 1]), p) == pytest.approx(0.75)


def drawn(temperature, n=20_000):
    """Probabilities, and classes drawn as if they were too sharp by ``temperature``."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), n)
    truth = (tempered(p, temperature).cumsum(1) > rng.random((n, 1))).argmax(1)
    return p, truth


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    assert fit_to_labels(*drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_student_that_only_lacks_confidence_agrees_once_tempered(rng):
    teacher = rng.dirichlet(np.ones(4), 500)
    student = tempered(teacher, 3.0)
    temperature = fit_to_teacher(student, teacher)
    assert temperature == pytest.approx(1 / 3, rel=0.01)
    np.testing.assert_allclose(tempered(student, temperature), teacher, atol=1e-3)


def test_the_best_temperature_is_found_though_forgiveness_makes_two_valleys():
    truth, logits = np.zeros(30, dtype=int), np.tile([80.0, 0.0], (30, 1))
    logits[:2] = 0, 20  # wrong, and sure of it
    logits[2:4] = 0.5, 0  # hardly right: better the sharper, but for those before
    found = fit_forgiving(logits, truth)
    assert 15 < found < 30
    for temperature in np.geomspace(0.02, 90, 50):
        said = forgiving(logits / temperature, truth).mean()
        assert said < forgiving(logits / found, truth).mean() + 0.005


def test_labels_that_are_all_told_do_not_make_a_head_surer_than_they_can_say():
    truth = np.arange(20) % 4
    logits = 50 * np.eye(4)[truth]
    sure = softmax(logits / fit_forgiving(logits, truth), axis=1).max(1)
    assert (sure > 0.99).all()
    assert (sure < 0.999).all()
