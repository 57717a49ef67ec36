"""Doubt and coverage in turns: what the averages mix up, and what nobody has looked at."""

import math

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pick, Pool, acquisition, take_in_order
from cryoal.acquire.coverage import cluster, least_covered, standardised
from cryoal.acquire.shared import share_margins
from cryoal.acquire.strata import round_robin

#: Clusters are sought among so many candidates: enough to meet a class of one in a hundred.
EXPLORED = 5000


@acquisition("explore")
def explore(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """``shared_margin`` and typical points of clusters without a label take turns.

    Where classes lie apart a classifier is sure of them, and no less sure of a class that nobody
    has named yet and that it takes for another. So every second particle is asked for without
    regard to doubt: predicted classes take turns, each with the cluster of its particles'
    embedding that has fewest labels.
    """
    doubtful, scores = share_margins(pool, math.ceil(n / 2), rng)
    if pool.predictions.embedding is None:
        return Pick(take_in_order(pool, doubtful, n), scores)
    uncovered = _uncovered(pool, n, rng)
    turns = np.stack([doubtful[: len(uncovered)], uncovered], axis=1).ravel()
    both = np.concatenate([turns, doubtful])
    first = np.sort(np.unique(both, return_index=True)[1])
    return Pick(take_in_order(pool, both[first], n), scores)


def _uncovered(pool: Pool, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Candidates by how few labels their cluster has, predicted classes in turns: (M,) or fewer."""
    at, told = pool.candidates, np.flatnonzero(pool.labels >= 0)
    if len(at) > EXPLORED:
        at = np.sort(rng.choice(at, EXPLORED, replace=False))
    seen = np.concatenate([at, told])
    assert pool.predictions.embedding is not None
    points = standardised(pool.predictions.embedding[seen])
    called = np.nan_to_num(pool.predictions.teacher[seen]).argmax(1)
    clusters, used = np.zeros(len(seen), dtype=np.intp), 0
    classes = np.unique(called)
    for one in classes:
        members = np.flatnonzero(called == one)
        k = max(2, math.ceil(n / len(classes)) + int((members >= len(at)).sum()))
        clusters[members] = used + cluster(points[members], k, rng)
        used += k
    rank = np.empty(len(at))
    rank[least_covered(points, clusters, len(at))] = np.arange(len(at))
    return at[round_robin(called[: len(at)], -rank, rng)]
