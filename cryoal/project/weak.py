"""Weak labels: what a list says of its particles, and how right people find it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.labels import NONE, UNSURE
from cryoal.core.particles import ParticleSet
from cryoal.project.label_files import class_names, read_labels


def read_weak(path: Path, particles: ParticleSet, names: Sequence[str] = ()) -> dict[str, str]:
    """What a file says of these particles: ``{id: class}``.

    A list that was extracted, by its name, says what its class numbers are, or what ``names`` says
    of all of it; any other file is read as ``read_labels`` does.

    Parameters
    ----------
    names : sequence of str
        ``"CLASS"``: all of the file is that. ``"NUMBER=CLASS"``: its class of that number is.

    Raises
    ------
    CryoalError
        The file says nothing of classes, or is no list of this project.
    """
    called, whole = _names(names)
    rows = _rows_of(path, particles)
    if whole is not None:
        if not len(rows):
            lists = [] if particles.source is None else np.unique(particles.source).tolist()
            raise CryoalError(
                f"{path}: no list of that name was extracted here; there are {', '.join(lists)}"
            )
        found = dict.fromkeys(map(str, particles.id[rows]), whole)
    elif len(rows) and "rlnClassNumber" in particles.table:
        numbers = particles.table["rlnClassNumber"].iloc[rows]
        found = dict(zip(map(str, particles.id[rows]), class_names(numbers), strict=True))
    else:
        found = read_labels(path, predicted=True)
    unknown = set(called) - set(found.values())
    if unknown:
        number = sorted(unknown)[0].removeprefix("class")
        there = ", ".join(sorted(set(found.values()) - {NONE}))
        raise CryoalError(f"{path}: has no class {number}; there are {there}")
    words = {name: called.get(word, word) for name, word in found.items()}
    known = set(map(str, particles.id))
    here = {n: word for n, word in words.items() if n in known and word not in (NONE, UNSURE)}
    if not here:
        raise CryoalError(
            f"{path}: says nothing of the particles of this project; ids look like "
            f"{str(particles.id[0]) if len(particles) else 'none'!r}"
        )
    return here


def _names(names: Sequence[str]) -> tuple[dict[str, str], str | None]:
    """``{"class3": "ribosome"}`` of "3=ribosome"; and the class of all, where one is named."""
    called, whole = {}, None
    for text in names:
        number, sign, name = text.rpartition("=")
        if sign and number.strip().isdigit() and name.strip():
            called[f"class{number.strip()}"] = name.strip()
        elif len(names) == 1 and not sign and text.strip():
            whole = text.strip()
        else:
            raise CryoalError(
                f"--as {text}: one CLASS for all of the list, or NUMBER=CLASS, repeated"
            )
    return called, whole


def _rows_of(path: Path, particles: ParticleSet) -> NDArray[np.intp]:
    """Particles that came in this list; lists of one name have folders in front of it."""
    if particles.source is None:
        return np.zeros(0, dtype=np.intp)
    whole = path.resolve().with_name(path.stem).as_posix()
    own = [source for source in np.unique(particles.source) if whole.endswith(f"/{source}")]
    return np.flatnonzero(np.isin(particles.source, sorted(own, key=len)[-1:]))


def stand_in(labels: Mapping[str, str], weak: Mapping[str, str]) -> bool:
    """Whether labels are of less than two classes, and weak ones know those and others."""
    said, hinted = set(labels.values()), set(weak.values())
    return len(said) < 2 <= len(hinted) and said <= hinted


@dataclass(frozen=True)
class Found:
    """How right a weak class is, by people's labels.

    Attributes
    ----------
    particles, answered : int
        With this weak label; and those of them that people named.
    answers : {class: how many}
        Most frequent first.
    """

    particles: int
    answered: int
    answers: dict[str, int]

    def sentence(self, name: str) -> str:
        """Say it of the weak class of this name."""
        head = f"weak {name} ({self.particles} particles)"
        if not self.answered:
            return f"{head}: no answer yet"
        if name in self.answers or not name.startswith("class"):
            return f"{head}: {self.answers.get(name, 0)} of {self.answered} answers agree"
        mostly = next(iter(self.answers))
        return f"{head}: {self.answers[mostly]} of {self.answered} answers are {mostly}"


def found_right(weak: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Found]:
    """``{weak class: what people say of its particles}``, by name."""
    counts = Counter(weak.values())
    answers: dict[str, Counter[str]] = {}
    for particle, word in weak.items():
        if particle in labels:
            answers.setdefault(word, Counter())[labels[particle]] += 1
    return {
        name: Found(n, sum(told.values()), dict(told.most_common()))
        for name, n in sorted(counts.items())
        for told in [answers.get(name, Counter())]
    }
