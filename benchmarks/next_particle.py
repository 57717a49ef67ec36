"""How long from a key press until the next particle is drawn.

python benchmarks/next_particle.py PROJECT

Opens the real window on a project (a copy of it: its labels are left alone), presses J through Qt
as a keyboard does, and stops the clock when napari has drawn the canvas. Needs a display; on a
machine without one: xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/...
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from cryoal.annotate.launch import dock


def spin(seconds: float) -> None:
    """Let Qt and the threads that read ahead work, as they do while a person looks."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.002)


def measure(project: Path, keys: int, pause: float) -> np.ndarray:
    """Milliseconds from each key press to the end of the draw that shows the next particle."""
    viewer = napari.Viewer(show=False)
    viewer.window.resize(1500, 950)
    viewer.window.show()
    panel = dock(viewer, project, "benchmark")
    canvas = viewer.window._qt_viewer.canvas
    drawn = []
    canvas._scene_canvas.events.draw.connect(
        lambda _event: drawn.append(time.perf_counter()), position="last"
    )
    spin(3)
    times = []
    for _ in range(keys):
        before, shown = len(drawn), panel.pictures.shown
        start = time.perf_counter()
        QTest.keyClick(canvas.native, Qt.Key.Key_J)
        while len(drawn) == before:
            QApplication.processEvents()
        times.append(1000 * (drawn[before] - start))
        assert panel.pictures.shown != shown, panel.form.status.text()
        spin(pause)
    viewer.close()
    return np.array(times)


def main() -> None:
    """Print the median and the slowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--keys", type=int, default=30)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two keys")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "project"
        shutil.copytree(options.project, copy, ignore=shutil.ignore_patterns("labels"))
        times = measure(copy, options.keys, options.pause)
    low, middle, high = np.percentile(times, (5, 50, 95))
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{len(times)} keys, {options.pause:g} s apart")
    print(f"next particle drawn after {middle:.0f} ms (5 to 95 %: {low:.0f} to {high:.0f} ms)")


if __name__ == "__main__":
    main()
