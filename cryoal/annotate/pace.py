"""How far and how fast: what an annotator likes to know of their own work."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

#: A pause longer than this (seconds) is a break and no part of the rate.
BREAK = 60.0

#: Answers whose pace counts.
RECENT = 20


class Progress(NamedTuple):
    """How many of the questions are answered."""

    answered: int
    total: int

    def __str__(self) -> str:
        return f"{self.answered} of {self.total}"


class Pace:
    """Times of the answers of a session.

    Parameters
    ----------
    clock : callable
        Seconds from any beginning.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: list[float] = []

    def tick(self) -> None:
        """Note that an answer was given now."""
        self._times.append(self._clock())

    @property
    def rate(self) -> float:
        """Answers a minute over the last twenty, breaks left out; 0 before the second."""
        gaps = [b - a for a, b in itertools.pairwise(self._times[-RECENT:]) if b - a <= BREAK]
        return 60 * len(gaps) / max(sum(gaps), 1e-9) if gaps else 0.0
