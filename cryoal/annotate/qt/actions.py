"""What keys and buttons do to the particle that is asked."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox

from cryoal.annotate.qt.canvas import toggle_help
from cryoal.annotate.qt.keys import Stroke
from cryoal.core.errors import CryoalError

if TYPE_CHECKING:
    from cryoal.annotate.qt.widget import AnnotationWidget
    from cryoal.annotate.session import AnnotationSession


class Actions:
    """Answers and moves; a problem is said in the panel's status line.

    Parameters
    ----------
    panel : AnnotationWidget
        Its session answers, its form shows what came of it.
    """

    def __init__(self, panel: "AnnotationWidget") -> None:
        self._panel, self._form = panel, panel.form
        look = self._form.look
        self._of_name: dict[str, Callable[[], object]] = {
            "junk": lambda: self._answer_key(0),
            "unsure": lambda: self._say_of_current(lambda s: s.unsure()),
            "skip": lambda: self._move(lambda s: s.skip()),
            "undo": self._undo,
            "next": lambda: self._move(lambda s: s.next()),
            "previous": lambda: self._move(lambda s: s.previous()),
            "confirm": self._confirm,
            "model": self._show_guess,
            "turn": lambda: _toggle(look.turned, "the picks have no poses"),
            "display": lambda: _toggle(look.display, "no denoised volume is known"),
            "three_d": look.three_d.toggle,
            "help": lambda: toggle_help(panel.viewer),
        }

    def act(self, stroke: Stroke) -> None:
        """Do what a key or a button asks for."""
        with self._panel.telling():
            if stroke.action == "label":
                self._answer_key(stroke.number)
            else:
                self._of_name[stroke.action]()

    def answer(self, label: str) -> None:
        """Name the particle that is shown."""
        with self._panel.telling():
            self._say_of_current(lambda session: session.answer(label))

    def go_to(self, particle: str) -> None:
        """Ask about a particle of the queue."""
        if self._panel.session is not None:
            with self._panel.telling():
                self._move(lambda session: session.go_to_id(particle))

    def _answer_key(self, number: int) -> None:
        name = self._panel.need().classes.at_key(number)
        if name is None:
            raise CryoalError(f"no class has key {number} yet: type its name below the classes")
        self._say_of_current(lambda session: session.answer(name))

    def _say_of_current(self, statement: "Callable[[AnnotationSession], Any]") -> None:
        session = self._panel.need()
        if session.current is not None and session.current != self._panel.pictures.shown:
            raise CryoalError("this particle is not on the screen, so nothing was recorded")
        said = statement(session)
        self._panel.moved(f"{said.label}: {said.id}")

    def _move(self, step: "Callable[[AnnotationSession], object]") -> None:
        step(self._panel.need())
        self._panel.moved("")

    def _undo(self) -> None:
        session = self._panel.need()
        gone = session.undo()
        if session.notice:  # a renaming for all, which is no statement
            self._panel.moved(f"{session.notice}.")
            session.notice = ""
            return
        what = f"{gone[0].label!r} of {gone[0].id}" if len(gone) == 1 else f"{len(gone)} labels"
        self._panel.moved(f"Taken back: {what}" if gone else "There is nothing to take back.")

    def _confirm(self) -> None:
        guesses = self._panel.need().guess(1)
        if self._panel.need().current is not None and not guesses:
            raise CryoalError("no model has been trained yet, so there is no guess to confirm")
        self._say_of_current(lambda session: session.answer(guesses[0][0] if guesses else "junk"))

    def _show_guess(self) -> None:
        guesses = [f"{name} {100 * p:.0f} %" for name, p in self._panel.need().guess()]
        self._form.show_guess(", ".join(guesses) or "nothing yet: no model")


def _toggle(box: QCheckBox, otherwise: str) -> None:
    if not box.isEnabled():
        raise CryoalError(otherwise)
    box.toggle()
