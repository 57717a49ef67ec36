"""Where teacher and student disagree: the score of knowledge transfer (arXiv:2509.15805)."""

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pick, Pool, acquisition, take_best
from cryoal.acquire.uncertainty import lead, shannon

#: Probabilities below this count as this, so that no logarithm is infinite.
SMALLEST = 1e-12


@acquisition("discrepancy", needs=("student",))
def discrepancy(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """KL(teacher || student) of each particle, largest first: the paper's."""
    teacher, student = _pair(pool)
    return take_best(pool, kullback_leibler(teacher, student), n, rng)


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


def _pair(pool: Pool) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    at = pool.candidates
    return pool.predictions.teacher[at], pool.predictions.probabilities["student"][at]
