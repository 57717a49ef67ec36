"""Adding, renaming, merging and recolouring classes: in the project's list, and in the ledger."""

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from cryoal.annotate.statements import Statements
from cryoal.core.errors import CryoalError
from cryoal.core.labels import JUNK, UNSURE
from cryoal.project.classes import Alias, Classes, valid_name
from cryoal.project.project import Project

log = logging.getLogger(__name__)


class ClassList:
    """The classes of a project, kept on disk so that keys and colours stay as they are.

    Parameters
    ----------
    project : Project
    also : iterable of str
        Names that a model knows; those of today's labels are known anyway.
    """

    def __init__(self, project: Project, also: Iterable[str] = ()) -> None:
        self._project, self._path = project, project.layout.classes
        stored = Classes.read(self._path)
        words = project.labels.book().answers().values()
        said = {word for answers in words for word in answers.values()}
        known = {*said, *(stored.now(name) for name in also)} - {JUNK, UNSURE}
        self.now = stored.with_names(sorted(known))

    def add(self, name: str) -> str:
        """Add a class, and return its name as it stands in a ledger."""
        word = valid_name(name)
        self._change(lambda classes: classes.with_names([word]))
        return word

    def recolour(self, name: str, colour: str) -> None:
        """Show a class in another colour, ``#rrggbb``."""
        self._change(lambda classes: classes.recoloured(name, colour))

    def rename(self, old: str, new: str, said: Statements) -> int:
        """Say again under another name what an annotator called ``old``; how many particles.

        Raises
        ------
        CryoalError
            Junk is to be renamed, the name is none, or something cannot be written: then all is
            as before.
        """
        word = valid_name(new)
        if old == JUNK:
            raise CryoalError("junk is what no class wants; it keeps its name")
        if word == old:
            return 0
        said.reload()
        mine = [label for label in said.latest().values() if label.label == old]
        before = self.now
        self._change(lambda classes: classes.with_renamed(old, word))
        try:
            said.say(replace(label, label=word, statement="", revokes="") for label in mine)
        except CryoalError:
            self.now = before
            with contextlib.suppress(CryoalError):
                before.write(self._path)
            raise
        return len(mine)

    def rename_for_all(self, old: str, new: str, said: Statements) -> int:
        """Let what everybody called ``old`` be ``new``; how many particles that changes.

        No ledger is touched: the list of classes says it, and who said it may take it back.
        """
        word = valid_name(new)
        if old == JUNK:
            raise CryoalError("junk is what no class wants; it keeps its name")
        if word == old:
            return 0
        said.reload()
        many = sum(
            old in words.values() for words in self._project.labels.book().answers().values()
        )
        alias = Alias(old, word, said.annotator, said.time)
        self._change(lambda classes: classes.with_alias(alias))
        said.reload()
        return many

    def last_alias(self, annotator: str) -> Alias | None:
        """What an annotator renamed for all last, and did not take back."""
        mine = [one for one in Classes.read(self._path).aliases if one.by == annotator]
        return mine[-1] if mine else None

    def take_back(self, alias: Alias) -> None:
        """Let everybody's words be as they said them."""
        self._change(lambda classes: classes.without_alias(alias))

    def know(self, words: Iterable[str | None]) -> None:
        """Add what was said; that the list cannot be kept makes no answer less given."""
        new = {word for word in words if word} - {JUNK, UNSURE, *self.now.names}
        if not new:
            return
        try:
            self._change(lambda classes: classes.with_names(sorted(new)))
        except CryoalError as problem:
            log.warning("%s", problem)
            self.now = self.now.with_names(sorted(new))

    def _change(self, change: Callable[[Classes], Classes]) -> None:
        """Change what is on the disk today: another annotator may have added to it."""
        changed = change(Classes.read(self._path).with_names(self.now.names))
        changed.write(self._path)
        self.now = changed
