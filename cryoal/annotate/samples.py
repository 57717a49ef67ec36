"""The demo project in napari's File > Open Sample: made once, kept in the user's cache."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from cryoal.annotate.readers import LayerData, read_project
from cryoal.core.version import __version__
from cryoal.project.layout import Layout
from cryoal.project.project import Project

log = logging.getLogger(__name__)

#: Where the demo project is kept; default: the system's place for caches.
VARIABLE = "CRYOAL_CACHE"

#: Particles to ask about.
ASKED = 50


def cache_folder() -> Path:
    """Folder of what can be made again: ``$CRYOAL_CACHE``, or the system's place for caches."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    from platformdirs import user_cache_path  # of napari, which alone comes here

    return user_cache_path("cryoal", appauthor=False)


def demo_project(say: Callable[[str], None]) -> Path:
    """Simulate tomograms, extract and ask about particles, unless that was done before.

    Takes about half a minute; nothing is trained.

    Parameters
    ----------
    say : callable (sentence)
        Told before every step.

    Returns
    -------
    Path, of the project
    """
    from cryoal.project.demo import prepare  # slow to load: torch comes with it

    folder = cache_folder() / f"demo-{__version__}"
    layout = Layout(folder / "project")
    if layout.round(0).queries.exists():
        return layout.root
    if folder.exists():  # a window that was closed meanwhile
        shutil.rmtree(folder)
    prepare(folder, 0, say)
    say("Choosing particles to ask about ...")
    Project.open(layout.root).select(ASKED)
    return layout.root


def open_demo() -> list[LayerData]:
    """Queue of the demo project as layers, with progress in napari's activity dock."""
    from napari.utils import progress
    from napari.utils.notifications import show_info

    with progress(total=4, desc="cryoal demo") as bar:

        def say(sentence: str) -> None:
            log.info("%s", sentence)
            bar.set_description(sentence.rstrip(" ."))
            bar.update()

        project = demo_project(say)
    show_info(f"The demo project is {project}. Open it in Plugins > cryoal > Label particles.")
    return read_project(project)
