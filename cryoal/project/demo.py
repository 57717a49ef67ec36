"""The main job from end to end on simulated tomograms, small enough for a laptop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.io.tsv import read_tsv
from cryoal.project.benchmark import Plan
from cryoal.project.benchmark import run as run_benchmark
from cryoal.project.extraction import extract
from cryoal.project.layout import Layout
from cryoal.project.oracle import Truth
from cryoal.project.project import Project
from cryoal.project.reporting import write_report
from cryoal.project.settings import write_template
from cryoal.report.benchmark import curve_sections
from cryoal.simulate.write import simulate

#: Five complexes of 110 to 200 A at 13.3 A a voxel: small boxes, so that two cores suffice.
VOXEL_SIZE = 13.3
LARGEST = 200.0
CLASSES = 5

#: Says that a folder is a demo's, which may overwrite what is in it.
MARK = ".cryoal-demo"


@dataclass(frozen=True)
class Demo:
    """What the demo leaves behind.

    Attributes
    ----------
    table : DataFrame
        Round, labels, and the accuracy of each strategy.
    exported, report : Path
    """

    table: pd.DataFrame
    exported: Path
    report: Path


def prepare(folder: Path, seed: int, say: Callable[[str], None]) -> Layout:
    """Simulate tomograms into ``data/`` and extract them into ``project/`` of a folder.

    Raises
    ------
    CryoalError
        The folder holds something that no demo made.
    """
    _claim(folder)
    say("Simulating three tomograms of five complexes and some junk ...")
    simulate(
        folder / "data",
        tomograms=3,
        per_tomogram=150,
        classes=CLASSES,
        largest=LARGEST,
        junk=0.1,
        snr=0.3,
        voxel_size=VOXEL_SIZE,
        seed=seed,
    )
    layout = Layout(folder / "project")
    if not layout.settings.exists():
        # Said, not measured: with so few picks the mean box may not be able to tell.
        options = {"diameter": LARGEST, "voxel_size": VOXEL_SIZE, "contrast": "dark"}
        write_template(layout.settings, options)
    say("Cutting out the particles ...")
    extract(layout, [folder / "data/tomograms.star"], [folder / "data/particles.star"])
    return layout


def _claim(folder: Path) -> None:
    """Make the folder a demo's, or refuse it."""
    if folder.exists() and not folder.is_dir():
        raise CryoalError(f"{folder}: is a file; name a new folder")
    mark = folder / MARK
    held = folder.iterdir() if folder.exists() and not mark.exists() else ()
    if any(not entry.name.startswith(".") for entry in held):
        raise CryoalError(f"{folder}: neither empty nor a demo's; name a new folder")
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def run(folder: Path, seed: int, say: Callable[[str], None]) -> Demo:
    """Simulate, extract, run rounds against the truth, export and report.

    Parameters
    ----------
    folder : Path
        ``data/``, ``project/`` and ``benchmark/`` are made in it.
    """
    layout = prepare(folder, seed, say)
    say("Asking the truth for labels, in rounds, once by the default and once at random ...")
    plan = Plan(
        layout.root,
        folder / "data" / "truth.tsv",
        folder / "benchmark",
        ("default", "random"),
        start=20,
        step=20,
        rounds=3,
        seeds=1,
    )
    results = run_benchmark(plan)
    say("Labelling the project as the first strategy asked, predicting and exporting ...")
    project = Project.open(layout.root)
    asked = read_tsv(plan.labels_file("default", 0))
    project.labels.add(Truth.read(plan.truth).ask(asked["id"].tolist()), annotator="truth")
    project.select(20, seed=seed)
    exported = project.export()
    report = write_report(project, curve_sections(results))
    table = results.pivot(index=["round", "labels"], columns="acquisition", values="accuracy")
    return Demo(table.reset_index(), exported.path, report)
