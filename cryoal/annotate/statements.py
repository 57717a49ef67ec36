"""One annotator's statements, in memory and in the ledger, which never differ."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.annotate.schedule import Item
from cryoal.core.errors import CryoalError
from cryoal.core.labels import REPEAT, Label, LabelBook, new_name, time_after
from cryoal.io import ledger
from cryoal.project.classes import Classes
from cryoal.project.labels import REATTACH, reattach, renamed
from cryoal.project.project import Project

log = logging.getLogger(__name__)

#: Particle, round, and whether it was a repeat: what one answer answers.
Slot = tuple[str, int, bool]


class Statements:
    """What one annotator said and did not take back; what is added is on the disk first.

    Parameters
    ----------
    project : Project
    annotator : str
    """

    def __init__(self, project: Project, annotator: str) -> None:
        self._project = project
        self.path: Path = project.layout.ledger(annotator)
        #: As a reader of the ledger has it: file names cannot hold every character.
        self.annotator = self.path.stem
        self.standing: list[Label] = []
        self._slots: dict[Slot, list[Label]] = {}
        self._words: dict[str, list[Label]] = {}
        self._signature: object = ()
        self._latest = ""
        self._classes = Classes()
        self.reload()

    def reload(self) -> bool:
        """Read the ledger again if another window or program wrote to it; whether it did."""
        layout = self._project.layout
        now = signature(self.path), signature(layout.classes)
        if now == self._signature or not self._project.layout.root.is_dir():
            return False
        book = LabelBook() if now[0] is None else ledger.read(self.path)
        near = REATTACH * self._project.diameter
        book = reattach(book, self._project.particles, near)
        try:
            self._classes = Classes.read(layout.classes)
        except CryoalError as problem:  # costs no answer: those known until now go on
            log.warning("%s", problem)
        self.standing = renamed(book, self._classes).standing()
        self._latest = max((label.when for label in book.statements), default="")
        self._slots, self._words = {}, {}
        for label in self.standing:
            self._enter(label)
        self._signature = now
        return True

    def word(self, particle: str) -> str | None:
        """Last standing word about a particle."""
        words = self._words.get(particle)
        return words[-1].label if words else None

    def at(self, slot: Slot) -> str | None:
        """Last standing answer to one question."""
        labels = self._slots.get(slot)
        return labels[-1].label if labels else None

    def latest(self) -> dict[str, Label]:
        """Last standing statement about each particle."""
        return {particle: words[-1] for particle, words in self._words.items() if words}

    def newest(self) -> list[Label]:
        """What was said last: one statement, or all of a renaming, which share their time."""
        asked = [label for label in self.standing if label.round >= 0]
        return [label for label in asked if label.when == asked[-1].when]

    def answer(self, item: Item, word: str, tomogram: str, position: NDArray[np.float64]) -> Label:
        """Put the answer to a question on the disk.

        Parameters
        ----------
        item : Item
        word : str
            A class, or "unsure".
        tomogram : str
        position : (3,) float, zyx, Angstrom
            Of the particle.
        """
        z, y, x = (float(value) for value in position)
        label = Label(
            when="",
            statement=REPEAT if item.repeat else "",
            annotator=self.annotator,
            id=item.id,
            label=word,
            round=item.round,
            tomogram=tomogram,
            position=(z, y, x),
        )
        return self.say([label])[0]

    def say(self, labels: Iterable[Label]) -> list[Label]:
        """Put statements on the disk, then remember them.

        Their time and name are given here: one time for all, and later than any before it, also
        where the machine's clock was put back.

        Raises
        ------
        CryoalError
            The ledger cannot be written; then nothing of it was recorded.
        """
        self.reload()
        return self._append(labels)

    def _append(self, labels: Iterable[Label]) -> list[Label]:
        when = self.time
        said = []
        for label in labels:
            name = (REPEAT if label.repeat else "") + new_name()
            said.append(replace(label, when=when, statement=name, annotator=self.annotator))
        if not said:
            return []
        root = self._project.layout.root
        if not root.is_dir():
            # It would be made anew, and the answers be where nobody looks.
            raise CryoalError(f"{root}: the project is gone from here; the answer is not recorded")
        ledger.append(self.path, said)
        classes = signature(self._project.layout.classes)
        self._signature, self._latest = (signature(self.path), classes), when
        for label in said:
            if label.label:
                self.standing.append(label)
                self._enter(label)
        return said

    @property
    def time(self) -> str:
        """Time of a statement made now: later than all before it."""
        return time_after(self._latest)

    def take_back(self) -> list[Label]:
        """Revoke what was said last, and return it."""
        self.reload()
        gone = self.newest()
        self._append(
            replace(label, label="", revokes=label.statement, statement="") for label in gone
        )
        for label in gone:
            self.standing.remove(label)
            self._slots[_slot(label)].remove(label)
            self._words[label.id].remove(label)
        return gone

    def _enter(self, label: Label) -> None:
        self._slots.setdefault(_slot(label), []).append(label)
        self._words.setdefault(label.id, []).append(label)


def signature(path: Path) -> object:
    """Changes when the file does; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _slot(label: Label) -> Slot:
    return label.id, label.round, label.repeat
