"""A panel that knows when it comes into a window and when it is taken out of it."""

from qtpy.QtCore import QEvent, QSize, QTimer
from qtpy.QtWidgets import QMainWindow, QWidget

#: Pixels that layer list, six panes and panel need.
ROOMY = (1400, 900)


class DockedPanel(QWidget):
    """Base of the panel; ``arrive`` and ``leave`` are for it to fill."""

    def arrive(self, window: QMainWindow) -> None:
        """Act when the panel is shown in a window."""

    def leave(self) -> None:
        """Act when the panel was closed: napari takes it out of its window."""

    def event(self, event: QEvent) -> bool:
        """Notice coming and going."""
        if event.type() == QEvent.Type.Show and not event.spontaneous():
            window = self.main_window()
            if window is not None:
                self.arrive(window)
            QTimer.singleShot(0, self._make_room)
        if event.type() == QEvent.Type.Hide and not event.spontaneous():
            QTimer.singleShot(0, self._leave_if_undocked)
        return bool(super().event(event))

    def main_window(self) -> QMainWindow | None:
        """Window of the viewer, also when the dock floats."""
        widget: QWidget | None = self
        while widget is not None and not isinstance(widget, QMainWindow):
            widget = widget.parentWidget()
        return widget

    def to_canvas(self) -> None:
        """Give the focus up, so that keys mean answers again."""
        window = self.main_window()
        focused = None if window is None else window.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            focused.clearFocus()

    def _make_room(self) -> None:
        """Widen the window where the panel would leave nothing of the canvas."""
        window = self.main_window()
        screen = None if window is None else window.screen()
        if window is None or screen is None or window.isMaximized() or window.isFullScreen():
            return
        there = screen.availableGeometry()
        size = window.size().expandedTo(QSize(*ROOMY)).boundedTo(there.size() * 0.95)
        if size.width() > window.width() or size.height() > window.height():
            window.resize(size)
            window.move(
                min(window.x(), max(there.right() - size.width(), there.x())),
                min(window.y(), max(there.bottom() - size.height(), there.y())),
            )

    def _leave_if_undocked(self) -> None:
        if self.main_window() is None and not self.isVisible():
            self.leave()
