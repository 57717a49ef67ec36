"""Choices without a model: chance, which is hard to beat, and the picker's own score."""

import numpy as np

from cryoal.acquire.base import Pick, Pool, acquisition, take_best, take_in_order
from cryoal.acquire.strata import round_robin, strata_of


@acquisition("random")
def random(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Every candidate is equally likely."""
    return take_best(pool, rng.random(len(pool.candidates)), n, rng)


@acquisition("stratified")
def stratified(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Chance within strata: tomogram, source, score tercile and predicted class take turns.

    Luth et al. (nnActive, arXiv:2511.19183) find stratified chance hard to beat.
    """
    order = round_robin(strata_of(pool), rng.random(len(pool.candidates)), rng)
    scores = np.full(len(pool.labels), np.nan)
    scores[pool.candidates[order]] = np.linspace(1, 0, len(order))
    return Pick(take_in_order(pool, pool.candidates[order], n), scores)


@acquisition("score", needs=("score",))
def score(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """The picker's best first, by rank within tomogram and source: what a threshold keeps."""
    return take_best(pool, pool.score_rank[pool.candidates], n, rng)
