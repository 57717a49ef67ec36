"""What people said about particles: statements that are only ever added."""

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

UNSURE = "unsure"
"""An answer that is no training data: "I looked and cannot tell"."""

JUNK = "junk"
"""The class of everything that is not a particle; a class like any other."""

NONE = "none"
"""What stands where there is no class; no class may be called so."""

REPEAT = "repeat-"
"""How the name of a statement begins that answers a question asked before, to see whether the
annotator agrees with themselves."""


@dataclass(frozen=True, order=True)
class Label:
    """One statement of one annotator about one particle.

    Attributes
    ----------
    when : str
        ISO 8601 in UTC with microseconds; statements are ordered by it, then by ``statement``.
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

    @property
    def repeat(self) -> bool:
        """Whether the question had been asked before in the same round."""
        return self.statement.startswith(REPEAT)


def spelled(word: str) -> str:
    """Return a word as it is kept: "Junk" and "UNSURE" are not classes of their own.

    Examples
    --------
    >>> spelled(" Junk"), spelled("Ribosome")
    ('junk', 'Ribosome')
    """
    bare = word.strip()
    return bare.lower() if bare.lower() in (JUNK, UNSURE, NONE) else bare


def new_statement() -> tuple[str, str]:
    """Time stamp and unique name for a statement made now."""
    return datetime.now(UTC).isoformat(timespec="microseconds"), secrets.token_hex(8)


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
        # Newest first: a statement's fate is settled before what it revokes is looked at.
        for statement in sorted(self.statements, reverse=True):
            if statement.revokes and statement.statement not in revoked:
                revoked.add(statement.revokes)
        return [s for s in sorted(self.statements) if s.statement not in revoked and s.label]

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
        settled = {}
        for particle, words in self.answers().items():
            votes = Counter(word for word in words.values() if word != UNSURE).most_common(2)
            if len(votes) == 1 or (votes and votes[0][1] > votes[1][1]):
                settled[particle] = votes[0][0]
        return settled

    def unsure(self) -> set[str]:
        """Particles that somebody looked at and no one could name."""
        return {
            particle
            for particle, words in self.answers().items()
            if all(word == UNSURE for word in words.values())
        }
