"""Chance that leans to high scores: a batch that does not crowd where the score is largest."""

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pick, Pool, acquisition, take_best
from cryoal.acquire.discrepancy import kullback_leibler
from cryoal.acquire.uncertainty import lead, shannon


@acquisition("power_margin")
def power_margin(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Draw in proportion to 1 - (p1 - p2)."""
    doubt = 1 - lead(pool.predictions.teacher[pool.candidates])
    return take_best(pool, power_noised(doubt, rng), n, rng)


@acquisition("power_entropy")
def power_entropy(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Draw in proportion to the entropy."""
    doubt = shannon(pool.predictions.teacher[pool.candidates])
    return take_best(pool, power_noised(doubt, rng), n, rng)


@acquisition("power_discrepancy", needs=("student",))
def power_discrepancy(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Draw in proportion to KL(teacher || student)."""
    at = pool.candidates
    student = pool.predictions.probabilities["student"][at]
    scores = kullback_leibler(pool.predictions.teacher[at], student)
    return take_best(pool, power_noised(scores, rng), n, rng)


def power_noised(
    scores: NDArray[np.float64], rng: np.random.Generator, temperature: float = 1.0
) -> NDArray[np.float64]:
    """Noised scores whose largest n are a draw without replacement from s^(1/temperature).

    log s / T plus Gumbel noise (Kirsch et al., arXiv:2106.12059); not-a-number stays so, and what
    scores 0 or less comes last.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(scores > 1e-12, np.log(np.maximum(scores, 1e-12)), np.log(1e-12))
    noised: NDArray[np.float64] = np.where(
        np.isnan(scores), np.nan, logs / temperature + rng.gumbel(size=len(scores))
    )
    return noised
