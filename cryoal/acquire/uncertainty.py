"""How unsure the teacher says it is."""

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pick, Pool, acquisition, take_best

Probabilities = NDArray[np.floating]


@acquisition("least_confidence")
def least_confidence(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """1 - max p (Lewis and Gale, SIGIR 1994)."""
    p = pool.predictions.teacher[pool.candidates].astype(np.float64)
    return take_best(pool, 1 - p.max(1), n, rng)


@acquisition("margin")
def margin(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """The lead of the first class over the second, smallest first (Scheffer et al. 2001).

    The strongest of the simple ones (arXiv:2210.03822).
    """
    return take_best(pool, -lead(pool.predictions.teacher[pool.candidates]), n, rng)


@acquisition("entropy")
def entropy(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """-sum p log p (Shannon 1948)."""
    return take_best(pool, shannon(pool.predictions.teacher[pool.candidates]), n, rng)


def lead(p: Probabilities) -> NDArray[np.float64]:
    """Largest minus second largest of the last axis."""
    top = np.partition(p.astype(np.float64), -2, axis=-1)
    return top[..., -1] - top[..., -2]


def shannon(p: Probabilities) -> NDArray[np.float64]:
    """Entropy over the last axis, nats; 0 log 0 is 0.

    Examples
    --------
    >>> shannon(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    p = p.astype(np.float64)
    entropy: NDArray[np.float64] = (p * -np.log(np.where(p > 0, p, 1))).sum(-1)
    return entropy
