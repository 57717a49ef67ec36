"""Diverse batches of particles that would move the network most."""

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pick, Pool, acquisition, take_in_order
from cryoal.acquire.coverage import standardised

Points = NDArray[np.float64]


@acquisition("badge")
def badge(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """k-means++ on the gradient (p - onehot(argmax p)) (x) z (Ash et al., arXiv:1906.03671)."""
    p = pool.predictions.teacher[pool.candidates].astype(np.float64)
    gradient = p.copy()
    gradient[np.arange(len(p)), p.argmax(1)] -= 1
    return _diverse(pool, gradient, n, rng)


@acquisition("transfer_gradient", needs=("student",))
def transfer_gradient(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """k-means++ on (p_T - p_S) (x) z: the gradient of the transfer loss in the last layer."""
    at = pool.candidates
    teacher = pool.predictions.teacher[at].astype(np.float64)
    student = pool.predictions.probabilities["student"][at]
    return _diverse(pool, teacher - student, n, rng)


def _diverse(pool: Pool, gradient: Points, n: int, rng: np.random.Generator) -> Pick:
    """k-means++ on outer products, which are never formed.

    |a (x) z|^2 = |a|^2 |z|^2, and the inner product of two outer products is the product of
    the two inner products.
    """
    at = pool.candidates
    embedding = pool.predictions.embedding
    if embedding is None:
        raise ValueError("this acquisition function needs predictions with an embedding")
    z = standardised(embedding[at])
    a = np.nan_to_num(gradient)
    size = (a**2).sum(1) * (z**2).sum(1)
    everywhere = np.full(len(pool.labels), np.nan)
    everywhere[at] = np.sqrt(size)
    order: list[int] = []
    left = np.ones(len(at), dtype=bool)
    nearest = size.copy()  # the first is drawn by the gradient's size, as if 0 were chosen
    # A few more than asked, in place of those that turn out to be twins.
    for _ in range(min(len(at), 2 * n + 10)):
        mass = np.where(left, nearest, 0).cumsum()
        if mass[-1] > 0:
            place = int(np.searchsorted(mass, rng.random() * mass[-1], side="right"))
            new = min(place, len(at) - 1)
        else:
            new = int(rng.choice(np.flatnonzero(left)))
        order.append(new)
        left[new] = False
        distance = size + size[new] - 2 * (a @ a[new]) * (z @ z[new])
        nearest = np.minimum(nearest, np.maximum(distance, 0))
    rest = np.flatnonzero(left)
    rows = np.concatenate([np.array(order, dtype=np.intp), rest[np.argsort(-size[rest])]])
    return Pick(take_in_order(pool, at[rows], n), everywhere)
