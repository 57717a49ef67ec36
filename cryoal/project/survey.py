"""Before anything is cut: what is finished already, and what the tomograms look like."""

import hashlib
import logging
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.data.extract import BoxGeometry, Task, look
from cryoal.data.placement import Placement, settle_contrast
from cryoal.data.store import Index
from cryoal.io.files import digest_of_volume
from cryoal.project.layout import Layout, refuse_collisions
from cryoal.project.settings import ExtractSettings

log = logging.getLogger(__name__)


def make_tasks(
    layout: Layout,
    particles: ParticleSet,
    tomograms: dict[str, Tomogram],
    geometry: BoxGeometry,
    options: ExtractSettings,
) -> list[Task]:
    """One task a tomogram that has picks, in the order of the tomograms."""
    names = [name for name in tomograms if (particles.tomogram == name).any()]
    refuse_collisions(names)
    tasks = []
    for name in names:
        rows = particles.tomogram == name
        tasks.append(
            Task(
                tomograms[name],
                particles.id[rows],
                particles.position[rows],
                layout.stack(name),
                geometry,
                edge=options.edge,
                float16=options.float16,
            )
        )
    return tasks


def digest(task: Task, contrast: str) -> str:
    """What a task's result depends on, as one hexadecimal number."""
    facts = hashlib.sha256()
    facts.update(digest_of_volume(task.tomogram.path).encode())
    facts.update("\n".join(task.ids).encode())
    facts.update(np.round(task.position, 4).tobytes())
    settings = (task.geometry, task.edge, task.float16, contrast, task.tomogram.voxel_size)
    facts.update(repr(settings).encode())
    return facts.hexdigest()[:32]


@dataclass(frozen=True)
class Survey:
    """What was found before anything is cut.

    Attributes
    ----------
    index : Index
        Of the tomograms that are finished and stay as they are.
    todo : list of Task
    placements : {tomogram: Placement}
    contrasts : {tomogram: "dark" or "bright"}
    already_done : int
        Tomograms that are finished.
    warnings : list of str
        One line a tomogram whose picks seem to lie elsewhere.
    """

    index: Index
    todo: list[Task]
    placements: dict[str, Placement]
    contrasts: dict[str, str]
    already_done: int
    warnings: list[str]


def look_at(
    layout: Layout,
    tasks: list[Task],
    options: ExtractSettings,
    executor: Executor,
    geometry: BoxGeometry,
) -> Survey:
    """Look at every tomogram that is not finished; nothing is written.

    Raises
    ------
    CryoalError
        A tomogram shows neither dark nor bright protein.
    """
    known = Index.read(layout.subtomograms)
    index = known if known and known.geometry == geometry else Index.new(geometry)
    finished = {
        name: what for name, what in index.digests().items() if _has_stack(index, layout, name)
    }
    todo = [t for t in tasks if finished.get(t.tomogram.name) != digest(t, options.contrast)]
    current = {task.tomogram.name for task in tasks} - {task.tomogram.name for task in todo}
    index = index.without(set(index.digests()) - current)
    placements = dict(zip((t.tomogram.name for t in todo), executor.map(look, todo), strict=True))
    contrasts = _contrasts(todo, placements, options.contrast)
    warnings = [
        f"{name}: {placement.problem}"
        for name, placement in placements.items()
        if placement.problem
    ]
    for warning in warnings:
        log.warning("%s", warning)
    tilted = {task.tomogram.name: tilts(task.tomogram) for task in tasks}
    table = _with_tilts(index, tilted)
    return Survey(table, todo, placements, contrasts, len(current), warnings)


def tilts(tomogram: Tomogram) -> dict[str, str]:
    """A tomogram's tilts as the index of boxes has them."""
    return {
        "cryoalTiltMin": f"{tomogram.tilt_range[0]:g}",
        "cryoalTiltMax": f"{tomogram.tilt_range[1]:g}",
        "cryoalTiltAxis": tomogram.tilt_axis,
    }


def _with_tilts(index: Index, tilted: dict[str, dict[str, str]]) -> Index:
    """Put the tilts of today beside finished tomograms: no box depends on them, training does."""
    table = index.tomograms.copy()
    for column in ("cryoalTiltMin", "cryoalTiltMax", "cryoalTiltAxis"):
        if column in table:
            table[column] = [tilted[name][column] for name in table["rlnTomoName"]]
    return replace(index, tomograms=table)


def _has_stack(index: Index, layout: Layout, name: str) -> bool:
    return layout.stack(name).exists() or not (index.boxes["rlnTomoName"] == name).any()


def _contrasts(tasks: list[Task], placements: dict[str, Placement], wanted: str) -> dict[str, str]:
    if wanted != "auto":
        return {task.tomogram.name: wanted for task in tasks}
    settled = settle_contrast(
        {t.tomogram.name: (placements[t.tomogram.name], len(t.ids)) for t in tasks}
    )
    for name, contrast in settled.items():
        z = placements[name].given.z
        log.info("%s: protein is %s (mean box at %+.1f standard errors)", name, contrast, z)
        if placements[name].contrast is None:
            log.warning(
                "%s: the mean box is too faint to tell the contrast (z = %+.1f); taken as %s like "
                "the others",
                *(name, z, contrast),
            )
    return settled
