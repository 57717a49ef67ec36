"""From tomograms and picks to subtomograms: checks first, then one task a tomogram."""

import contextlib
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError
from cryoal.data.extract import BoxGeometry, Task, check_fits, extract_tomogram
from cryoal.data.store import Index
from cryoal.io.files import locked, wait_for_disk
from cryoal.io.mrc import is_own_stack
from cryoal.io.tsv import write_tsv
from cryoal.project import inputs, journal
from cryoal.project.forgetting import forget, moved_away
from cryoal.project.gathering import (
    StatedTilts,
    check_units,
    gather_picks,
    gather_tomograms,
    geometry_for,
)
from cryoal.project.labels import REATTACH, ProjectLabels
from cryoal.project.layout import Layout
from cryoal.project.settings import ExtractSettings, Settings, read_settings, write_template
from cryoal.project.survey import Survey, digest, look_at, make_tasks
from cryoal.project.workers import executor

log = logging.getLogger(__name__)


def extract(
    layout: Layout,
    tomograms: Sequence[str | Path],
    particles: Sequence[str | Path],
    *,
    options: Mapping[str, Any] | None = None,
    unit: str | None = None,
    pick_voxel_size: float | None = None,
    relion_centre: str = "half",
    tilt_range: tuple[float, float] | None = None,
    tilt_axis: float | None = None,
    beam_axis: str | None = None,
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
    pick_voxel_size : float, Angstrom, optional
        The new lists count voxels of this size.
    tilt_range : (low, high), degrees
    tilt_axis : float, degrees, optional
    beam_axis : "z", "y" or "x", optional
        As ``Tomogram`` has them; those that the tomograms have where they are not given.
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
        stated = StatedTilts(tilt_range, tilt_axis, beam_axis)
        known = gather_tomograms(layout, tomograms, chosen, stated, display, unpack_into)
        merged, unmatched, others = gather_picks(
            layout, particles, known, unit, pick_voxel_size, relion_centre
        )
        check_units(merged, known)
        geometry = geometry_for(known.values(), chosen, Index.read(layout.subtomograms))
        tasks = make_tasks(layout, merged, known, geometry, chosen, others)
        for task in tasks:
            check_fits(task.tomogram, geometry, chosen.edge)
        report = ExtractReport(len(merged), len(tasks), geometry)
        began = time.monotonic()
        pool = held.enter_context(executor(workers, len(tasks), scheduler))
        survey = look_at(layout, tasks, chosen, pool, geometry)
        report.already_done, report.warnings = survey.already_done, survey.warnings
        _refuse_in_the_way(layout, survey)
        report.missing_voxels = {n: c.missing for n, c in survey.checks.items() if c.missing}
        if dry_run:
            return report
        if new:
            layout.root.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(layout.lock))
            _refuse_foreign(layout.root)
            write_template(layout.settings, given)
        if layout.particles.exists():
            before, near = inputs.read_particles(layout.particles), REATTACH * geometry.diameter
            gone = moved_away(before, merged, near)
            if gone:
                forget(layout, gone)
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
    adrift = ProjectLabels(layout, merged, geometry.diameter).adrift()
    if adrift:
        log.warning(
            "%s no particle within a quarter of a diameter any more; kept, to count again when one "
            "comes back",
            "1 label has" if adrift == 1 else f"{adrift} labels have",
        )
    return report


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds anything already; what is hidden (.DS_Store) does not count."""
    if folder.exists() and not folder.is_dir():
        raise CryoalError(f"{folder}: is a file; name a new folder")
    if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise CryoalError(f"{folder}: neither empty nor a cryoal project; name a new folder")


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
    missing_voxels: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        facts = asdict(self)
        return {**facts.pop("geometry"), **facts}


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
    # Before the index forgets them: what it does not name is not deleted.
    _delete_outlived(layout, survey)
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
            "cryoalContrastZ": f"{survey.checks[name].placement.given.z:.2f}",
            **task.tomogram.tilting.columns(),
        }
        index = index.with_tomogram(result, task.stack, facts)
        index.write(layout.subtomograms)
        progress(done, len(jobs))
    left_out = index.left_out.set_axis(["id", "tomogram", "reason"], axis=1)
    write_tsv(layout.left_out, left_out)
    return index


def _with_contrast(task: Task, contrasts: dict[str, str]) -> Task:
    return replace(task, contrast=contrasts[task.tomogram.name], lists=None)


def _refuse_in_the_way(layout: Layout, survey: Survey) -> None:
    """Refuse to write a stack over a file that no extraction of this project made.

    One that the index does not name may be of an extraction that was killed before it was named
    there. A link is followed, so it must lead to boxes.
    """
    named = _named(layout)
    for stack in (task.stack for task in survey.todo):
        if not stack.exists():
            continue
        known, link = stack in named, stack.is_symlink()
        if (known and not link) or (is_own_stack(stack) and known >= link):
            continue
        raise CryoalError(
            f"{stack}: is in the way, no extraction of this project wrote it; move it to another "
            "folder"
        )


def _named(layout: Layout) -> set[Path]:
    """The stacks that the index on the disk names."""
    index = Index.read(layout.subtomograms)
    return set() if index is None else index.stacks(layout.subtomograms)


def _delete_outlived(layout: Layout, survey: Survey) -> None:
    """Delete the stacks of tomograms that have no picks any more, of those the index names."""
    kept = survey.index.stacks(layout.subtomograms) | {task.stack for task in survey.todo}
    for stack in _named(layout) - kept:
        stack.unlink(missing_ok=True)
