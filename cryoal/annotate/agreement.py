"""How often an annotator agrees with themselves."""

from collections.abc import Iterable
from typing import NamedTuple

from cryoal.core.labels import Label, LabelBook


class Agreement(NamedTuple):
    """Of so many particles asked about twice, how many were named alike."""

    same: int
    repeated: int

    def __str__(self) -> str:
        if not self.repeated:
            return "no particle was asked about twice yet"
        return f"{self.same} of {self.repeated} particles asked about twice were named alike"


def self_agreement(statements: Iterable[Label], annotator: str) -> Agreement:
    """Compare what an annotator said at the repeats with what they had said before.

    A repeat counts by its last standing word, and is held against the last word that stood when the
    question came again: neither a correction made later nor a class renamed later changes it.
    """
    standing = LabelBook(frozenset(statements)).standing()
    before: dict[tuple[str, int], str] = {}
    pairs: dict[tuple[str, int], tuple[str, str]] = {}
    for label in standing:
        if label.annotator != annotator:
            continue
        slot = (label.id, label.round)
        if label.repeat and slot in before:
            pairs[slot] = (pairs[slot][0] if slot in pairs else before[slot], label.label)
        elif not label.repeat:
            before[slot] = label.label
    return Agreement(sum(a == b for a, b in pairs.values()), len(pairs))
