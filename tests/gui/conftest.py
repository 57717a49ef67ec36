"""A real window under a virtual display; where there is none, the reason is said."""

import gc
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui.driving import spin, write_queue

from cryoal.project.project import Project

PROBE = "from qtpy.QtWidgets import QApplication; import napari; QApplication([])"


def unavailable(reason: str) -> None:
    """In CI a window is promised; elsewhere these tests are for those who have one."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"no window can be opened: {reason}")
    pytest.skip(f"no window can be opened: {reason}")


@pytest.fixture(scope="session", autouse=True)
def window_system(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whether Qt can open a window: asked in another process, since Qt aborts when it cannot."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        unavailable("DISPLAY is not set and pytest-xvfb found no Xvfb (apt install xvfb)")
    tried = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        said = [line for line in tried.stderr.splitlines() if line.strip()]
        unavailable("; ".join(said[:2]) or f"Qt ended with {tried.returncode}")
    os.environ["NAPARI_CONFIG"] = str(tmp_path_factory.mktemp("napari") / "settings.yaml")


@pytest.fixture(scope="session")
def viewer(window_system: None) -> Iterator[Any]:
    """One napari window for all: opening one takes seconds."""
    with warnings.catch_warnings():
        # npe2 describes its manifests in the words of pydantic 1.
        words = "`json_encoders`|`allow_mutation`|Using extra keyword arguments on `Field`"
        warnings.filterwarnings("ignore", words, DeprecationWarning)
        import napari

        opened = napari.Viewer(show=False)
    opened.window.resize(1500, 950)
    opened.window.show()
    spin()
    gc.collect()
    gc.freeze()  # napari collects garbage with every layer it removes
    yield opened
    gc.unfreeze()
    opened.close()


@pytest.fixture(scope="session")
def asked(extracted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that asks about 30 particles and has a model of three classes; read only."""
    folder = Path(shutil.copytree(extracted, tmp_path_factory.mktemp("gui") / "project"))
    ids = [str(i) for i in np.random.default_rng(5).permutation(Project(folder).subtomograms.ids)]
    write_queue(folder, ids[:30])
    return folder


@pytest.fixture
def queued(asked: Path, tmp_path: Path) -> Path:
    """A copy of it, to do with as one likes."""
    return Path(shutil.copytree(asked, tmp_path / "queued"))


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was raised where Qt would have swallowed it; it must stay empty."""
    raised: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, value, _trace: raised.append(repr(value)))
    yield raised
    assert raised == []


@pytest.fixture
def open_panel(viewer: Any, bugs: list[str]) -> Iterator[Callable[..., Any]]:
    """Open a project in the panel, as the menu or the command line does.

    The panel stays from test to test, as it does when a person opens one project after another.
    """
    from cryoal.annotate.launch import dock

    def open_project(folder: Path, annotator: str = "anna") -> Any:
        panel = dock(viewer)
        panel.session = None
        look = panel.form.look
        for box in (look.turned, look.display, look.inverted, look.three_d):
            box.setChecked(False)
        for field, value in {
            look.low_pass: 40, look.high_pass: 0, look.surroundings: 150, look.contrast: 1,
        }.items():  # fmt: skip
            field.setValue(value)
        panel.open(folder, annotator)
        spin(0.02)
        return panel

    yield open_project
    panel = dock(viewer)
    scene = panel.pictures.scene
    ours = [] if scene is None else list(scene.layers.values())
    for layer in [layer for layer in viewer.layers if layer not in ours]:
        viewer.layers.remove(layer)
    viewer.canvas.overlays.text.visible = False
    spin()


@pytest.fixture
def panel(open_panel: Callable[..., Any], queued: Path) -> Any:
    """The panel with a queue of 30 in it."""
    return open_panel(queued)


@pytest.fixture
def canvas(viewer: Any) -> Any:
    """The widget that napari draws on, and that has the focus while one looks at pictures."""
    return viewer.window._qt_viewer.canvas.native
