"""What stands where in the panel, and how it shows the state of a session."""

import html
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from cryoal.annotate.qt.panels import Bar, ClassPanel, LookPanel, button

if TYPE_CHECKING:
    from cryoal.annotate.session import AnnotationSession

FAILED = "color: #FF8A80; font-weight: bold"


class Form(QObject):
    """Every field and button of the panel; it knows no project.

    Parameters
    ----------
    panel : QWidget
        Gets the layout.
    """

    acted = Signal(str)
    opening = Signal()
    training = Signal()

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self.project, self.annotator = QLabel("no project"), QLineEdit()
        self.asked, self.bar, self.rate = QLabel(), Bar(), QLabel()
        self.status, self.news, self.guess = QLabel(), QLabel(), QLabel()
        self.classes, self.look = ClassPanel(), LookPanel()
        for label in (self.status, self.asked, self.guess, self.news, self.rate):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing() + 4)
        self.open = button("Open…", "Choose the folder of a project", self.opening.emit)
        self.train = button(
            "Train and select again",
            "Learn from the labels in another process and ask the next particles",
            self.training.emit,
        )
        self.model = button(
            "What does the model think? (M)",
            "Hidden until asked, so that it does not lead you",
            lambda: self.acted.emit("model"),
        )
        self.project.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._arrange(panel)

    def say(self, sentence: str, failed: bool = False) -> None:
        """Put a sentence into the status line, red where something failed."""
        self.status.setText(sentence)
        self.status.setStyleSheet(FAILED if failed else "")

    def name_project(self, name: str) -> None:
        """Show which project is open."""
        self.project.setText(html.escape(name))
        self.project.setToolTip(html.escape(name))

    def name_annotator(self, name: str) -> None:
        """Show whose words these are."""
        self.annotator.setText(name)

    def show_guess(self, text: str) -> None:
        """Show what the model thinks, or hide it."""
        self.guess.setText(text)
        self.guess.setVisible(self.guess.isHidden())

    def hide_guess(self) -> None:
        """Hide it, as at every new particle."""
        self.guess.hide()

    def announce_queue(self) -> None:
        """Say that a newer queue waits for the next move."""
        self.news.setText("A new queue is ready: it comes with your next answer.")
        self.news.show()

    def show_state(self, session: "AnnotationSession | None", training: bool) -> None:
        """Show progress, rate and numbers of labels."""
        self.train.setText("Stop training" if training else "Train and select again")
        if session is None:
            self.asked.setText("Nothing is asked yet: train and select, which also starts a queue.")
            return
        answered, total = session.progress
        self.bar.set_fraction(answered / max(total, 1))
        rate = f", {session.rate:.0f} a minute" if session.rate else ""
        skipped = f", {session.skipped} skipped" if session.skipped else ""
        self.rate.setText(f"{answered} of {total} answered{skipped}{rate}")
        self.asked.setText(_asked(session))
        self.news.setVisible(session.newer and session.current is not None)
        words = Counter(session.words().values())
        self.classes.show_classes(session.classes, words)

    def _arrange(self, panel: QWidget) -> None:
        whose = QFormLayout()
        whose.addRow("annotator", self.annotator)
        top = QHBoxLayout()
        top.addWidget(self.project, stretch=1)
        top.addWidget(self.open)
        answers = QGridLayout()
        answers.setSpacing(3)
        for at, (text, action, tip) in enumerate(
            (
                ("Unsure (U)", "unsure", "I looked and cannot tell"),
                ("Skip (S)", "skip", "Say nothing, go on"),
                ("Undo (⌫)", "undo", "Take the last answer back"),
                ("Confirm (⏎)", "confirm", "Answer with what the model thinks"),
                ("Back (P)", "previous", "The particle before"),
                ("Next (N)", "next", "The particle after"),
            )
        ):
            act = button(text, tip, partial(self.acted.emit, action))
            answers.addWidget(act, at // 2, at % 2)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addLayout(whose)
        layout.addWidget(self.asked)
        layout.addWidget(self.classes)
        layout.addLayout(answers)
        for widget in (self.bar, self.rate, self.status, self.news, self.model, self.guess):
            layout.addWidget(widget)
        layout.addWidget(self.look)
        layout.addWidget(self.train)
        layout.addWidget(button("Keys (H)", "Show the keys", lambda: self.acted.emit("help")))
        layout.addStretch(1)
        self.guess.hide()
        self.news.hide()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        outer = QVBoxLayout(panel)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        panel.setMinimumWidth(300)


def _asked(session: "AnnotationSession") -> str:
    """Which particle is asked, or that none is."""
    if session.current is None:
        left = f" P goes back to the {session.skipped} skipped." if session.skipped else ""
        return (
            f"Every particle of this queue has its answer.{left} Train and select again for more."
        )
    word = session.answer_at(session.index or 0)
    said = f"; you said {word!r}" if word else ""
    return f"{session.current}{said}"
