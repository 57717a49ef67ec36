"""The panel in napari: shows what the session asks, and hands it what the person says."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QMainWindow

from cryoal.annotate.looking import has_display
from cryoal.annotate.qt.actions import Actions
from cryoal.annotate.qt.canvas import Canvas
from cryoal.annotate.qt.docked import DockedPanel
from cryoal.annotate.qt.immortal import keep_constants
from cryoal.annotate.qt.keys import KeyFilter, Stroke
from cryoal.annotate.qt.layout import Form
from cryoal.annotate.qt.pictures import Pictures
from cryoal.annotate.qt.training import Training
from cryoal.annotate.readers import PROJECT
from cryoal.annotate.session import AnnotationSession
from cryoal.core.errors import CryoalError
from cryoal.project.project import Project

if TYPE_CHECKING:
    import napari

#: Milliseconds between two looks at what happened outside (a new queue, a finished montage).
POLL = 400
#: Milliseconds that the queue's colours wait for the particle.
AFTERWARDS = 40


def dropped_project(viewer: "napari.viewer.Viewer") -> str | None:
    """The project that the newest layer came from which was dropped on the window, if any."""
    folders = [layer.metadata.get(PROJECT) for layer in reversed(viewer.layers)]
    return next((str(folder) for folder in folders if folder), None)


class AnnotationWidget(DockedPanel):
    """Label the queue of a project, by keys or by clicks.

    Parameters
    ----------
    napari_viewer : napari Viewer
    project : Path, optional
        Else the person chooses one.
    annotator : str, optional
    """

    def __init__(
        self,
        napari_viewer: "napari.viewer.Viewer",
        project: Path | str | None = None,
        annotator: str | None = None,
    ) -> None:
        keep_constants()
        super().__init__()
        self.viewer = napari_viewer
        self.session: AnnotationSession | None = None
        self.pictures = Pictures(napari_viewer)
        self.form = Form(self)
        self.acting = Actions(self)
        self.training = Training(self, self._trained)
        self._root: Path | None = None
        self._annotator = annotator
        self._asked: object = None
        self._keys = KeyFilter(self, self.acting.act)
        self._connect()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._timer.start(POLL)
        three_d = self.form.look.three_d
        self._canvas = Canvas(napari_viewer, self._clicked, three_d.setChecked, self._resized)
        self.form.say("Choose the folder of a project.")
        project = project or dropped_project(napari_viewer)
        if project is not None:
            self.open(project)

    # What the person does

    def open(self, project: Path | str, annotator: str | None = None) -> None:
        """Open a project; what is wrong with it is said in the status line."""
        self._root = Path(project)
        self._annotator = annotator or self._annotator
        with self.telling():
            self.session = None
            opened = Project.open(self._root)
            self.form.name_project(opened.layout.root.resolve().name)
            self.session = AnnotationSession(opened, self._annotator)
            self.form.name_annotator(self.session.annotator)
            self.form.say(self.session.notice or "What is it? H shows the keys.")
        if self.session is None:
            self.pictures.close()
        self._update()

    def add_class(self, name: str) -> None:
        """Offer another class."""
        with self.telling():
            word = self.need().add_class(name)
            number = self.need().classes.names.index(word) + 1
            key = f" has key {number}" if number < 10 else " has no key: click on its name"
            self.form.say(f"{word}{key}.")
        self._update()
        self.to_canvas()

    def rename_class(self, old: str, new: str) -> None:
        """Rename a class, or merge it into another that has this name."""
        with self.telling():
            session = self.need()
            many = session.rename(old, new)
            others = session.others_who_say(old)
            self.form.say(
                f"{many} of your particles are {new.strip()!r} now; Backspace takes it back."
                + (f" {', '.join(others)} still say {old!r}: rename it for all." if others else "")
            )
        self._update()
        self.to_canvas()

    def rename_for_all(self, old: str, new: str) -> None:
        """Rename a class in everybody's labels."""
        with self.telling():
            many = self.need().rename(old, new, for_all=True)
            self.form.say(
                f"{many} particle{' is' if many == 1 else 's are'} {new.strip()!r} now, whoever "
                "named them; Backspace takes it back."
            )
        self._update()
        self.to_canvas()

    def recolour_class(self, name: str, colour: str) -> None:
        """Give a class another colour."""
        with self.telling():
            self.need().recolour(name, colour)
        self._update()

    def train(self) -> None:
        """Train and select in another process; again to stop it."""
        if self.training.running:
            self.training.cancel()
        elif self._root is not None:
            self.training.start(self._root)
        self._update()

    # What the actions ask for

    def need(self) -> AnnotationSession:
        """Return the session, or raise what to tell a person who has none."""
        if self.session is None:
            raise CryoalError("no project is open, or it asks nothing yet")
        return self.session

    def moved(self, sentence: str) -> None:
        """Show what is asked now, and say what happened."""
        session = self.need()
        self.form.hide_guess()
        if session.asked is not self._asked:
            sentence = f"{sentence}. A new queue." if sentence else "A new queue."
        self.form.say(session.notice or sentence)
        session.notice = ""
        self._update()

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Say in the status line what is the person's to put right; bugs go on as they are."""
        try:
            yield
        except CryoalError as problem:
            self.form.say(" ".join(str(problem).split()), failed=True)

    # Within

    def _connect(self) -> None:
        form = self.form
        form.acted.connect(lambda action: self.acting.act(Stroke(action)))
        form.opening.connect(self._choose_project)
        form.annotator.editingFinished.connect(self._change_annotator)
        form.training.connect(self.train)
        form.classes.answered.connect(self.acting.answer)
        form.classes.added.connect(self.add_class)
        form.classes.renamed.connect(self.rename_class)
        form.classes.renamed_for_all.connect(self.rename_for_all)
        form.classes.recoloured.connect(self.recolour_class)
        form.look.changed.connect(self._update)
        form.look.contrast_changed.connect(self._contrast_changed)

    def _update(self) -> None:
        """Show the particle that is asked, then what is known about it."""
        session = self.session
        if session is not None:
            self._asked = session.asked
            with self.telling():
                if self.pictures.open(session.asked, self.form.look.look):
                    self._contrast_changed()
                    self._arrived()
                self.pictures.show(session)
            self.form.look.display.setEnabled(has_display(session.asked))
            self.form.look.turned.setEnabled(session.project.particles.rotation is not None)
        self.form.show_state(session, self.training.running)
        # After the particle is on the screen.
        QTimer.singleShot(AFTERWARDS, self._colour)

    def _colour(self) -> None:
        if self.session is not None:
            self.pictures.colour(self.session)

    def _contrast_changed(self) -> None:
        if (scene := self.pictures.scene) is not None:
            look = self.form.look
            scene.set_contrast(float(look.contrast.value()), look.inverted.isChecked())
            scene.set_solid(look.three_d.isChecked())

    def _poll(self) -> None:
        """Look at what happened outside."""
        with self.telling():
            if self.pictures.finished_drawing():
                self._colour()
        session = self.session
        if session is None or not session.newer:
            return
        if session.current is not None:
            self.form.announce_queue()
        elif session.refresh() or session.notice:
            self.moved("")

    def _trained(self, sentence: str, failed: bool) -> None:
        self.form.say(sentence, failed)
        if self.session is None and self._root is not None and not self.training.running:
            if not failed:
                self.open(self._root)
        else:
            self._update()

    def _clicked(self, world: Any) -> None:
        particle = self.pictures.under(world)
        if particle is not None:
            self.acting.go_to(particle)

    def _choose_project(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a cryoal project")
        if folder:
            self.open(Path(folder))

    def _change_annotator(self) -> None:
        name = self.form.annotator.text().strip()
        if name and self.session is not None and name != self.session.annotator:
            assert self._root is not None
            self.open(self._root, name)
        self.to_canvas()

    # Coming and going

    def arrive(self, window: QMainWindow) -> None:
        """Take the keys of this window."""
        self._keys.watch(window)
        self.to_canvas()
        QTimer.singleShot(AFTERWARDS, self._fit)

    def leave(self) -> None:
        """Give keys and mouse back, take our layers away, end what runs; nothing is lost."""
        if self._timer.isActive():
            self._timer.stop()
            self._keys.release()
            self.training.cancel()
            self._canvas.leave()
            self.session = None
            self.pictures.end()

    def _arrived(self) -> None:
        if (window := self.main_window()) is not None:
            self.arrive(window)

    def _resized(self) -> None:
        if self.pictures.scene is not None:
            self.pictures.scene.follow_size()

    def _fit(self) -> None:
        if self.pictures.scene is not None:
            self.pictures.scene.fit()
