"""Labelling as a state machine, without a window: what is asked, what was said, what comes next."""

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cryoal.annotate.agreement import Agreement, self_agreement
from cryoal.annotate.classes import Classes, valid_name
from cryoal.annotate.queue import Asked, Guesses, newest_signature, read_asked
from cryoal.annotate.schedule import REPEAT_EVERY, Item, schedule
from cryoal.annotate.statements import Statements
from cryoal.core.errors import CryoalError
from cryoal.core.labels import JUNK, REPEAT, UNSURE, Label
from cryoal.project.labels import default_annotator
from cryoal.project.project import Project

log = logging.getLogger(__name__)

#: A pause longer than this (seconds) is a break and no part of the rate.
BREAK = 60.0


class Progress(NamedTuple):
    """How many of the questions are answered."""

    answered: int
    total: int

    def __str__(self) -> str:
        return f"{self.answered} of {self.total}"


class AnnotationSession:
    """One annotator at the newest queue of a project; every statement is on disk when a call ends.

    Parameters
    ----------
    project : Project or its folder
    annotator : str, optional
        Default: the login name.
    repeat_every : int
        One of so many particles is asked about again later, unmarked; 0 for none.

    Raises
    ------
    CryoalError
        There is no queue, or none of its particles has a box.

    Examples
    --------
    ::

        session = AnnotationSession("ribosomes", annotator="kim")
        while session.current is not None:
            session.answer(look_at(session.box))
    """

    def __init__(
        self,
        project: Project | Path | str,
        annotator: str | None = None,
        *,
        repeat_every: int = REPEAT_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.project = project if isinstance(project, Project) else Project.open(project)
        self.notice = ""
        self._every, self._clock, self._times = repeat_every, clock, list[float]()
        self._skipped: set[Item] = set()
        self._items: list[Item] = []
        self._at: int | None = None
        self._asked: Asked = read_asked(self.project)
        self._said = Statements(self.project, annotator or default_annotator())
        self.annotator = self._said.annotator
        self._guesses = Guesses(self.project)
        self._classes = Classes.read(self.project.layout.classes).with_names(self._known_classes())
        self._show_queue()

    # What is asked

    @property
    def current(self) -> str | None:
        """Id of the particle to name; None when nothing is left to ask."""
        return None if self._at is None else self._items[self._at].id

    @property
    def index(self) -> int | None:
        """Which of ``items`` is asked."""
        return self._at

    @property
    def items(self) -> Sequence[Item]:
        """Every question in its order, repeats among them."""
        return tuple(self._items)

    @property
    def ids(self) -> list[str]:
        """Particles of the queue, each once."""
        return list(self._asked.ids)

    @property
    def asked(self) -> Asked:
        """The queue with the project it belongs to: what pictures are made from."""
        return self._asked

    @property
    def round(self) -> int:
        """Round of the queue."""
        return self._asked.round

    @property
    def upcoming(self) -> list[str]:
        """Ids that will be asked, the next one first: what to load ahead."""
        start = 0 if self._at is None else self._at + 1
        order = [*range(start, len(self._items)), *range(start)]
        return [self._items[i].id for i in order if self._open(self._items[i])]

    @property
    def progress(self) -> Progress:
        """Answered questions and all of them."""
        return Progress(sum(self._answered(item) for item in self._items), len(self._items))

    @property
    def remaining(self) -> int:
        """Questions that will still be asked; what was skipped is not."""
        return sum(self._open(item) for item in self._items)

    @property
    def skipped(self) -> int:
        """Questions passed over and not answered since."""
        return sum(not self._answered(item) for item in self._skipped & set(self._items))

    @property
    def rate(self) -> float:
        """Answers a minute over the last twenty, breaks left out; 0 before the second."""
        recent = self._times[-20:]
        gaps = [b - a for a, b in itertools.pairwise(recent) if b - a <= BREAK]
        return 60 * len(gaps) / max(sum(gaps), 1e-9) if gaps else 0.0

    @property
    def newer(self) -> bool:
        """Whether a newer queue is there; it is taken up with the next move."""
        now = newest_signature(self.project.layout)
        return now is not None and now != self._asked.signature

    # What was said

    def word(self, particle: str) -> str | None:
        """What this annotator last said of a particle."""
        return self._said.word(particle)

    def words(self) -> dict[str, str]:
        """``{id: last word}`` of this annotator, in every round."""
        return {particle: label.label for particle, label in self._said.latest().items()}

    def answer_at(self, index: int) -> str | None:
        """What was answered to one of ``items``; None for a repeat that was not reached yet."""
        item = self._items[index]
        return self._said.at((item.id, item.round, item.repeat))

    @property
    def agreement(self) -> Agreement:
        """How often this annotator named a particle that came twice alike, over all rounds."""
        return self_agreement(self._said.standing, self.annotator)

    def guess(self, count: int = 2) -> list[tuple[str, float]]:
        """Classes that the model finds most probable for the particle asked, best first.

        Empty where there is no model yet. Names are those of today, also after a renaming.
        """
        if self.current is None:
            return []
        found = self._guesses.of(self.current, count) or self._asked.guess(self.current)
        return [(self._classes.now(name), p) for name, p in found]

    # Statements

    def answer(self, label: str) -> Label:
        """State the class of the particle asked, and go on to the next.

        Raises
        ------
        CryoalError
            Nothing is asked, the label is no name, or the ledger cannot be written: then nothing
            is recorded and the particle stays.
        """
        word = UNSURE if label.strip() == UNSURE else valid_name(label)
        if self._at is None:
            raise CryoalError("every particle of this queue has its answer; choose one to change")
        item = self._items[self._at]
        z, y, x = (float(value) for value in self._asked.position(item.id))
        (said,) = self._said.say(
            [
                Label(
                    *("", REPEAT if item.repeat else "", self.annotator, item.id, word),
                    round=item.round,
                    tomogram=self._asked.tomogram(item.id),
                    position=(z, y, x),
                )
            ]
        )
        self._times.append(self._clock())
        self._skipped.discard(item)
        if word not in (UNSURE, JUNK, *self._classes.names):
            self._classes = self._classes.with_names([word])
            self._try_to_save_classes()
        self._advance()
        return said

    def unsure(self) -> Label:
        """State that one looked and cannot tell, and go on to the next."""
        return self.answer(UNSURE)

    def skip(self) -> None:
        """Say nothing, go on; ``previous`` or ``go_to`` come back to it."""
        if self._at is not None:
            self._skipped.add(self._items[self._at])
            self._advance()

    def undo(self) -> list[Label]:
        """Take the last statement back (all of a renaming); what stood before stands again.

        The particle is asked again, also when it belongs to an older queue.

        Returns
        -------
        What was taken back; empty when nothing was said yet.
        """
        gone = self._said.take_back()
        stands = {self._said.word(label.id) for label in gone} - {None, UNSURE}
        if not stands <= {JUNK, *self._classes.names}:
            self._classes = self._classes.with_names(sorted(map(str, stands)))
            self._try_to_save_classes()
        if len(gone) == 1:
            item = Item(gone[0].id, gone[0].round, gone[0].repeat)
            if item in self._items:
                self._at = self._items.index(item)
            elif self._asked.knows(item.id):
                self._at = 0 if self._at is None else self._at
                self._items.insert(self._at, item)
        return gone

    # Moving

    def go_to(self, index: int) -> None:
        """Ask one of ``items``, answered or not; an answer then takes the place of the old one."""
        if not 0 <= index < len(self._items):
            raise IndexError(f"question {index} of {len(self._items)}")
        self._at = index

    def go_to_id(self, particle: str) -> None:
        """Ask about a particle of the queue."""
        self.go_to([item.id for item in self._items].index(particle))

    def next(self) -> None:
        """Ask the next one, answered or not; past the last stays there."""
        if self._at is not None and self._at + 1 < len(self._items):
            self._at += 1

    def previous(self) -> None:
        """Ask the one before; when all is answered, the last."""
        self._at = len(self._items) - 1 if self._at is None else max(self._at - 1, 0)

    def refresh(self) -> bool:
        """Take up a queue that was written meanwhile, and what another window said.

        The particle asked stays if the new queue has it.

        Returns
        -------
        bool
            Whether the queue changed; if it cannot be read, ``notice`` says why and the old one
            stays.
        """
        self._said.reload()
        if not self.newer:
            return False
        before = self._items[self._at] if self._at is not None else None
        try:
            # Boxes and particles may be new as well.
            project = Project.open(self.project.layout.root)
            asked = read_asked(project)
        except CryoalError as problem:
            self.notice = str(problem)
            return False
        self.project, self._asked, self._guesses = project, asked, Guesses(project)
        self._said = Statements(project, self.annotator)
        self._classes = self._classes.with_names(self._known_classes())
        self._show_queue()
        if before in self._items and not self._answered(before):
            self._at = self._items.index(before)
        return True

    # Classes

    @property
    def classes(self) -> Classes:
        """Classes in the order of their keys, with their colours."""
        return self._classes

    def add_class(self, name: str) -> str:
        """Offer another class; returns its name as it stands in the ledger."""
        word = valid_name(name)
        self._save_classes(self._classes.with_names([word]))
        return word

    def recolour(self, name: str, colour: str) -> None:
        """Show a class in another colour, ``#rrggbb``."""
        self._save_classes(self._classes.recoloured(name, colour))

    def rename(self, old: str, new: str) -> int:
        """Say again, under the new name, what this annotator called ``old``; how many particles.

        Nothing is overwritten: the ledger gets a new statement a particle, and ``undo`` takes all
        of them back. An existing class as ``new`` merges the two.
        """
        word = valid_name(new)
        if old == JUNK:
            raise CryoalError("junk is what no class wants; it keeps its name")
        if word == old:
            return 0
        self._said.reload()
        mine = [label for label in self._said.latest().values() if label.label == old]
        before = self._classes
        self._save_classes(before.with_renamed(old, word))
        try:
            self._said.say(replace(label, label=word, statement="", revokes="") for label in mine)
        except CryoalError:
            with contextlib.suppress(CryoalError):
                self._save_classes(before)
            self._classes = before
            raise
        return len(mine)

    def merge(self, names: Sequence[str], into: str) -> int:
        """Put classes together under one name; how many particles changed theirs."""
        return sum(self.rename(name, into) for name in names if name != into)

    # Within

    def _show_queue(self) -> None:
        asked = self._asked
        self._items = schedule(asked.ids, asked.round, self.annotator, self._every)
        self._at = self._first_open(0)
        if asked.gone:
            self.notice = (
                f"{asked.gone} of {len(asked.queue)} particles of the queue have no box any more "
                "and are left out"
            )

    def _advance(self) -> None:
        start = 0 if self._at is None else self._at + 1
        if not self.refresh():
            self._at = self._first_open(start)

    def _first_open(self, start: int) -> int | None:
        order = [*range(start, len(self._items)), *range(min(start, len(self._items)))]
        return next((i for i in order if self._open(self._items[i])), None)

    def _open(self, item: Item) -> bool:
        """Whether to ask this of one's own accord; a repeat only after its first time."""
        if item in self._skipped or self._answered(item):
            return False
        return not item.repeat or self._said.at((item.id, item.round, False)) is not None

    def _answered(self, item: Item) -> bool:
        return self._said.at((item.id, item.round, item.repeat)) is not None

    def _known_classes(self) -> list[str]:
        """Names in today's labels of everybody, and in the model."""
        words = self.project.labels.book().answers().values()
        said = {word for answers in words for word in answers.values()}
        return sorted({*said, *map(self._now, self._guesses.classes)} - {JUNK, UNSURE})

    def _now(self, name: str) -> str:
        return Classes.read(self.project.layout.classes).now(name)

    def _save_classes(self, classes: Classes) -> None:
        classes.write(self.project.layout.classes)
        self._classes = classes

    def _try_to_save_classes(self) -> None:
        """Keep the order of the keys; that it cannot be kept makes no answer less given."""
        try:
            self._classes.write(self.project.layout.classes)
        except CryoalError as problem:
            log.warning("%s", problem)
