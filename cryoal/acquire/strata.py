"""Groups of candidates that should each have their share of a batch."""

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pool

#: The picker's score is cut into this many equal groups.
SCORE_GROUPS = 3


def strata_of(pool: Pool, *, predicted: bool = True) -> NDArray[np.intp]:
    """Number of each candidate's group: (M,).

    Groups share tomogram, source, tercile of the picker's score and, where there are
    predictions and ``predicted`` is asked for, the predicted class.
    """
    columns = traits_of(pool)
    if predicted and "teacher" in pool.predictions.probabilities:
        columns.append(np.nan_to_num(pool.predictions.teacher[pool.candidates]).argmax(1))
    group = np.zeros(len(pool.candidates), dtype=np.intp)
    for column in columns:
        number = np.unique(column, return_inverse=True)[1]
        group = np.unique(group * (number.max(initial=0) + 1) + number, return_inverse=True)[1]
    return group


def traits_of(pool: Pool) -> list[NDArray[np.intp]]:
    """Number each candidate's tomogram, source and tercile of the picker's score: (M,) each."""
    at = pool.candidates
    rank = np.nan_to_num(pool.score_rank[at], nan=0.0)
    tercile = np.minimum(rank * SCORE_GROUPS, SCORE_GROUPS - 1).astype(np.intp)
    return [
        np.unique(column, return_inverse=True)[1]
        for column in (pool.tomogram[at], pool.source[at], tercile)
    ]


def places_within(ordered: NDArray[np.intp]) -> NDArray[np.intp]:
    """Place of every entry in its run of equal neighbours: (M,).

    Examples
    --------
    >>> places_within(np.array([4, 4, 4, 7, 9, 9])).tolist()
    [0, 1, 2, 0, 0, 1]
    """
    first = np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)]
    starts = np.flatnonzero(first)
    lengths = np.diff(np.r_[starts, len(ordered)])
    return np.arange(len(ordered)) - np.repeat(starts, lengths)


def round_robin(
    groups: NDArray[np.intp], scores: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Order in which groups take turns, each giving its best that is left: (M,) places.

    Groups take their turns in a new random order each round; large ones go on when small
    ones are used up.
    """
    best_first = np.lexsort((-scores, groups))
    grouped = groups[best_first]
    turn = places_within(grouped)
    order: NDArray[np.intp] = best_first[np.lexsort((rng.random(len(groups)), turn))]
    return order
