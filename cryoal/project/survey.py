"""Before anything is cut: what is finished already, and what the tomograms look like."""

import hashlib
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tilting import Tilting, tiltings
from cryoal.core.tomogram import Tomogram
from cryoal.data.extract import BoxGeometry, Task, look, look_for_wedge
from cryoal.data.placement import Check, by_list, misread_lists, settle_contrast
from cryoal.data.readings import FEW, UNDECIDED
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
    others: Mapping[str, Mapping[str, NDArray[np.float64]]] | None = None,
) -> list[Task]:
    """One task a tomogram that has picks, in the order of the tomograms.

    ``others`` are other readings of lists, as ``io.Reading`` has them.
    """
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
                lists=by_list(particles, name, others or {}),
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
    checks : {tomogram: Check}
    contrasts : {tomogram: "dark" or "bright"}
    already_done : int
        Tomograms that are finished.
    warnings : list of str
        One line a tomogram or list whose picks seem to lie elsewhere.
    """

    index: Index
    todo: list[Task]
    checks: dict[str, Check]
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
        A tomogram shows neither dark nor bright protein, or a list is read wrongly.
    """
    known = Index.read(layout.subtomograms)
    index = known if known and known.geometry == geometry else Index.new(geometry)
    finished = {
        name: what for name, what in index.digests().items() if _has_stack(index, layout, name)
    }
    todo = [t for t in tasks if finished.get(t.tomogram.name) != digest(t, options.contrast)]
    current = {task.tomogram.name for task in tasks} - {task.tomogram.name for task in todo}
    index = index.without(set(index.digests()) - current)
    checks = dict(zip((t.tomogram.name for t in todo), executor.map(look, todo), strict=True))
    _tell_missing(todo, checks)
    misread = misread_lists(checks)
    warnings = [f"{name}: {problem}" for name, c in checks.items() for problem in c.problems]
    warnings += [f"{name or 'the picks'}: {problem}" for name, problem in misread.items()]
    if options.contrast == "auto":
        _refuse_misread(checks, misread)
    contrasts = _contrasts(todo, checks, options.contrast)
    warnings += _unlike(checks, contrasts)
    warnings += _contradicted(index, tasks, checks, executor)
    for warning in warnings:
        log.warning("%s", warning)
    tilted = {task.tomogram.name: task.tomogram.tilting.columns() for task in tasks}
    table = _with_tilts(index, tilted)
    return Survey(table, todo, checks, contrasts, len(current), warnings)


def _with_tilts(index: Index, tilted: dict[str, dict[str, str]]) -> Index:
    """Put the tilts of today beside finished tomograms: no box depends on them, training does."""
    table = index.tomograms.copy()
    if len(table):
        for column in Tilting.COLUMNS:
            table[column] = [tilted[name][column] for name in table["rlnTomoName"]]
    return replace(index, tomograms=table)


def _has_stack(index: Index, layout: Layout, name: str) -> bool:
    return layout.stack(name).exists() or not (index.boxes["rlnTomoName"] == name).any()


def _tell_missing(tasks: list[Task], checks: Mapping[str, Check]) -> None:
    for task in tasks:
        name, count = task.tomogram.name, checks[task.tomogram.name].missing
        if count:
            log.warning(
                "%s: %d of its %d voxels are no numbers (NaN, infinite); filled from their "
                "surroundings, boxes that lack too much are left out",
                *(name, count, np.prod(task.tomogram.shape)),
            )


def _contradicted(
    index: Index, tasks: list[Task], checks: Mapping[str, Check], executor: Executor
) -> list[str]:
    """Tomograms that show another wedge than is stated, also where only the statement is new."""
    wedges = {name: check.wedge for name, check in checks.items()}
    before = tiltings(index.tomograms) if len(index.tomograms) else {}
    new = [
        task.tomogram
        for task in tasks
        if task.tomogram.name not in checks
        and before.get(task.tomogram.name) != task.tomogram.tilting
    ]
    wedges |= dict(zip((t.name for t in new), executor.map(look_for_wedge, new), strict=True))
    found = []
    for task in tasks:
        name, wedge = task.tomogram.name, wedges.get(task.tomogram.name)
        problem = wedge.contradicts(task.tomogram.tilting) if wedge else ""
        if problem:
            found.append(f"{name}: {problem}")
    return found


def _refuse_misread(checks: Mapping[str, Check], misread: Mapping[str, str]) -> None:
    """Refuse lists that another reading fits; a contrast that the user states overrules this.

    Raises
    ------
    CryoalError
        Names the list, its tomogram where that tells alone, and the reading.
    """
    wrong = {source or "the picks": problem for source, problem in misread.items()}
    for name, check in checks.items():
        for source, placement in check.lists.items():
            if placement.better is not None and source not in misread:
                wrong[f"{name}, {source}" if source else name] = placement.problem
    if not wrong:
        return
    where, problem = next(iter(wrong.items()))
    rest = list(wrong)[1:]
    more = f" (so do {len(rest)} more: {', '.join(rest[:3])})" if rest else ""
    raise CryoalError(
        f"{where}: {problem}{more}; give the list again so, or mend it; "
        "if the picks are right, say --contrast dark (RELION, IMOD) or --contrast bright (Warp)"
    )


def _unlike(checks: Mapping[str, Check], contrasts: Mapping[str, str]) -> list[str]:
    """Lists whose mean box is not what the other lists of their tomogram show."""
    found = []
    for name, check in checks.items():
        for source, placement in check.lists.items():
            z = placement.given.z
            if len(check.lists) < 2 or placement.problem or placement.given.picks < FEW:
                continue
            if abs(z) < UNDECIDED:
                seen = f"shows no particle ({z:+.1f} standard errors) where other lists do"
            elif ("dark" if z < 0 else "bright") != contrasts[name]:
                seen = f"is {placement.contrast} ({z:+.1f} standard errors), particles here are not"
            else:
                continue
            best = placement.best
            hint = "no reading tried fits"
            if abs(best.z) > UNDECIDED and ("dark" if best.z < 0 else "bright") == contrasts[name]:
                hint = f"{best.name} it would be at {best.z:+.1f}, which chance can do"
            found.append(
                f"{name}, {source}: the mean box of these picks {seen}; {hint}. If they are no "
                "junk, check their unit, origin and voxel size (--unit, --pick-voxel-size)"
            )
    return found


def _contrasts(tasks: list[Task], checks: dict[str, Check], wanted: str) -> dict[str, str]:
    if wanted != "auto":
        return {task.tomogram.name: wanted for task in tasks}
    settled = settle_contrast(
        {t.tomogram.name: (checks[t.tomogram.name].placement, len(t.ids)) for t in tasks}
    )
    for name, contrast in settled.items():
        placement = checks[name].placement
        z = placement.given.z
        log.info("%s: protein is %s (mean box at %+.1f standard errors)", name, contrast, z)
        if placement.contrast is None:
            log.warning(
                "%s: the mean box is too faint to tell the contrast (z = %+.1f); taken as %s like "
                "the others",
                *(name, z, contrast),
            )
    return settled
