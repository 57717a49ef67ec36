"""How a test presses keys, clicks and waits."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from cryoal.io import ledger
from cryoal.project.project import Project
from cryoal.project.selecting import Queue


def spin(seconds: float = 0.0) -> None:
    """Let Qt work off what is waiting, for so long."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while True:
        QApplication.processEvents()
        if time.monotonic() >= end:
            return
        time.sleep(0.005)


def wait(until: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let Qt work until something has happened."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen in time"
        spin(0.01)


def write_queue(folder: Path, ids: list[str], number: int = 0) -> None:
    """Put these particles in a round's queue, as ``cryoal select`` would."""
    facts = {
        "cryoalUncertainty": "0.5",
        "cryoalPrediction": "class7",
        "cryoalConfidence": "0.7000",
        "cryoalControl": "0",
    }
    table = pd.DataFrame({"cryoalId": ids, **facts}, dtype=str)
    Queue(table, "margin", 0).write(Project(folder).layout.round(number).queries)


def press(widget: Any, *keys: str, modifier: str = "NoModifier") -> None:
    """Press keys by their Qt names ("1", "Return") through Qt, as a keyboard does."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    for key in keys:
        QTest.keyClick(
            widget, getattr(Qt.Key, f"Key_{key}"), getattr(Qt.KeyboardModifier, modifier)
        )


def book(folder: Path, who: str = "anna") -> dict[str, str]:
    """What the ledger holds: ``{id: last standing word}``."""
    path = Project(folder).layout.ledger(who)
    return {i: w[who] for i, w in ledger.read(path).answers().items()} if path.exists() else {}


def click_at(viewer: Any, canvas: Any, world: Any) -> None:
    """Click where a point of the world lies on the canvas."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    centre = viewer.scene.camera.center[-2:]
    middle = (canvas.height() / 2, canvas.width() / 2)
    y, x = (
        (w - c) * viewer.scene.camera.zoom + m
        for w, c, m in zip(world, centre, middle, strict=True)
    )
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mouseClick(canvas, left, none, QPoint(round(x), round(y)))
