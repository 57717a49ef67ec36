"""What is on the canvas: read ahead, drawn when asked, and never another particle's."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cryoal.annotate.looking import Look, Seen, look_at
from cryoal.annotate.montage import UNANSWERED, Montage
from cryoal.annotate.prefetch import Prefetch
from cryoal.annotate.qt.scene import Scene

if TYPE_CHECKING:
    import napari

    from cryoal.annotate.queue import Asked
    from cryoal.annotate.session import AnnotationSession


class Pictures:
    """The particle that is asked and its queue, on the canvas of a viewer.

    Parameters
    ----------
    viewer : napari Viewer

    Attributes
    ----------
    shown : str or None
        Id of the particle whose pictures are on the canvas; None where there are none.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        self.viewer = viewer
        self.shown: str | None = None
        self.scene: Scene | None = None
        self.montage: Montage | None = None
        self._asked: Asked | None = None
        self._look = Look()
        self._prefetch: Prefetch[str, Seen] | None = None
        self._drawing: Future[Montage] | None = None
        self._threads = ThreadPoolExecutor(1, "cryoal-montage")

    @property
    def drawing(self) -> bool:
        """Whether the queue's thumbnails are still being made."""
        return self._drawing is not None

    def open(self, asked: "Asked", look: Look) -> bool:
        """Make ready for a queue and a way to look; whether the layers are new ones."""
        geometry = asked.project.subtomograms.geometry
        voxel = geometry.voxel_size / 10
        sizes = (geometry.box * voxel, voxel, geometry.diameter / 10)
        new = self.scene is None or self.scene.sizes != sizes or not self.scene.whole
        if new:
            self.close()
            self.scene = Scene(self.viewer, *sizes)
        if asked is not self._asked:
            self._asked = asked
            self.montage = Montage.empty(asked)
            self._drawing = self._threads.submit(Montage.of, asked, look.low_pass)
        elif look == self._look and self._prefetch is not None:
            return new
        if self._prefetch is not None:
            self._prefetch.close()
        self._look = look
        self._prefetch = Prefetch(lambda name: look_at(asked, name, look))
        self.shown = None
        return new

    def show(self, session: "AnnotationSession") -> None:
        """Show what the session asks, and read ahead.

        Raises
        ------
        CryoalError
            It cannot be shown; then the canvas is empty and ``shown`` is None.
        """
        assert self.scene is not None
        assert self._prefetch is not None
        if session.current != self.shown or session.current is None:
            self.shown = None
            try:
                if session.current is not None:
                    self.scene.show(self._prefetch.get(session.current))
                    self.shown = session.current
            finally:
                if self.shown is None:
                    self.scene.clear()
        self._prefetch.look_ahead(session.upcoming)

    def colour(self, session: "AnnotationSession") -> None:
        """Frame the particles of the queue in the colours of their labels."""
        if self.scene is None or self.montage is None:
            return
        words = [session.word(name) for name in self.montage.ids]
        colours = [session.classes.colour(word) if word else UNANSWERED for word in words]
        self.scene.show_queue(self.montage.coloured(colours, session.current))
        self.scene.settle()

    def finished_drawing(self) -> bool:
        """Take up the queue's thumbnails once they are made; whether they just were."""
        if self._drawing is None or not self._drawing.done():
            return False
        drawn, self._drawing = self._drawing, None
        self.montage = drawn.result()
        return True

    def under(self, world: Any) -> str | None:
        """Id of the particle of the queue at a place of the canvas."""
        if self.scene is None or self.montage is None or self.viewer.dims.ndisplay == 3:
            return None
        return self.montage.at(*self.scene.queue_pixel(world))

    def close(self) -> None:
        """Take everything off the canvas."""
        self.shown = self.montage = self._asked = None
        if self._prefetch is not None:
            self._prefetch.close()
            self._prefetch = None
        if self.scene is not None:
            self.scene.remove()
            self.scene = None

    def end(self) -> None:
        """Close, and stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.close()
