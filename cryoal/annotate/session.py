"""Labelling as a state machine, without a window: what is asked, what was said, what comes next."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryoal.annotate.class_list import ClassList
from cryoal.annotate.course import Course
from cryoal.annotate.pace import Pace, Progress
from cryoal.annotate.queue import Guesses, newest_signature, read_asked
from cryoal.annotate.schedule import REPEAT_EVERY, Item, schedule
from cryoal.annotate.statements import Statements
from cryoal.core.errors import CryoalError
from cryoal.core.labels import UNSURE, Label, spelled
from cryoal.project.agreement import Agreement, self_agreement
from cryoal.project.classes import Classes, valid_name
from cryoal.project.labels import default_annotator
from cryoal.project.project import Project


class AnnotationSession:
    """One annotator at the newest queue of a project; every statement is on disk when a call ends.

    Parameters
    ----------
    project : Project or its folder
    annotator : str, optional
        Default: the login name.
    repeat_every : int
        One of so many particles is asked about again later, unmarked; 0 for none.

    Attributes
    ----------
    asked : Asked
        The queue with the project it belongs to: what pictures are made from.
    notice : str
        Something to tell the person that stopped nothing; theirs to blank who told it.

    Raises
    ------
    CryoalError
        There is no queue, or none of its particles has a box.

    Examples
    --------
    ::

        session = AnnotationSession("ribosomes", annotator="kim")
        while session.current is not None:
            session.answer(decide(session.current))
    """

    def __init__(
        self,
        project: Project | Path | str,
        annotator: str | None = None,
        *,
        repeat_every: int = REPEAT_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        opened = project if isinstance(project, Project) else Project.open(project)
        self.notice = ""
        self._every, self._pace = repeat_every, Pace(clock)
        self._open(opened, Statements(opened, annotator or default_annotator()))

    # What is asked

    @property
    def current(self) -> str | None:
        """Id of the particle to name; None when nothing is left to ask."""
        return None if self._course.item is None else self._course.item.id

    @property
    def index(self) -> int | None:
        """Which of ``items`` is asked."""
        return self._course.at

    @property
    def items(self) -> Sequence[Item]:
        """Every question in its order, repeats among them."""
        return tuple(self._course.items)

    @property
    def ids(self) -> list[str]:
        """Particles of the queue, each once."""
        return list(self.asked.ids)

    @property
    def round(self) -> int:
        """Round of the queue."""
        return self.asked.round

    @property
    def upcoming(self) -> list[str]:
        """Ids that will be asked, the next one first: what to load ahead."""
        return [item.id for item in self._course.open]

    @property
    def progress(self) -> Progress:
        """Answered questions and all of them."""
        return Progress(self._course.answered, len(self._course.items))

    @property
    def remaining(self) -> int:
        """Questions that will still be asked; what was skipped is not."""
        return self._course.remaining

    @property
    def skipped(self) -> int:
        """Questions passed over and not answered since."""
        return self._course.skipped

    @property
    def rate(self) -> float:
        """Answers a minute over the last twenty, breaks left out; 0 before the second."""
        return self._pace.rate

    @property
    def newer(self) -> bool:
        """Whether a newer queue is there; it is taken up with the next move."""
        now = newest_signature(self.project.layout)
        return now is not None and now != self.asked.signature

    # What was said

    def word(self, particle: str) -> str | None:
        """What this annotator last said of a particle."""
        return self._said.word(particle)

    def words(self) -> dict[str, str]:
        """``{id: last word}`` of this annotator, in every round."""
        return {particle: label.label for particle, label in self._said.latest().items()}

    def answer_at(self, index: int) -> str | None:
        """What was answered to one of ``items``; None for a repeat that was not reached yet."""
        return self._course.answer(self._course.items[index])

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
        found = self._guesses.of(self.current, count) or self.asked.guess(self.current)
        return [(self.classes.now(name), p) for name, p in found]

    # Statements

    def answer(self, label: str) -> Label:
        """State the class of the particle asked, and go on to the next.

        Raises
        ------
        CryoalError
            Nothing is asked, the label is no name, or the ledger cannot be written: then nothing
            is recorded and the particle stays.
        """
        word = UNSURE if spelled(label) == UNSURE else valid_name(label)
        item = self._course.item
        if item is None:
            raise CryoalError("every particle of this queue has its answer; choose one to change")
        where = self.asked.tomogram(item.id), self.asked.position(item.id)
        said = self._said.answer(item, word, *where)
        self._pace.tick()
        self._course.take_up()
        self._classes.know([word])
        self._advance()
        return said

    def unsure(self) -> Label:
        """State that one looked and cannot tell, and go on to the next."""
        return self.answer(UNSURE)

    def skip(self) -> None:
        """Say nothing, go on; ``previous`` or ``go_to`` come back to it."""
        if self.current is not None:
            self._course.pass_over()
            self._advance()

    def undo(self) -> list[Label]:
        """Take the last statement back (all of a renaming); what stood before stands again.

        A renaming for all is taken back in the same way, by who said it; ``notice`` tells of it.
        The particle is asked again, also when it belongs to an older queue.

        Returns
        -------
        What was taken back; empty when nothing was said yet.
        """
        alias = self._classes.last_alias(self.annotator)
        newest = self._said.newest()
        if alias is not None and (not newest or newest[-1].when < alias.when):
            self._classes.take_back(alias)
            self._said.reload()
            self.notice = f"What everybody called {alias.old!r} is {alias.old!r} again"
            return [label for label in self._said.standing if label.label == alias.old]
        gone = self._said.take_back()
        self._classes.know(self._said.word(label.id) for label in gone)
        if len(gone) == 1 and self.asked.knows(gone[0].id):
            self._course.ask(Item(gone[0].id, gone[0].round, gone[0].repeat))
        return gone

    # Moving

    def go_to(self, index: int) -> None:
        """Ask one of ``items``, answered or not; an answer then takes the place of the old one."""
        self._course.go_to(index)

    def go_to_id(self, particle: str) -> None:
        """Ask about a particle of the queue."""
        self._course.go_to([item.id for item in self._course.items].index(particle))

    def next(self) -> None:
        """Ask the next one, answered or not; at the last one it stays."""
        self._course.next()

    def previous(self) -> None:
        """Ask the one before; when all is answered, the last."""
        self._course.previous()

    def refresh(self) -> bool:
        """Take up a queue that was written meanwhile, and what another window said.

        The particle asked stays if the new queue has it.

        Returns
        -------
        bool
            Whether the queue changed; if it cannot be read, ``notice`` says why and the old one
            stays.
        """
        before = self._course.item
        try:
            self._said.reload()
            if not self.newer:
                return False
            # Boxes and particles may be new as well.
            project = Project.open(self.project.layout.root)
            self._open(project, Statements(project, self.annotator))
        except CryoalError as problem:
            self.notice = str(problem)
            return False
        if before in self._course.items and self._course.answer(before) is None:
            self._course.ask(before)
        return True

    # Classes

    @property
    def classes(self) -> Classes:
        """Classes in the order of their keys, with their colours."""
        return self._classes.now

    def add_class(self, name: str) -> str:
        """Offer another class; returns its name as it stands in the ledger."""
        return self._classes.add(name)

    def recolour(self, name: str, colour: str) -> None:
        """Show a class in another colour, ``#rrggbb``."""
        self._classes.recolour(name, colour)

    def rename(self, old: str, new: str, *, for_all: bool = False) -> int:
        """Say again, under the new name, what this annotator called ``old``; how many particles.

        Nothing is overwritten: the ledger gets a new statement a particle, and ``undo`` takes all
        of them back. An existing class as ``new`` merges the two.

        Parameters
        ----------
        for_all : bool
            What everybody called ``old``, also later, is ``new``. The list of classes says so,
            no ledger is touched, and ``undo`` takes it back. Otherwise the words of others stay,
            and particles with two names have no label until people agree.
        """
        if for_all:
            return self._classes.rename_for_all(old, new, self._said)
        return self._classes.rename(old, new, self._said)

    def others_who_say(self, name: str) -> list[str]:
        """Annotators other than this one whose last word of some particle is ``name``."""
        said = self.project.labels.book().answers().values()
        people = {who for words in said for who, word in words.items() if word == name}
        return sorted(people - {self.annotator})

    def merge(self, names: Sequence[str], into: str) -> int:
        """Put classes together under one name; how many particles changed theirs."""
        return sum(self.rename(name, into) for name in names if name != into)

    # Within

    def _open(self, project: Project, said: Statements) -> None:
        """Take up the newest queue; what cannot be read leaves all as it was."""
        asked, guesses = read_asked(project), Guesses(project)
        self._classes = ClassList(project, guesses.classes)
        self.project, self.annotator, self._said = project, said.annotator, said
        self.asked, self._guesses = asked, guesses
        items = schedule(asked.ids, asked.round, self.annotator, self._every)
        self._course = Course(items, said)
        if asked.gone:
            self.notice = (
                f"{asked.gone} of {len(asked.queue)} particles of the queue have no box any more "
                "and are left out"
            )

    def _advance(self) -> None:
        if not self.refresh():
            self._course.advance()
