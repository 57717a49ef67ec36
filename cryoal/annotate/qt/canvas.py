"""What the panel hears of napari's canvas, and the help that it writes on it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from cryoal.annotate.qt.keys import HELP

if TYPE_CHECKING:
    import napari

#: Pixels that a click may move; what moves farther is a drag, which moves the canvas.
STILL = 3


class Canvas:
    """Clicks on the canvas, its size, and its change between 2-D and 3-D, until ``leave``.

    Parameters
    ----------
    viewer : napari Viewer
    clicked : callable (place in the world)
    solid : callable (bool)
        Told whether the canvas is in 3-D when that changes.
    resized : callable
        Called when the canvas has another size.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        clicked: Callable[[Any], object],
        solid: Callable[[bool], object],
        resized: Callable[[], object],
    ) -> None:
        self._viewer, self._clicked, self._solid, self._resized = viewer, clicked, solid, resized
        viewer.canvas.events.size.connect(self._grown)
        viewer.mouse_drag_callbacks.append(self._pressed)
        viewer.dims.events.ndisplay.connect(self._changed)

    def leave(self) -> None:
        """Give mouse and dimensions back."""
        self._viewer.canvas.events.size.disconnect(self._grown)
        self._viewer.mouse_drag_callbacks.remove(self._pressed)
        self._viewer.dims.events.ndisplay.disconnect(self._changed)

    def _pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        start = tuple(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if max(abs(a - b) for a, b in zip(event.pos, start, strict=True)) <= STILL:
            self._clicked(event.position)

    def _grown(self) -> None:
        # The canvas hears of its size before the picture on it does.
        QTimer.singleShot(0, self._resized)

    def _changed(self) -> None:
        # Layers must not come and go while napari is still telling everyone.
        QTimer.singleShot(0, self._tell)

    def _tell(self) -> None:
        self._solid(self._viewer.dims.ndisplay == 3)


def toggle_help(viewer: "napari.viewer.Viewer") -> None:
    """Show the keys on the canvas, or take them away."""
    overlay = viewer.canvas.overlays.text
    # The overlay's box is a little too short for many lines.
    overlay.text, overlay.position, overlay.box = f"{HELP}\n ", "top_left", True
    overlay.visible = not overlay.visible
