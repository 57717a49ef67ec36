"""Choices that cover the pool: typical points of clusters, cluster centres, far corners."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from cryoal.acquire.base import Pick, Pool, acquisition, take_in_order
from cryoal.acquire.strata import places_within, round_robin, strata_of, traits_of

Points = NDArray[np.float64]

#: Clusters are found on at most this many points; all are then assigned.
CLUSTERED_POINTS = 20_000
#: Rounds of assigning points and moving centres (Lloyd 1982).
LLOYD_STEPS = 15
#: Neighbours over which typicality is a mean (Hacohen et al. 2022).
NEIGHBOURS = 20
#: Rows of a distance matrix held at once.
CHUNK = 4096


@acquisition("cold_start")
def cold_start(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Choose the first particles, before any label: typical points of clusters of the embedding.

    The candidates are clustered into about n groups; the most typical of each comes first,
    largest cluster first, each cluster leaning to the tomogram, the source and the tercile of the
    picker's score that had fewest so far. Without an embedding, those strata alone take turns.
    """
    if pool.predictions.embedding is None:
        groups = strata_of(pool, predicted=False)
        order = round_robin(groups, rng.random(len(groups)), rng)
        return _in_order(pool, order, n)
    points = standardised(pool.predictions.embedding[pool.candidates])
    clusters = cluster(points, n, rng)
    typical = typicality(points, clusters)
    return _in_order(pool, _spread(clusters, traits_of(pool), typical, rng), n)


@acquisition("kmeans")
def kmeans(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """The candidate nearest to each of n cluster centres of the embedding."""
    points = standardised(_embedding(pool))
    clusters = cluster(points, n, rng)
    return _in_order(pool, round_robin(clusters, -from_centre(points, clusters), rng), n)


@acquisition("typiclust")
def typiclust(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Most typical point of the largest clusters without a label (Hacohen et al., 2202.02794).

    There are as many clusters as labels and new particles together, at most 500.
    """
    at = pool.candidates
    labelled = np.flatnonzero(pool.labels >= 0)
    embedding = _all_embedding(pool)
    points = standardised(embedding[np.r_[at, labelled]])
    clusters = cluster(points, min(500, n + len(labelled)), rng)
    order = least_covered(points, clusters, len(at))
    return _in_order(pool, order, n)


@acquisition("coreset")
def coreset(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """k-center greedy: always the point farthest from all chosen (Sener and Savarese, 1708.00489).

    Distances to the labelled particles are taken in chunks; never an N x N matrix.
    """
    points = standardised(_all_embedding(pool))
    labelled = np.flatnonzero(pool.labels >= 0)
    candidates = pool.candidates
    nearest = np.full(len(candidates), np.inf)
    if len(labelled):
        tree = points[labelled]
        for start in range(0, len(candidates), CHUNK):
            block = points[candidates[start : start + CHUNK]]
            nearest[start : start + CHUNK] = np.sqrt(_squared(block, tree).min(1))
    scores = np.where(np.isinf(nearest), 0.0, nearest)
    order = []
    current = np.where(np.isinf(nearest), rng.random(len(nearest)) + 1e6, nearest)
    # A few more than asked, in place of those that turn out to be twins.
    for _ in range(min(len(candidates), 2 * n + 10)):
        far = int(current.argmax())
        order.append(far)
        step = np.sqrt(((points[candidates] - points[candidates[far]]) ** 2).sum(1))
        current = np.minimum(current, step)
        current[order] = -1
    rest = np.setdiff1d(np.arange(len(candidates)), order)
    return _in_order(pool, np.r_[order, rest].astype(np.intp), n, scores)


def standardised(embedding: NDArray[np.floating]) -> Points:
    """Columns of mean 0 and standard deviation 1, not-a-number as 0, constant columns as 0."""
    z = np.nan_to_num(np.asarray(embedding, dtype=np.float64), posinf=0.0, neginf=0.0)
    z = z - z.mean(0)
    spread = z.std(0)
    scaled: Points = z / np.where(spread > 1e-9, spread, np.inf)
    return scaled


def cluster(points: Points, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Cluster number of every point, by k-means (k-means++ start): (N,)."""
    k = min(k, len(points))
    if k <= 1:
        return np.zeros(len(points), dtype=np.intp)
    if len(points) > CLUSTERED_POINTS:
        sample = points[rng.choice(len(points), CLUSTERED_POINTS, replace=False)]
    else:
        sample = points
    centres = sample[plus_plus(sample, k, rng)]
    for _ in range(LLOYD_STEPS):
        near = _nearest(sample, centres)
        member = csr_array((np.ones(len(near)), (near, np.arange(len(near)))), (k, len(near)))
        sums, count = member @ sample, np.bincount(near, minlength=k)[:, None]
        # An empty cluster keeps its centre.
        centres = np.where(count > 0, sums / np.maximum(count, 1), centres)
    return _nearest(points, centres)


def plus_plus(
    points: Points, k: int, rng: np.random.Generator, weights: Points | None = None
) -> NDArray[np.intp]:
    """k-means++ seeding (Arthur and Vassilvitskii 2007): k rows, far apart with high probability.

    Each next row is drawn with probability proportional to its squared distance to the
    nearest chosen one. The first is drawn uniformly, or by ``weights``.
    """
    total = len(points)
    share = None if weights is None or weights.sum() <= 0 else weights / weights.sum()
    chosen = [int(rng.choice(total, p=share))]
    nearest = ((points - points[chosen[0]]) ** 2).sum(1)
    for _ in range(k - 1):
        nearest[chosen[-1]] = 0.0
        mass = nearest.cumsum()
        if mass[-1] > 0:
            new = int(np.searchsorted(mass, rng.random() * mass[-1], side="right"))
            new = min(new, total - 1)
        else:
            left = np.setdiff1d(np.arange(total), chosen)
            new = int(rng.choice(left))
        chosen.append(new)
        nearest = np.minimum(nearest, ((points - points[new]) ** 2).sum(1))
    return np.array(chosen, dtype=np.intp)


def typicality(points: Points, clusters: NDArray[np.intp]) -> Points:
    """Inverse mean distance to the 20 nearest points of the same cluster (2202.02794): (N,)."""
    typical = np.zeros(len(points))
    for number in np.unique(clusters):
        members = np.flatnonzero(clusters == number)
        k = min(NEIGHBOURS, len(members) - 1)
        if k < 1:
            continue
        # k + 1, for each point is its own nearest neighbour, at distance 0.
        distance = np.asarray(cKDTree(points[members]).query(points[members], k=k + 1)[0])
        typical[members] = k / (distance.sum(1) + 1e-9)
    return typical


def least_covered(points: Points, clusters: NDArray[np.intp], m: int) -> NDArray[np.intp]:
    """Order of the first m points, the others being labelled: (m,).

    Clusters with fewest labels come first, the larger the earlier, and of each its most typical
    point; then that one counts as a label, too.
    """
    typical, own = typicality(points, clusters)[:m], clusters[:m]
    size = np.bincount(clusters)
    covered = np.bincount(clusters[m:], minlength=len(size))
    order: NDArray[np.intp] = np.lexsort(
        (-typical, -size[own], covered[own] + _place_within(own, typical))
    )
    return order


def from_centre(points: Points, clusters: NDArray[np.intp]) -> Points:
    """Distance of every point to its cluster's mean: (N,)."""
    distance = np.zeros(len(points))
    for number in np.unique(clusters):
        members = clusters == number
        distance[members] = np.linalg.norm(points[members] - points[members].mean(0), axis=1)
    return distance


def _spread(
    clusters: NDArray[np.intp],
    traits: list[NDArray[np.intp]],
    typical: Points,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Places in an order in which clusters take turns and lean to traits not yet served.

    Each trait is served by itself: of all combinations of them there are more than turns.
    """
    size = np.bincount(clusters)
    served = [np.zeros(trait.max(initial=0) + 1) for trait in traits]
    order: list[int] = []
    for number in np.lexsort((rng.random(len(size)), -size))[: np.count_nonzero(size)]:
        members = np.flatnonzero(clusters == number)
        best = members[np.argsort(-typical[members], kind="stable")]
        # The more typical half of a cluster stands for it; within it the strata decide.
        front = best[: (len(best) + 1) // 2]
        had = [
            turns[trait[front]] * len(turns) for turns, trait in zip(served, traits, strict=True)
        ]
        first = int(front[np.sum(had, axis=0).argmin()])
        for turns, trait in zip(served, traits, strict=True):
            turns[trait[first]] += 1
        order.append(first)
    rest = np.setdiff1d(np.arange(len(clusters)), order)
    again = rest[np.argsort(_place_within(clusters[rest], typical[rest]), kind="stable")]
    return np.concatenate([np.array(order, dtype=np.intp), again])


def _place_within(clusters: NDArray[np.intp], values: Points) -> NDArray[np.intp]:
    """Place of every point in its cluster, 0 for the largest value: (N,)."""
    order = np.lexsort((-values, clusters))
    ordered = clusters[order]
    place = np.empty(len(order), dtype=np.intp)
    place[order] = places_within(ordered)
    return place


def _nearest(points: Points, centres: Points) -> NDArray[np.intp]:
    """Number of the centre nearest to each point: (N,)."""
    nearest = np.empty(len(points), dtype=np.intp)
    for start in range(0, len(points), CHUNK):
        nearest[start : start + CHUNK] = _squared(points[start : start + CHUNK], centres).argmin(1)
    return nearest


def _squared(a: Points, b: Points) -> Points:
    """Squared distances of rows: (len(a), len(b))."""
    squared: Points = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    return squared.clip(min=0)


def _embedding(pool: Pool) -> NDArray[np.float32]:
    return _all_embedding(pool)[pool.candidates]


def _all_embedding(pool: Pool) -> NDArray[np.float32]:
    embedding = pool.predictions.embedding
    if embedding is None:
        raise ValueError("this acquisition function needs predictions with an embedding")
    return embedding


def _in_order(pool: Pool, order: NDArray[np.intp], n: int, scores: Points | None = None) -> Pick:
    everywhere = np.full(len(pool.labels), np.nan)
    if scores is None:
        scores = np.empty(len(order))
        scores[order] = np.linspace(1, 0, len(order))
    everywhere[pool.candidates] = scores
    return Pick(take_in_order(pool, pool.candidates[order], n), everywhere)
