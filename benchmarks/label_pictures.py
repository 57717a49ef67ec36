"""The pictures of docs/guide/label.md, taken of the real window.

python benchmarks/label_pictures.py PROJECT TRUTH docs/images

PROJECT has a model and a queue of at least 40, and is copied first; TRUTH is the truth.tsv of its
simulation.
Without a display: xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/...
"""

import shutil
import sys
import tempfile
from pathlib import Path

import napari
from next_particle import spin
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from cryoal.annotate.launch import dock
from cryoal.io.tsv import read_tsv

#: Particles that are answered in the picture.
ANSWERED = 26
#: Seconds for an answer.
PAUSE = 1.7


def take(viewer: napari.Viewer, path: Path) -> None:
    """Save the window as a picture of few colours."""
    spin(0.5)
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)[..., :3])
    few = picture.quantize(200, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main(project: Path, truth: Path, folder: Path) -> None:
    """Label by the truth, and look."""
    table = read_tsv(truth, required=("id", "label"))
    labels = dict(zip(table["id"], table["label"], strict=True))
    viewer = napari.Viewer(show=False)
    viewer.window.resize(1400, 800)
    viewer.window.show()
    panel = dock(viewer, project, "kim")
    if panel.session.remaining < ANSWERED + 10:
        sys.exit(f"{project}: the queue is too short for the picture: run cryoal select -n 40")
    canvas = viewer.window._qt_viewer.canvas.native
    spin(1)
    for _ in range(ANSWERED):
        word = labels.get(panel.session.current, "junk")
        if word != "junk" and word not in panel.session.classes.names:
            panel.add_class(word)
        number = 0 if word == "junk" else panel.session.classes.names.index(word) + 1
        QTest.keyClick(canvas, Qt.Key(int(Qt.Key.Key_0.value) + number))
        spin(PAUSE)
    for particle in panel.session.upcoming:
        if labels.get(particle, "junk") != "junk":
            break
        QTest.keyClick(canvas, Qt.Key.Key_N)
    QTest.keyClick(canvas, Qt.Key.Key_M)
    take(viewer, folder / "label-window.png")
    QTest.keyClick(canvas, Qt.Key.Key_V)
    take(viewer, folder / "label-solid.png")
    viewer.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(sys.argv[1], Path(scratch) / "ribosomes")
        main(Path(copy), Path(sys.argv[2]), Path(sys.argv[3]))
