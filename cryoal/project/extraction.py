"""From tomograms and picks to subtomograms: checks first, then one task a tomogram."""

import contextlib
import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cryoal.io as io
from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.data.extract import (
    WORKING_VOXEL_SIZE,
    BoxGeometry,
    Task,
    check_fits,
    choose_geometry,
    extract_tomogram,
    look,
    outside,
    settle_contrast,
    suspected_unit,
)
from cryoal.data.placement import Placement
from cryoal.data.store import Index
from cryoal.io.display import with_displays
from cryoal.io.files import digest_of_volume, locked, wait_for_disk
from cryoal.io.tsv import write_tsv
from cryoal.project import inputs, journal
from cryoal.project.layout import Layout, refuse_collisions
from cryoal.project.settings import ExtractSettings, Settings, read_settings, write_template
from cryoal.project.workers import executor

log = logging.getLogger(__name__)

#: Fraction of positions outside their tomograms above which the unit must be wrong.
MOST = 0.5


def extract(
    layout: Layout,
    tomograms: Sequence[str | Path],
    particles: Sequence[str | Path],
    *,
    options: Mapping[str, Any] | None = None,
    unit: str | None = None,
    relion_centre: str = "half",
    tilt_range: tuple[float, float] | None = None,
    display: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> "ExtractReport":
    """Make a project from tomograms and picks, or add some to it, or go on with one.

    Parameters
    ----------
    layout : Layout
        Of an empty folder, one yet to be made, or a project.
    tomograms, particles : files and patterns
        As ``io.read_tomograms`` and ``io.read_particles`` take them; empty stands for those that
        the project has.
    options : mapping
        Those of ``[extract]`` in cryoal.toml; None and what is not there is taken from that file.
    tilt_range : (low, high), degrees
    display : str
        Pattern of volumes made for looking at; kept with the tomograms in ``tomograms.star``.
    workers, scheduler
        As ``workers.executor`` takes them.
    dry_run : bool
        Check everything, write nothing.

    Raises
    ------
    CryoalError
        Anything about the files or the options that must be put right first.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    new = not layout.settings.exists()
    if new:
        _refuse_foreign(layout.root)
    with contextlib.ExitStack() as held:
        if not new and not dry_run:
            held.enter_context(locked(layout.lock))
        settings = Settings() if new else read_settings(layout.settings)
        chosen = settings.extract.overruled_by(given)
        unpack_into = layout.cache
        if dry_run:
            unpack_into = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="cryoal-")))
        known = _tomograms(layout, tomograms, chosen, tilt_range, display, unpack_into)
        merged, unmatched = _picks(layout, particles, known, unit, relion_centre)
        check_units(merged, known)
        geometry = geometry_for(known.values(), chosen, Index.read(layout.subtomograms))
        tasks = make_tasks(layout, merged, known, geometry, chosen)
        for task in tasks:
            check_fits(task.tomogram, geometry, chosen.edge)
        report = ExtractReport(len(merged), len(tasks), geometry)
        began = time.monotonic()
        pool = held.enter_context(executor(workers, len(tasks), scheduler))
        survey = look_at(layout, tasks, chosen, pool, report)
        if dry_run:
            return report
        if new:
            layout.root.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(layout.lock))
            _refuse_foreign(layout.root)
            write_template(layout.settings, given)
        # Before the first box: whoever is interrupted goes on with ``cryoal extract PROJECT``.
        inputs.write_tomograms(layout.tomograms, known)
        inputs.write_particles(layout.particles, merged)
        index = cut(layout, survey, chosen, pool, progress)
        journal.write(layout, "extract", given, began)
    facts = index.tomograms
    report.contrast = (
        dict(zip(facts["rlnTomoName"], facts["cryoalContrast"], strict=True)) if len(facts) else {}
    )
    report.extracted, report.left_out = len(index.boxes), len(index.left_out)
    wished = index.left_out["cryoalStatus"].str.startswith("edge") & (chosen.edge == "drop")
    report.unexpected = int((~wished).sum()) + unmatched
    return report


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds anything already; what is hidden (.DS_Store) does not count."""
    if folder.exists() and not folder.is_dir():
        raise CryoalError(f"{folder}: is a file; name a new folder")
    if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise CryoalError(f"{folder}: neither empty nor a cryoal project; name a new folder")


def _tomograms(
    layout: Layout,
    paths: Sequence[str | Path],
    options: ExtractSettings,
    tilt_range: tuple[float, float] | None,
    display: str | None,
    unpack_into: Path,
) -> dict[str, Tomogram]:
    """The project's tomograms with the new ones; display volumes stay until others are given."""
    old = inputs.read_tomograms(layout.tomograms, unpack_into)
    known = dict(old)
    if paths:
        new = io.read_tomograms(
            paths,
            fallback_voxel_size=options.voxel_size,
            tilt_range=tilt_range,
            unpack_into=unpack_into,
        )
        known |= {name: _with_old_display(t, old.get(name)) for name, t in new.items()}
    elif tilt_range is not None:
        known = {name: replace(t, tilt_range=tilt_range) for name, t in known.items()}
    if not known:
        raise CryoalError("which tomograms? Give --tomograms (volumes or a tomograms.star)")
    return with_displays(known, display, unpack_into) if display is not None else known


def _with_old_display(new: Tomogram, old: Tomogram | None) -> Tomogram:
    if old is None or new.load_display is not None or old.shape != new.shape:
        return new
    return replace(
        new,
        load_display=old.load_display,
        display_path=old.display_path,
        display_shape=old.display_shape,
        display_voxel_size=old.display_voxel_size,
    )


def _picks(
    layout: Layout,
    particles: Sequence[str | Path],
    tomograms: dict[str, Tomogram],
    unit: str | None,
    relion_centre: str,
) -> tuple[ParticleSet, int]:
    """The project's picks with the new ones, and how many match no tomogram."""
    old = inputs.read_particles(layout.particles) if layout.particles.exists() else None
    if not particles:
        if unit is not None:
            raise CryoalError("--unit belongs to --particles: give those again as well")
        if old is None:
            raise CryoalError("which picks? Give --particles (a particle file, or several)")
        return old, 0
    reading = io.read_all(particles, tomograms, unit=unit, relion_centre=relion_centre)
    unmatched = 0 if reading.unmatched is None else len(reading.unmatched)
    return inputs.merge(old, reading.particles), unmatched


@dataclass
class ExtractReport:
    """What an extraction did, for the last sentence and ``--json``."""

    particles: int
    tomograms: int
    geometry: BoxGeometry
    extracted: int = 0
    left_out: int = 0
    unexpected: int = 0
    already_done: int = 0
    contrast: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        facts = asdict(self)
        return {**facts.pop("geometry"), **facts}


def working_voxel_size(tomograms: Iterable[Tomogram], wanted: float | None) -> float:
    """10 A when every tomogram is finer, else the coarsest tomogram's own; or what is wanted."""
    sizes = [tomogram.voxel_size for tomogram in tomograms]
    voxel_size = wanted or max([*sizes, WORKING_VOXEL_SIZE])
    finest_possible = max(sizes)
    if voxel_size < finest_possible * 0.999:
        log.warning(
            "a working voxel size of %g A is finer than a tomogram's %g A: boxes grow, detail does "
            "not",
            voxel_size,
            finest_possible,
        )
    return voxel_size


def geometry_for(
    tomograms: Iterable[Tomogram], options: ExtractSettings, known: Index | None
) -> BoxGeometry:
    """Box and diameter from the options, or those of the extraction a project already has."""
    if options.diameter is None and options.box is None and known is not None:
        return known.geometry
    voxel_size = working_voxel_size(tomograms, options.voxel_size)
    return choose_geometry(voxel_size, options.diameter, options.box)


def check_units(particles: ParticleSet, tomograms: dict[str, Tomogram]) -> None:
    """Refuse picks most of which lie outside their tomograms.

    Raises
    ------
    CryoalError
        Names the unit under which they would lie inside.
    """
    beyond = np.zeros(len(particles), dtype=bool)
    for name, tomogram in tomograms.items():
        rows = np.flatnonzero(particles.tomogram == name)
        beyond[rows] = outside(particles.position[rows], tomogram)
    if len(particles) and beyond.mean() > MOST:
        worst = pd.Series(particles.tomogram[beyond]).mode()[0]
        rows = particles.tomogram == worst
        readings = list(suspected_unit(particles.position[rows], tomograms[worst]))
        advice = (
            f"they would lie inside with {' or '.join(readings)}"
            if readings
            else ("check --unit and --voxel-size")
        )
        raise CryoalError(
            f"{worst}: {beyond.sum()} of {len(particles)} positions lie outside their tomograms; "
            f"{advice}"
        )


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
    """

    index: Index
    todo: list[Task]
    placements: dict[str, Placement]
    contrasts: dict[str, str]


def look_at(
    layout: Layout,
    tasks: list[Task],
    options: ExtractSettings,
    executor: Executor,
    report: ExtractReport,
) -> Survey:
    """Look at every tomogram that is not finished; nothing is written.

    Raises
    ------
    CryoalError
        A tomogram shows neither dark nor bright protein.
    """
    geometry = report.geometry
    known = Index.read(layout.subtomograms)
    index = known if known and known.geometry == geometry else Index.new(geometry)
    finished = {
        name: what for name, what in index.digests().items() if _has_stack(index, layout, name)
    }
    todo = [t for t in tasks if finished.get(t.tomogram.name) != digest(t, options.contrast)]
    current = {task.tomogram.name for task in tasks} - {task.tomogram.name for task in todo}
    index = index.without(set(index.digests()) - current)
    report.already_done = len(current)
    placements = dict(zip((t.tomogram.name for t in todo), executor.map(look, todo), strict=True))
    contrasts = _contrasts(todo, placements, options.contrast)
    report.warnings = [
        f"{name}: {placement.problem}"
        for name, placement in placements.items()
        if placement.problem
    ]
    for warning in report.warnings:
        log.warning("%s", warning)
    tilts = {task.tomogram.name: _tilts(task.tomogram) for task in tasks}
    return Survey(_with_tilts(index, tilts), todo, placements, contrasts)


def cut(
    layout: Layout,
    survey: Survey,
    options: ExtractSettings,
    executor: Executor,
    progress: Callable[[int, int], None],
) -> Index:
    """Cut what is not finished; the index grows as tomograms are."""
    # Finished is what the index names: it forgets a stack before that is made again.
    progress(0, len(survey.todo))
    index = survey.index
    index.write(layout.subtomograms)
    jobs = {
        executor.submit(extract_tomogram, _with_contrast(task, survey.contrasts)): task
        for task in survey.todo
    }
    for done, job in enumerate(as_completed(jobs), 1):
        task, result = jobs[job], job.result()
        if len(result.ids):
            wait_for_disk(task.stack)  # others are cut meanwhile
        name = task.tomogram.name
        facts = {
            "cryoalInputDigest": digest(task, options.contrast),
            "cryoalContrast": survey.contrasts[name],
            "cryoalContrastZ": f"{survey.placements[name].given.z:.2f}",
            **_tilts(task.tomogram),
        }
        index = index.with_tomogram(result, task.stack, facts)
        index.write(layout.subtomograms)
        progress(done, len(jobs))
    _finish(layout, index)
    return index


def _tilts(tomogram: Tomogram) -> dict[str, str]:
    return {
        "cryoalTiltMin": f"{tomogram.tilt_range[0]:g}",
        "cryoalTiltMax": f"{tomogram.tilt_range[1]:g}",
        "cryoalTiltAxis": tomogram.tilt_axis,
    }


def _with_tilts(index: Index, tilts: dict[str, dict[str, str]]) -> Index:
    """Put the tilts of today beside finished tomograms: no box depends on them, training does."""
    table = index.tomograms.copy()
    for column in ("cryoalTiltMin", "cryoalTiltMax", "cryoalTiltAxis"):
        if column in table:
            table[column] = [tilts[name][column] for name in table["rlnTomoName"]]
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
    return settled


def _with_contrast(task: Task, contrasts: dict[str, str]) -> Task:
    return replace(task, contrast=contrasts[task.tomogram.name])


def _finish(layout: Layout, index: Index) -> None:
    """Write the list of what was left out, and delete stacks that no particle refers to."""
    left_out = index.left_out.set_axis(["id", "tomogram", "reason"], axis=1)
    write_tsv(layout.left_out, left_out)
    named = set(index.boxes["rlnImageName"].str.split("@").str[1].unique())
    for stack in layout.subtomograms.glob("*.mrc"):
        if f"{stack.parent.name}/{stack.name}" not in named:
            stack.unlink()
    for part in layout.subtomograms.glob(".*.part"):  # of a process that was killed
        part.unlink()
