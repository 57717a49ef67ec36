"""What an acquisition function sees, what it answers, and how ties and twins are treated."""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cryoal.core.duplicates import distinct
from cryoal.core.predictions import Predictions
from cryoal.core.registry import Registry


@dataclass(frozen=True)
class Pool:
    """Everything an acquisition function may look at; rows are shared by all arrays.

    Attributes
    ----------
    predictions : Predictions of N particles
        With no classes yet (round 0), its probability arrays are absent.
    labels : (N,) int
        Class number of labelled particles, -1 elsewhere.
    candidates : (M,) int
        Rows that may be asked about: not labelled, not answered "unsure", maybe a sub-pool.
    tomogram, source : (N,) str
    position : (N, 3) float, zyx, Angstrom
    score_rank : (N,) float
        Rank of the picker's score within tomogram and source, 0 worst to 1 best; NaN without one.
    min_distance : float, Angstrom
        Two picks of one tomogram closer than this are the same particle, where nothing is known of
        their classes.
    kind, apart : (N,) int and (K, K) float, Angstrom; optional
        What each particle is, for all that is known, and how close two of these kinds may lie
        (``core.duplicates``).
    """

    predictions: Predictions
    labels: NDArray[np.intp]
    candidates: NDArray[np.intp]
    tomogram: NDArray[np.str_]
    source: NDArray[np.str_]
    position: NDArray[np.float64]
    score_rank: NDArray[np.float64]
    min_distance: float = 0.0
    kind: NDArray[np.intp] | None = None
    apart: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Pick:
    """The answer: which rows to ask about, best first, and every candidate's score.

    Attributes
    ----------
    rows : (n,) int
    scores : (N,) float
        Larger is more worth asking; NaN for rows that are no candidates.
    """

    rows: NDArray[np.intp]
    scores: NDArray[np.float64]


class Acquisition(Protocol):
    """A plain function; ``needs`` names the probability arrays beyond the teacher's."""

    needs: tuple[str, ...]

    def __call__(self, pool: Pool, n: int, rng: np.random.Generator) -> Pick:
        """Choose n rows of ``pool.candidates``."""
        ...


acquisitions: Registry[Acquisition] = Registry(
    "acquisition function", "cryoal.acquire", "--acquisition of select"
)

AcquisitionFunction = Callable[[Pool, int, np.random.Generator], Pick]


def acquisition(
    name: str, needs: tuple[str, ...] = ()
) -> Callable[[AcquisitionFunction], Acquisition]:
    """Register an acquisition function under its name.

    It is called only when there is something to choose from and something to choose: else
    the answer is empty.

    Parameters
    ----------
    name : str
        As users write it after ``--acquisition``.
    needs : tuple of str
        What ``learn`` must supply beyond the teacher: ``"student"``, ``"dropout"``, ...
    """

    def announce(function: AcquisitionFunction) -> Acquisition:
        @functools.wraps(function)
        def choose(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
            if len(pool.candidates) == 0 or n <= 0:
                none = np.full(len(pool.labels), np.nan)
                return Pick(np.array([], dtype=np.intp), none)
            return function(pool, n, rng)

        choose.needs = needs  # type: ignore[attr-defined]
        return acquisitions.register(name)(choose)  # type: ignore[arg-type]

    return announce


def take_best(pool: Pool, scores: NDArray[np.float64], n: int, rng: np.random.Generator) -> Pick:
    """Choose the n candidates of largest score, ties by the seed, twins never twice.

    Parameters
    ----------
    scores : (M,) float
        One score a candidate, in the order of ``pool.candidates``. Not-a-number counts as
        the lowest there is.
    """
    order, everywhere = ranked(pool, scores, rng)
    return Pick(take_in_order(pool, order, n), everywhere)


def ranked(
    pool: Pool, scores: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Candidates by falling score, ties by the seed, and the scores for every row of the pool.

    Scores that are no number come last.
    """
    known = np.isfinite(scores)
    scores = np.where(known, scores, scores[known].min() if known.any() else 0.0)
    order = np.lexsort((rng.permutation(len(scores)), -scores, ~known))
    everywhere = np.full(len(pool.labels), np.nan)
    everywhere[pool.candidates] = scores
    return pool.candidates[order], everywhere


def take_in_order(pool: Pool, rows: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Walk down ``rows`` and keep the first n that are not twins of a kept or labelled particle."""
    kind, apart = pool.kind, pool.apart
    if kind is None or apart is None:
        kind, apart = np.zeros(len(pool.labels), dtype=np.intp), np.array([[pool.min_distance]])
    labelled = np.flatnonzero(pool.labels >= 0)
    kept = distinct(pool.tomogram, pool.position, kind, apart, rows, labelled)
    return np.array(list(itertools.islice(kept, max(n, 0))), dtype=np.intp)
