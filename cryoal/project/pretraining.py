"""Weights of a project's own: for a lab that knows what it is looking for."""

import time
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file
from pathlib import Path
from typing import TYPE_CHECKING

from cryoal.core.errors import CryoalError
from cryoal.io.files import locked
from cryoal.learn.lessons import MADE_UP, Family, make_lessons
from cryoal.learn.pretrain import Course, Outcome, pretrain
from cryoal.models.pretrained import save_weights, shipped
from cryoal.project import journal
from cryoal.project.workers import executor

if TYPE_CHECKING:
    from cryoal.project.project import Project

#: Share of the simulated tomograms that shows the templates; the rest is made up, so that what is
#: not among them is still told apart.
TEMPLATES_SHARE = 0.5
#: Gentler than the shipped course, from whose weights this one goes on.
COURSE = Course(epochs=8, learning_rate=1e-3)


def pretrain_project(
    project: "Project",
    templates: Path,
    scenes: int,
    seed: int,
    workers: int | None,
    progress: Callable[[int, int], None],
) -> Outcome:
    """Teach the shipped weights the templates of a folder, at the project's voxel size.

    Writes ``pretrained.safetensors``; rounds start from it from then on.

    Parameters
    ----------
    templates : Path
        A folder of density maps and atomic structures.
    scenes : int
        Arrangements of particles, three tomograms of each.

    Raises
    ------
    CryoalError
        Too few scenes, or templates that cannot be read.
    """
    if scenes < 2:
        raise CryoalError(f"--scenes {scenes}: at least 2; one is kept aside to measure on")
    voxel_size = project.subtomograms.geometry.voxel_size
    real = Family("templates", voxel_size, TEMPLATES_SHARE, templates=str(templates))
    names = [density.name for density in real.densities()]
    rest = sum(family.share for family in MADE_UP)
    made_up = [replace(f, share=f.share * (1 - TEMPLATES_SHARE) / rest) for f in MADE_UP]
    began = time.monotonic()
    with locked(project.layout.lock):
        with executor(workers, scenes) as pool:
            lessons = make_lessons(scenes, seed, [real, *made_up], pool=pool, progress=progress)
        with as_file(shipped("shape")) as weights:
            outcome = pretrain(lessons, replace(COURSE, seed=seed), weights=weights)
        save_weights(outcome.network, project.layout.pretrained)
        facts = {
            "templates": names,
            "scenes": scenes,
            "seed": seed,
            "held_out_accuracy": round(outcome.accuracy, 4),
        }
        journal.write(project.layout, "pretrain", facts, began)
    return outcome
