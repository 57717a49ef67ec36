"""In which order a queue is shown, and which of its particles are shown twice."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: One of so many particles is asked about again, later and unmarked.
REPEAT_EVERY = 20


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes
    ----------
    id : str
        Of the particle.
    round : int
        Of the queue that asks.
    repeat : bool
        Asked before; the person is not told.
    """

    id: str
    round: int
    repeat: bool = False


def schedule(
    ids: Sequence[str], round_number: int, annotator: str, every: int = REPEAT_EVERY
) -> list[Item]:
    """Return the questions of a queue: each particle once, one in ``every`` again later.

    Of each full run of ``every`` particles, one of the first half is asked about again in the
    first half of the next run, so at least ``every / 2`` questions later; which one depends on
    the annotator and the round alone. A queue that grows keeps the repeats it had.

    Parameters
    ----------
    every : int
        0 repeats nothing.
    """
    items = [Item(name, round_number) for name in ids]
    if every < 2:
        return items
    half = every // 2
    rng = np.random.default_rng([zlib.crc32(annotator.encode()), max(round_number, 0)])
    again: dict[int, list[Item]] = {}
    for start in range(0, len(ids) - every + 1, every):
        which, later = (int(number) for number in rng.integers(0, half, 2))
        after = min(start + every + later, len(ids)) - 1
        again.setdefault(after, []).append(Item(ids[start + which], round_number, repeat=True))
    return [what for at, item in enumerate(items) for what in (item, *again.get(at, []))]
