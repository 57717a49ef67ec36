"""Opening napari with the panel and a project in it."""

from pathlib import Path
from typing import TYPE_CHECKING

from cryoal.annotate.display import missing_for_window
from cryoal.core.errors import CryoalError

if TYPE_CHECKING:
    import napari

    from cryoal.annotate.qt.widget import AnnotationWidget

#: Name of the panel, in the manifest and in napari's menu.
PANEL = "Label particles"
#: What to do where no window can be opened.
INSTEAD = "or label on a page, which needs no display here: cryoal sheet PROJECT -o sheet.html"


def check_window() -> None:
    """Check that a window can be opened, before anything slow is loaded.

    Raises
    ------
    CryoalError
        napari or Qt is missing, there is no display, or Qt lacks a library of the system.
    """
    try:
        import napari  # noqa: F401
        from qtpy import QtWidgets  # noqa: F401
    except ImportError as problem:
        raise CryoalError(
            f"napari with Qt is needed to open a window ({problem}): "
            f"pip install 'cryoal[napari]', {INSTEAD}"
        ) from problem
    missing = missing_for_window()
    if missing is not None:
        raise CryoalError(f"{missing}, {INSTEAD}")


def dock(
    viewer: "napari.Viewer", project: Path | str | None = None, annotator: str | None = None
) -> "AnnotationWidget":
    """Put the panel into a viewer's window, with a project open in it; one panel a window."""
    from cryoal.annotate.qt.widget import AnnotationWidget

    _, widget = viewer.window.add_plugin_dock_widget("cryoal", PANEL)
    assert isinstance(widget, AnnotationWidget)
    if project is not None:
        widget.open(project, annotator)
    return widget


def run(project: Path, annotator: str | None = None) -> "AnnotationWidget":
    """Open a window on a project; returns when the person closes it."""
    import napari

    viewer = napari.Viewer(title=f"cryoal: {project}")
    widget = dock(viewer, project, annotator)
    napari.run()
    return widget
