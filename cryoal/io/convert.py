"""A particle file in another dialect, with an account of what changed on the way."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Picks, formats, recognised
from cryoal.io.content import Content
from cryoal.io.files import refuse_overwriting
from cryoal.io.import_list import open_lists
from cryoal.io.inspect import is_one, look, members
from cryoal.io.listing import Listed
from cryoal.io.many_files import MANIFEST, Plan, plan_files, write_files
from cryoal.io.particles import Reading, place_all, read_all
from cryoal.io.side_table import ENDING, columns_left, side_table_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Audit:
    """What a conversion did.

    Attributes
    ----------
    rows_in, rows_out : int
    dialect_in, unit_in, evidence : str
    dialect_out, unit_out : str
        As the written file is recognised when it is read again.
    largest_change : float, Angstrom
        Between a position before and after writing and reading again.
    left_out : dict of tomogram name to count
        Particles whose tomogram was not given.
    columns_left : list of str
        Columns that the target has no place for.
    side_table : Path or None
        Where those columns are kept, row by row.
    files_in, files_out : int
    target : Path
        With ``{tomogram}`` and ``{class}`` where each has its own file.
    """

    rows_in: int
    rows_out: int
    dialect_in: str
    unit_in: str
    evidence: str
    dialect_out: str
    unit_out: str
    largest_change: float
    left_out: dict[str, int]
    columns_left: list[str] = field(default_factory=list)
    side_table: Path | None = None
    files_in: int = 1
    files_out: int = 1
    target: Path | None = None


def convert_file(
    source: Path,
    target: Path,
    dialect: str,
    tomograms: Mapping[str, Tomogram] | None = None,
    *,
    unit: str | None = None,
    pick_voxel_size: float | None = None,
    relion_centre: str = "half",
    voxel_size: float | None = None,
) -> Audit:
    """Read a particle file, write it in another dialect, read that again and compare.

    Parameters
    ----------
    source : Path
        A file, or a folder, which stands for all particle lists in it and below.
    target : Path
        As in ``many_files.plan_files``.
    dialect : str
        One of ``formats``.
    tomograms : mapping of name to Tomogram, optional
        Their volumes need not exist. Without them, only pixel sizes that the file itself states
        can be used.
    unit, pick_voxel_size, relion_centre
        As in ``read_all``.
    voxel_size : float, Angstrom, optional
        Of the tomograms, where none are given and the file does not state it.

    Raises
    ------
    CryoalError
        As reading and writing do, and when the target is a file that is read, or there is one of
        that name that is no particle list.
    """
    form = formats.get(dialect)
    _refuse_other(target)
    lists = _open(source, unit, pick_voxel_size)
    given = {} if tomograms is None else tomograms
    if tomograms is None:
        tomograms = _tomograms_of_all(lists, voxel_size)
    reading = place_all(lists, tomograms, relion_centre=relion_centre)
    particles = reading.particles
    read = [source, *(one.content.path for one in lists)]
    read += [Path(v) for t in given.values() for v in (t.path, t.display_path) if v]
    refuse_overwriting(target, read)
    plan = plan_files(particles, target, dialect)
    for part in plan.parts:
        refuse_overwriting(part.path, read)
    used = {name: tomograms[name] for name in np.unique(particles.tomogram).tolist()}
    overruled = unit is not None or pick_voxel_size is not None
    # Where the file does not show its unit, a copy would not either.
    shown = not overruled or (
        pick_voxel_size is None
        and all(one.form.read(one.content, None).unit == unit for one in lists)
    )
    write_files(particles, plan, used, dialect, relion_centre=relion_centre, anew=not shown)
    rewritten = particles.dialect == dialect and shown
    left = columns_left(particles, form, rewritten=rewritten)
    again = [
        read_all([part.path], {part.tomogram: used[part.tomogram]} if part.tomogram else used,
                 relion_centre=relion_centre, check_inside=False)
        for part in plan.parts
    ]  # fmt: skip
    picks = reading.picks
    return Audit(
        rows_in=sum(map(len, picks)),
        rows_out=sum(len(one.particles) for one in again),
        dialect_in=particles.dialect,
        unit_in=" and ".join(dict.fromkeys(one.unit for one in picks)),
        evidence="; ".join(dict.fromkeys(one.evidence for one in picks)),
        dialect_out=again[0].particles.dialect if again else dialect,
        unit_out=again[0].picks[0].unit if again else "",
        largest_change=_largest_change(particles, plan, again),
        left_out=_left_out(reading),
        columns_left=left,
        side_table=side_table_of(plan.target) if left else None,
        files_in=len(lists),
        files_out=len(plan.parts),
        target=plan.target,
    )


def _open(source: Path, unit: str | None, pick_voxel_size: float | None) -> list[Listed]:
    """The list that a file is, or all lists in a folder and below, in the order of their names."""
    if not source.is_dir() or is_one(source):
        return open_lists(source, unit, pick_voxel_size)
    lists, others = [], []
    for path in members(source):
        if path.name == MANIFEST or path.name.endswith(ENDING):
            continue
        found = look(path, unit=unit, pick_voxel_size=pick_voxel_size)
        opened = [one.listed for one in (found, *found.lists) if one.listed is not None]
        if found.facts["kind"] == "particles" and found.facts["refused"]:
            raise CryoalError(found.facts["refused"])
        if opened:
            lists += opened
        else:
            others.append(path.name)
    if not lists:
        raise CryoalError(f"{source}: no particle list in this folder")
    if others:
        shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        log.info("%s: files passed over, as no particle lists: %d (%s)", source, len(others), shown)
    return lists


def _tomograms_of_all(lists: list[Listed], voxel_size: float | None) -> dict[str, Tomogram]:
    found: dict[str, Tomogram] = {}
    for listed in lists:
        for name, tomogram in tomograms_of(listed.picks, voxel_size).items():
            known = found.setdefault(name, tomogram)
            if abs(known.voxel_size - tomogram.voxel_size) > 0.01 * known.voxel_size:
                raise CryoalError(
                    f"{listed.picks.path}: voxels of {tomogram.voxel_size:g} A in tomogram {name}, "
                    f"of {known.voxel_size:g} A in {known.path}; give --tomograms"
                )
    return found


def _refuse_other(target: Path) -> None:
    """Refuse to write over a file that is no particle list: a tomogram, somebody's notes."""
    if not (target.is_file() and target.stat().st_size):
        return
    try:
        recognised(Content(target))
    except CryoalError as problem:
        raise CryoalError(
            f"{target}: is there, and no particle list; name another file, or move it"
        ) from problem


def _largest_change(before: ParticleSet, plan: Plan, after: list[Reading]) -> float:
    """Largest distance between where a particle was and where it is read again, Angstrom."""
    largest = 0.0
    for part, again in zip(plan.parts, after, strict=True):
        there, here = before.position[part.rows], again.particles.position
        rows = min(len(there), len(here))
        change = np.linalg.norm(there[:rows] - here[:rows], axis=1)
        largest = max(largest, float(change.max(initial=0.0)))
    return largest


def _left_out(reading: Reading) -> dict[str, int]:
    if reading.unmatched is None:
        return {}
    names, counts = np.unique(reading.unmatched.tomogram, return_counts=True)
    named = [name or "no named tomogram" for name in names.tolist()]
    return dict(zip(named, counts.tolist(), strict=True))


def tomograms_of(picks: Picks, voxel_size: float | None = None) -> dict[str, Tomogram]:
    """Tomograms of unknown size, for files that state their own pixel size.

    Parameters
    ----------
    voxel_size : float, Angstrom, optional
        Where the file states none.

    Raises
    ------
    CryoalError
        Voxels, fractions and centred coordinates mean nothing without their tomograms.
    """
    if picks.picked_voxel is not None:
        voxel_size = picks.picked_voxel
    counted = picks.unit in ("unbinned_pixel", "output_pixel")
    stated = picks.pixel_size if counted else picks.stated_voxel
    if picks.unit in ("fraction", "centred_angstrom") or picks.from_middle:
        raise CryoalError(
            f"{picks.path}: its coordinates are in {picks.unit} ({picks.evidence}), which need "
            "the tomograms' sizes; give --tomograms tomograms.star"
        )
    known = np.full(len(picks), np.nan) if stated is None else stated
    known = np.where(np.isfinite(known), known, voxel_size or np.nan)
    if not np.isfinite(known).all():
        raise CryoalError(
            f"{picks.path}: its coordinates are in {picks.unit} ({picks.evidence}) and it states "
            "no voxel size; give --tomograms tomograms.star, or --voxel-size"
        )
    names = picks.tomogram
    if names is None or not (names != "").any():
        names = np.full(len(picks), picks.path.stem)
    found = {}
    for name in filter(None, np.unique(names).tolist()):
        sizes = known[names == name]
        if np.ptp(sizes) > 0.01 * sizes[0]:
            raise CryoalError(f"{picks.path}: two pixel sizes in tomogram {name}")
        found[name] = Tomogram(name, (0, 0, 0), float(sizes[0]), path=str(picks.path))
    return found
