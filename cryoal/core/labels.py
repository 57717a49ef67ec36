"""What people said about particles: statements that are only ever added."""

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

UNSURE = "unsure"
"""An answer that is no training data: "I looked and cannot tell"."""

JUNK = "junk"
"""The class of everything that is not a particle; a class like any other."""

NONE = "none"
"""What stands where there is no class; no class may be called so."""

REPEAT = "repeat-"
"""How the name of a statement begins that answers a question asked before, to see whether the
annotator agrees with themselves."""


@dataclass(frozen=True)
class Label:
    """One statement of one annotator about one particle.

    Attributes
    ----------
    when : str
        ISO 8601 in UTC with microseconds.
    statement : str
        Unique name of this statement, what a later one revokes.
    annotator, id : str
        Who, about which particle.
    label : str
        Class name, ``"unsure"``, or ``""`` for a statement that only revokes.
    round : int
        Round whose queue asked; -1 when nobody asked (imported labels).
    revokes : str
        The statement taken back by this one, or ``""``.
    tomogram, position
        Where the particle is (zyx, Angstrom), so that the label can find it after re-picking.
    line : int
        Place in its file, which decides between statements of the same time.
    """

    when: str
    statement: str
    annotator: str
    id: str
    label: str
    round: int = -1
    revokes: str = ""
    tomogram: str = ""
    position: tuple[float, float, float] = (float("nan"),) * 3
    line: int = field(default=0, compare=False)

    def __lt__(self, other: "Label") -> bool:
        """Oldest first: by time, then by place in the file."""
        mine, theirs = (self.when, self.line), (other.when, other.line)
        return (*mine, self.statement) < (*theirs, other.statement)

    @property
    def repeat(self) -> bool:
        """Whether the question had been asked before in the same round."""
        return self.statement.startswith(REPEAT)


def spelled(word: str) -> str:
    """Return a word as it is kept: "Junk" and "UNSURE" are not classes of their own.

    Nor is "1.0", which programs make of class 1.

    Examples
    --------
    >>> spelled(" Junk"), spelled("Ribosome"), spelled("1.0")
    ('junk', 'Ribosome', '1')
    """
    bare = word.strip()
    if re.fullmatch(r"[0-9]+\.0+", bare):
        return bare.partition(".")[0]
    return bare.lower() if bare.lower() in (JUNK, UNSURE, NONE) else bare


def new_name() -> str:
    """Unique name for a statement."""
    return secrets.token_hex(8)


def time_after(last: str = "") -> str:
    """Time stamp of a statement made now, later than ``last`` whatever the clock says."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return now if now > last else _just_after(last)


def _just_after(when: str) -> str:
    try:
        later = datetime.fromisoformat(when).astimezone(UTC) + timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return f"{when}+"  # no time at all: only the order counts
    return later.isoformat(timespec="microseconds")


def in_file_order(statements: Iterable[Label]) -> list[Label]:
    """Give statements of one file times in the order of the file, whatever the clock said.

    One that claims to be earlier than the one before it was written after it all the same: the
    clock had been ahead, or was put back. Statements that share a time go on sharing it.
    """
    ordered: list[Label] = []
    latest = said = ""
    for line, label in enumerate(statements):
        if label.when != said:
            said = label.when
            latest = said if said >= latest else _just_after(latest)
        ordered.append(replace(label, when=latest, line=line))
    return ordered


@dataclass(frozen=True)
class LabelBook:
    """All statements, from every annotator, in any order; a set, so that books can be united."""

    statements: frozenset[Label] = field(default_factory=frozenset)

    def add(self, *labels: Label) -> "LabelBook":
        """Return the book with these statements as well."""
        return LabelBook(self.statements | set(labels))

    def union(self, others: Iterable["LabelBook"]) -> "LabelBook":
        """All statements of this book and the others."""
        return LabelBook(self.statements.union(*(other.statements for other in others)))

    def standing(self) -> list[Label]:
        """Statements that nobody took back, oldest first; a revoked revocation revokes nothing."""
        revoked: set[str] = set()
        ordered = sorted(self.statements)
        # Newest first: a statement's fate is known before what it revokes is looked at.
        for statement in reversed(ordered):
            if statement.revokes and statement.statement not in revoked:
                revoked.add(statement.revokes)
        return [s for s in ordered if s.statement not in revoked and s.label]

    def answers(self) -> dict[str, dict[str, str]]:
        """Last standing word of each annotator: ``{id: {annotator: label}}``."""
        words: dict[str, dict[str, str]] = {}
        for statement in self.standing():
            words.setdefault(statement.id, {})[statement.annotator] = statement.label
        return words

    def current(self) -> dict[str, str]:
        """Label of each particle: the majority of the annotators' last words.

        "unsure" is no vote; a tie, or nobody sure, leaves the particle out.
        """
        named = {}
        for particle, words in self.answers().items():
            word = majority(words)
            if word is not None:
                named[particle] = word
        return named

    def disputed(self) -> dict[str, dict[str, str]]:
        """Particles that people name differently, no name ahead: ``{id: {annotator: label}}``.

        They have no label until somebody decides.
        """
        return {
            particle: words
            for particle, words in self.answers().items()
            if majority(words) is None and any(word != UNSURE for word in words.values())
        }

    def unsure(self) -> set[str]:
        """Particles that somebody looked at and no one could name."""
        return {
            particle
            for particle, words in self.answers().items()
            if all(word == UNSURE for word in words.values())
        }


def majority(words: Mapping[str, str]) -> str | None:
    """Name that most annotators give, ``{annotator: label}``; None of a tie, or nobody sure."""
    votes = Counter(word for word in words.values() if word != UNSURE).most_common(2)
    if len(votes) == 1 or (votes and votes[0][1] > votes[1][1]):
        return votes[0][0]
    return None
