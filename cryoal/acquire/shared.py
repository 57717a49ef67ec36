"""Doubt, shared out over the classes."""

import math

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pick, Pool, acquisition, ranked, take_in_order
from cryoal.acquire.uncertainty import lead

#: A predicted class gets at most so many times its even share of a queue.
CAP = 1.5


@acquisition("shared_margin")
def shared_margin(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """``margin``, but no predicted class gets more than 1.5 times its even share of the queue.

    Where classes are of unequal size, or two can hardly be told apart, plain margin spends the
    whole queue on the border between the two most common ones. What the cap leaves open the
    smallest margins fill, whatever their class.
    """
    order, scores = share_margins(pool, n, rng)
    return Pick(take_in_order(pool, order, n), scores)


def share_margins(
    pool: Pool, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """All candidates, the first n shared out over the predicted classes; and every row's score."""
    p = pool.predictions.teacher[pool.candidates]
    order, scores = ranked(pool, -lead(p), rng)
    guess = np.full(len(pool.labels), -1)
    guess[pool.candidates] = p.argmax(1)
    return _capped(order, guess[order], math.ceil(CAP * n / p.shape[1])), scores


def _capped(order: NDArray[np.intp], group: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """First the leading ``most`` rows of every group, then all others, both in their order.

    Examples
    --------
    >>> _capped(np.array([7, 3, 9, 1]), np.array([0, 0, 0, 1]), 2).tolist()
    [7, 3, 1, 9]
    """
    place = np.zeros(len(order), dtype=np.intp)
    for one in np.unique(group):
        place[group == one] = np.arange((group == one).sum())
    return np.concatenate([order[place < most], order[place >= most]])
