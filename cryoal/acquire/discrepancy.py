"""Where teacher and student disagree: the score of knowledge transfer (arXiv:2509.15805)."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from cryoal.acquire.base import Pick, Pool, acquisition, take_best
from cryoal.acquire.uncertainty import lead, shannon

#: Probabilities below this count as this, so that no logarithm is infinite.
SMALLEST = 1e-12

#: The student's temperature is sought between 1 / HOTTEST and HOTTEST.
HOTTEST = 20.0


@acquisition("discrepancy", needs=("student",))
def discrepancy(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """KL(teacher || student) of each particle, largest first: the paper's."""
    teacher, student = _pair(pool)
    return take_best(pool, kullback_leibler(teacher, student), n, rng)


@acquisition("discrepancy_reverse", needs=("student",))
def discrepancy_reverse(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """KL(student || teacher)."""
    teacher, student = _pair(pool)
    return take_best(pool, kullback_leibler(student, teacher), n, rng)


@acquisition("discrepancy_jsd", needs=("student",))
def discrepancy_jsd(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Jensen-Shannon divergence: the mean of both KLs to the middle (Lin 1991)."""
    teacher, student = _pair(pool)
    return take_best(pool, jensen_shannon(teacher, student), n, rng)


@acquisition("discrepancy_mse", needs=("student",))
def discrepancy_mse(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Mean over classes of (p_T - p_S)^2."""
    teacher, student = _pair(pool)
    return take_best(pool, squared_distance(teacher, student), n, rng)


@acquisition("discrepancy_l1", needs=("student",))
def discrepancy_l1(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Mean over classes of |p_T - p_S|."""
    teacher, student = _pair(pool)
    difference = teacher.astype(np.float64) - student
    return take_best(pool, np.abs(difference).mean(1), n, rng)


@acquisition("discrepancy_tempered", needs=("student",))
def discrepancy_tempered(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """KL(teacher || student), the student at the temperature that fits the teacher best.

    An under-trained student is less sure everywhere; one temperature, fitted on the pool without
    a label, takes that part of the disagreement away.
    """
    teacher, student = _pair(pool)
    return take_best(pool, kullback_leibler(teacher, fitted(student, teacher)), n, rng)


@acquisition("expected_student_loss", needs=("student",))
def expected_student_loss(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """H(teacher) + KL(teacher || student): the student's expected loss if the teacher is right."""
    teacher, student = _pair(pool)
    return take_best(pool, shannon(teacher) + kullback_leibler(teacher, student), n, rng)


@acquisition("margin_mean", needs=("student",))
def margin_mean(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Margin of the mean of teacher and student."""
    teacher, student = _pair(pool)
    return take_best(pool, -lead((teacher + student) / 2), n, rng)


def kullback_leibler(p: NDArray[np.floating], q: NDArray[np.floating]) -> NDArray[np.float64]:
    """KL(p || q) = sum p log(p / q) over the last axis, nats.

    Examples
    --------
    >>> kullback_leibler(np.array([0.5, 0.5]), np.array([0.25, 0.75])).round(4).item()
    0.1438
    """
    p, q = (np.maximum(a.astype(np.float64), SMALLEST) for a in (p, q))
    divergence: NDArray[np.float64] = (p * np.log(p / q)).sum(-1)
    return divergence


def jensen_shannon(p: NDArray[np.floating], q: NDArray[np.floating]) -> NDArray[np.float64]:
    """(KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, over the last axis, nats."""
    middle = (p.astype(np.float64) + q) / 2
    return (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2


def squared_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of (a - b)^2 over all axes but the first: (N,), for probabilities or dense maps.

    Examples
    --------
    >>> squared_distance(np.zeros((2, 4, 4)), np.ones((2, 4, 4))).tolist()
    [1.0, 1.0]
    """
    difference = a.astype(np.float64) - b
    squared: NDArray[np.float64] = (difference**2).reshape(len(a), -1).mean(1)
    return squared


def fitted(student: NDArray[np.floating], teacher: NDArray[np.floating]) -> NDArray[np.float64]:
    """The student's probabilities at the one temperature of least mean KL(teacher || student)."""
    whole = np.isfinite(teacher).all(1) & np.isfinite(student).all(1)
    logits = np.log(np.maximum(student.astype(np.float64), SMALLEST))
    if not whole.any():
        return student.astype(np.float64)

    def loss(log_temperature: float) -> float:
        q = log_softmax(logits[whole] / np.exp(log_temperature), axis=1)
        return -float((teacher[whole] * q).sum(1).mean())

    bound = np.log(HOTTEST)
    best = minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x
    answer: NDArray[np.float64] = np.exp(log_softmax(logits / np.exp(best), axis=1))
    return answer


def _pair(pool: Pool) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    at = pool.candidates
    return pool.predictions.teacher[at], pool.predictions.probabilities["student"][at]
