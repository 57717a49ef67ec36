"""A project's labels: the ledgers on disk, re-attached to the particles of today."""

import getpass
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from cryoal.core.errors import CryoalError
from cryoal.core.labels import Label, LabelBook, new_name, spelled, time_after
from cryoal.core.particles import ParticleSet
from cryoal.io import ledger
from cryoal.project.classes import Classes, valid_label
from cryoal.project.layout import Layout

log = logging.getLogger(__name__)

#: Fraction of the diameter within which a label finds its particle after re-picking.
REATTACH = 0.25

#: Behind an id that has become another particle's, so that its statements stay apart.
ELSEWHERE = " (elsewhere)"


class ProjectLabels:
    """The label ledgers of a project; every addition is on the disk when the call returns.

    Parameters
    ----------
    layout : Layout
    particles : ParticleSet
    diameter : float, Angstrom
    """

    def __init__(self, layout: Layout, particles: ParticleSet, diameter: float) -> None:
        self._layout = layout
        self._particles = particles
        self._diameter = diameter
        self._read: tuple[object, LabelBook] | None = None
        self._weak: tuple[object, dict[str, str]] | None = None

    def book(self) -> LabelBook:
        """Every statement, those about vanished ids moved to the particle at their place.

        Classes that were renamed for all annotators have their new names.
        """
        now = _signature(self._layout.labels)
        if self._read is None or self._read[0] != now:
            found = ledger.read_folder(self._layout.labels)
            here = reattach(found, self._particles, REATTACH * self._diameter)
            self._read = now, renamed(here, Classes.read(self._layout.classes))
        return self._read[1]

    def current(self) -> dict[str, str]:
        """``{id: label}`` of every particle that people agree on and that is still there."""
        known = set(self._particles.id)
        return {name: word for name, word in self.book().current().items() if name in known}

    def adrift(self) -> int:
        """How many particles people named are no longer where they were; their words are kept."""
        return len(self.book().current()) - len(self.current())

    def unsure(self) -> set[str]:
        """Particles that somebody looked at and could not name."""
        return self.book().unsure()

    def add(
        self,
        labels: Mapping[str, str],
        annotator: str | None = None,
        *,
        round_number: int = -1,
        revokes: str = "",
    ) -> list[Label]:
        """State labels, ``{id: label}``, in one go.

        Raises
        ------
        CryoalError
            An id is unknown, a label is empty, or the ledger cannot be written; then nothing of
            it was recorded.
        """
        who = annotator or default_annotator()
        path = self._layout.ledger(who)
        said = ledger.read(path) if path.exists() else LabelBook()
        statements = self._stated(labels, who, round_number, revokes, said)
        ledger.append(path, statements)
        return statements

    def weak(self) -> dict[str, str]:
        """``{id: class}`` by lists, under today's names: hints, and nobody's word."""
        path = self._layout.weak
        if not path.exists():
            return {}
        now = _state(path)
        if self._weak is None or self._weak[0] != now:
            near = REATTACH * self._diameter
            book = reattach(ledger.read(path), self._particles, near)
            known = set(self._particles.id)
            words = {name: word for name, word in book.current().items() if name in known}
            self._weak = now, words
        today = Classes.read(self._layout.classes).now
        return {name: today(word) for name, word in self._weak[1].items()}

    def add_weak(self, labels: Mapping[str, str]) -> int:
        """State what a list says, ``{id: class}``; how many of it are new or say otherwise.

        Raises
        ------
        CryoalError
            As ``add``.
        """
        before, today = self.weak(), Classes.read(self._layout.classes).now
        fresh = {
            name: word for name, word in labels.items() if before.get(name) != today(spelled(word))
        }
        if fresh:
            path = self._layout.weak
            said = ledger.read(path) if path.exists() else LabelBook()
            ledger.append(path, self._stated(fresh, "weak", -1, "", said))
        return len(fresh)

    def _stated(
        self, labels: Mapping[str, str], who: str, round_number: int, revokes: str, said: LabelBook
    ) -> list[Label]:
        """Statements made now, later than all that ``said`` holds."""
        when = max((label.when for label in said.statements), default="")
        rows = self._particles.rows(list(labels)) if labels else np.zeros(0, dtype=np.intp)
        statements = []
        for (particle, label), row in zip(labels.items(), rows, strict=True):
            try:
                word = "" if revokes and not label.strip() else valid_label(label)
            except CryoalError as problem:
                raise CryoalError(
                    f"particle {particle!r}: {label[:40]!r} is no label: {problem}"
                ) from problem
            when = time_after(when)
            z, y, x = self._particles.position[row]
            statements.append(
                Label(
                    when=when,
                    statement=new_name(),
                    annotator=who,
                    id=particle,
                    label=word,
                    round=round_number,
                    revokes=revokes,
                    tomogram=str(self._particles.tomogram[row]),
                    position=(float(z), float(y), float(x)),
                )
            )
        return statements

    def take(self, path: Path, annotator: str | None = None) -> tuple[int, int]:
        """Take over the statements of a file that the ledgers lack: a downloaded sheet, a ledger.

        Statements keep their names, so taking twice adds nothing, and what was undone in between
        is undone here.

        Parameters
        ----------
        annotator : str, optional
            Whose they are, whatever the file says.

        Returns
        -------
        How many were added, and how many were there already.

        Raises
        ------
        CryoalError
            The file holds no statements, or none of its particles is here.
        """
        from cryoal.project import downloads  # which builds on this module

        read = downloads.read_statements(path, annotator or "")
        near = REATTACH * self._diameter
        placed = downloads.place(read, self._particles, near)
        if not placed.found:
            raise CryoalError(
                f"{path}: none of its particles is here (the first is {read[0].id!r}); "
                "is it of another project?"
            )
        if placed.lost:
            n = len(placed.lost)
            log.warning("%s: %d statements left out, their particles are not here", path, n)
        known = {label.statement for label in ledger.read_folder(self._layout.labels).statements}
        fresh = [label for label in placed.found if label.statement not in known]
        for who in sorted({label.annotator for label in fresh}):
            mine = [label for label in fresh if label.annotator == who]
            ledger.append(self._layout.ledger(who or default_annotator()), mine, joined=True)
        return len(fresh), len(placed.found) - len(fresh)

    def unite(self, other: Path) -> int:
        """Take over the statements of another project that this one lacks; how many there were.

        Statements keep their names, so uniting twice adds nothing.
        """
        theirs = ledger.read_folder(Layout(other).labels).statements
        ours = ledger.read_folder(self._layout.labels).statements
        known = {label.statement for label in ours}
        missing = sorted(label for label in theirs if label.statement not in known)
        for annotator in sorted({label.annotator for label in missing}):
            mine = [label for label in missing if label.annotator == annotator]
            ledger.append(self._layout.ledger(annotator), mine, joined=True)
        return len(missing)


def _signature(folder: Path) -> object:
    """Changes when a ledger of the folder does, or the list of classes."""
    files = [*folder.glob("*.tsv"), *folder.glob("classes.toml")] if folder.is_dir() else []
    return [_state(path) for path in sorted(files)]


def _state(path: Path) -> object:
    found = path.stat()
    return path.name, found.st_ino, found.st_size, found.st_mtime_ns


def default_annotator() -> str:
    """The user's login name, or "anonymous" where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "anonymous"


def renamed(book: LabelBook, classes: Classes) -> LabelBook:
    """The book under the names that were given for all annotators."""
    words = {label.label: classes.for_all(label.label) for label in book.statements}
    if all(word == name for word, name in words.items()):
        return book
    return LabelBook(
        frozenset(replace(label, label=words[label.label]) for label in book.statements)
    )


def reattach(book: LabelBook, particles: ParticleSet, distance: float) -> LabelBook:
    """Give statements about ids that are gone to the particle at the same place.

    An id that now belongs to a particle elsewhere, as after re-picking, is gone too.

    Parameters
    ----------
    distance : float, Angstrom
        How far that particle may lie from where the statement was made.
    """
    statements = list(book.statements)
    rows = pd.Index(particles.id).get_indexer(pd.Index([label.id for label in statements]))
    lost = [
        label
        for label, row in zip(statements, rows, strict=True)
        if row < 0 or not _is_at(label, particles, int(row), distance)
    ]
    if not lost:
        return book
    # Without a particle, its word must not stick to another that has taken its id.
    known = set(particles.id)
    ids = {label: f"{label.id}{ELSEWHERE}" for label in lost if label.id in known}
    for tomogram in {label.tomogram for label in lost}:
        rows = np.flatnonzero(particles.tomogram == tomogram)
        here = [label for label in lost if label.tomogram == tomogram]
        here = [label for label in here if np.isfinite(label.position).all()]
        if not len(rows) or not here:
            continue
        tree = cKDTree(particles.position[rows])
        where = np.array([label.position for label in here])
        far, nearest = (np.atleast_1d(found) for found in tree.query(where, k=1))
        for label, away, at in zip(here, far, nearest, strict=True):
            if away <= distance:
                ids[label] = str(particles.id[rows[at]])
    moved = (replace(label, id=ids[label]) if label in ids else label for label in statements)
    return LabelBook(frozenset(moved))


def _is_at(label: Label, particles: ParticleSet, row: int, distance: float) -> bool:
    """Whether a statement was made where this particle is; one that names no place was."""
    if not np.isfinite(label.position).all():
        return True
    away = np.linalg.norm(np.subtract(label.position, particles.position[row]))
    return label.tomogram == str(particles.tomogram[row]) and bool(away <= distance)
