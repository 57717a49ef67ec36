"""How often people agree with themselves, and what that leaves a classifier to reach."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from cryoal.core.labels import UNSURE, Label, LabelBook
from cryoal.project.stopping import wilson


class Agreement(NamedTuple):
    """Of so many particles named twice, how many were named alike."""

    same: int
    repeated: int

    def __str__(self) -> str:
        if not self.repeated:
            return "no particle was named twice yet"
        low, high = self.interval
        return (
            f"{self.same} of {self.repeated} particles asked about twice were named alike "
            f"(95 % interval {low:.0%} to {high:.0%})"
        )

    @property
    def share(self) -> float:
        """Share named alike; NaN where nothing was named twice."""
        return self.same / self.repeated if self.repeated else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson score interval of the share."""
        return wilson(self.same, self.repeated)

    @property
    def ceiling_interval(self) -> tuple[float, float]:
        """What the interval of the share means for the ceiling."""
        low, high = self.interval
        return ceiling(low), ceiling(high)


def ceiling(share: float) -> float:
    """Most that any classifier can score against labels that are repeated with this share.

    Whoever calls a particle c with probability p_c, at each look anew, names it alike twice with
    probability s = sum_c p_c^2, and no answer meets a label of theirs more often than
    max_c p_c <= sqrt(s). Over particles the mean of sqrt(s) is at most the root of the mean of s
    (Jensen). Whoever remembers the first look agrees more often than that, so the true ceiling
    may lie lower.
    """
    return math.sqrt(share)


def self_agreement(statements: Iterable[Label], annotator: str) -> Agreement:
    """Compare what an annotator said at the repeats with what they had said before.

    A repeat counts by its last standing word, and is held against the last word that stood when the
    question came again: neither a correction made later nor a class renamed later changes it.
    Where either word is "unsure", nothing was named twice.
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
    named = [pair for pair in pairs.values() if UNSURE not in pair]
    return Agreement(sum(a == b for a, b in named), len(named))


def of_everybody(book: LabelBook) -> dict[str, Agreement]:
    """Self-agreement of each annotator who named a particle twice."""
    people = sorted({label.annotator for label in book.statements if label.repeat})
    found = {name: self_agreement(book.statements, name) for name in people}
    return {name: agreement for name, agreement in found.items() if agreement.repeated}


def facts(book: LabelBook) -> dict[str, Any]:
    """What ``cryoal status --json`` says of it: all repeats together, and whose they are."""
    people = of_everybody(book)
    total = Agreement(
        sum(one.same for one in people.values()), sum(one.repeated for one in people.values())
    )
    return {
        "repeated": total.repeated,
        "same": total.same,
        "share": total.share if total.repeated else None,
        "interval": list(total.interval) if total.repeated else None,
        "ceiling": ceiling(total.share) if total.repeated else None,
        "ceiling_interval": list(total.ceiling_interval) if total.repeated else None,
        "annotators": {
            name: {"repeated": one.repeated, "same": one.same} for name, one in people.items()
        },
    }
