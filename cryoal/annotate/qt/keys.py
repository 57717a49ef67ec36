"""Which key does what, as long as the panel is there, whichever layer is active.

napari asks the keymap of the active layer before the viewer's, so that 1 and 2 never leave an Image
layer, 1 to 5 a Points layer and 1 to 7 a Labels layer. Keys are therefore taken from Qt, before
napari sees them, in the viewer's own window only, and never while one types into a field.
"""

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

#: Fields in which keys are text.
TYPING = (QLineEdit, QAbstractSpinBox, QTextEdit, QPlainTextEdit)

Key = Qt.Key
#: Key -> action; digits come apart.
KEYS = {
    Key.Key_J: "junk",
    Key.Key_U: "unsure",
    Key.Key_S: "skip",
    Key.Key_Backspace: "undo",
    Key.Key_N: "next",
    Key.Key_Right: "next",
    Key.Key_Down: "next",
    Key.Key_P: "previous",
    Key.Key_Left: "previous",
    Key.Key_Up: "previous",
    Key.Key_Return: "confirm",
    Key.Key_Enter: "confirm",
    Key.Key_M: "model",
    Key.Key_T: "turn",
    Key.Key_D: "display",
    Key.Key_V: "three_d",
    Key.Key_H: "help",
}
#: These may be held down; a label that repeats itself would be a disaster.
MAY_REPEAT = {"next", "previous"}

HELP = """\
1 to 9: the class with that number
0 or J: junk
U: unsure (looked, cannot tell)
S: skip (say nothing)
Backspace or Ctrl-Z: take the last answer back
N and P, or arrows: next, previous
Enter: confirm the model's guess
M: show or hide what the model thinks
T: turn into the matched pose
D: denoised volume, where there is one
V: 2-D or 3-D
H: show or hide this help
A click on the queue: that particle"""


@dataclass(frozen=True)
class Stroke:
    """What a key asks for: an action, and the number of a class where it is "label"."""

    action: str
    number: int = 0


def stroke(event: QKeyEvent) -> Stroke | None:
    """Action of a key, or None where it is not ours."""
    key = Key(event.key())
    held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    if held == Qt.KeyboardModifier.ControlModifier and key == Key.Key_Z:
        return Stroke("undo")
    digit = event.key() - int(Key.Key_0.value)
    # On a French keyboard digits are typed with Shift.
    shifted = held in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)
    if 0 <= digit <= 9 and shifted:
        return Stroke("label", digit)
    if held == Qt.KeyboardModifier.NoModifier and key in KEYS:
        return Stroke(KEYS[key])
    return None


class KeyFilter(QObject):
    """Takes our keys in one window for as long as its panel is visible.

    Parameters
    ----------
    panel : QWidget
        Dies with it.
    act : callable (Stroke)
    """

    def __init__(self, panel: QWidget, act: Callable[[Stroke], None]) -> None:
        super().__init__(panel)
        self._panel, self._act = panel, act
        self._watched: list[QWidget] = []
        self._typed = (-1, -1)
        self.enabled = True
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._follow)

    def watch(self, window: QWidget) -> None:
        """Take keys in this window, and in whatever in it gets the focus."""
        for widget in (window, *window.findChildren(QWidget)):
            if widget is window or widget.focusPolicy() != Qt.FocusPolicy.NoFocus:
                self._watch(widget)
        # napari's dock hands what reaches it to the canvas itself.
        around: QWidget | None = self._panel
        while around is not None:
            self._watch(around)
            around = around.parentWidget()

    def release(self) -> None:
        """Leave every key to napari again."""
        self.enabled = False
        for widget in self._watched:
            try:
                widget.removeEventFilter(self)
            except RuntimeError:  # Qt has deleted it already
                continue
        self._watched.clear()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Act on our keys, and let nobody else see them."""
        kind = event.type()
        if kind not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        assert isinstance(event, QKeyEvent)
        moment = (event.timestamp(), event.key())
        if isinstance(watched, TYPING):
            self._typed = moment
        # What a field has no use for (Return) goes on to its parents: it was meant for the field.
        if moment == self._typed or not self._on_duty(watched):
            return False
        meant = stroke(event)
        if meant is None:
            return False
        event.accept()
        if kind == QEvent.Type.KeyPress and (
            not event.isAutoRepeat() or meant.action in MAY_REPEAT
        ):
            self._act(meant)
        return True

    def _on_duty(self, watched: QObject) -> bool:
        if not self.enabled or not self._panel.isVisible():
            return False
        if isinstance(watched, QComboBox) and watched.isEditable():
            return False
        return QApplication.activeModalWidget() is None and QApplication.activePopupWidget() is None

    def _watch(self, widget: QWidget) -> None:
        if widget not in self._watched:
            widget.installEventFilter(self)
            self._watched.append(widget)

    def _follow(self, _old: QWidget | None, new: QWidget | None) -> None:
        if self.enabled and new is not None and self._watched and self._in_our_windows(new):
            self._watch(new)

    def _in_our_windows(self, widget: QWidget) -> bool:
        return widget.window() in (self._watched[0], self._panel.window())
