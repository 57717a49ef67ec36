"""A particle file in another dialect, with an account of what changed on the way."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Picks, formats, recognised
from cryoal.io.content import Content
from cryoal.io.files import refuse_overwriting
from cryoal.io.import_list import open_lists
from cryoal.io.particles import Reading, place_all, read_all, write_anew, write_particles
from cryoal.io.side_table import columns_left, side_table_of

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


def convert_file(
    source: Path,
    target: Path,
    dialect: str,
    tomograms: Mapping[str, Tomogram] | None = None,
    *,
    unit: str | None = None,
    relion_centre: str = "half",
    voxel_size: float | None = None,
) -> Audit:
    """Read a particle file, write it in another dialect, read that again and compare.

    Parameters
    ----------
    dialect : str
        One of ``formats``.
    tomograms : mapping of name to Tomogram, optional
        Their volumes need not exist. Without them, only pixel sizes that the file itself states
        can be used.
    unit, relion_centre
        As in ``read_particles``.
    voxel_size : float, Angstrom, optional
        Of the tomograms, where none are given and the file does not state it.

    Raises
    ------
    CryoalError
        As reading and writing do, and when the target is a file that is read, or there is one of
        that name that is no particle list.
    """
    form = formats.get(dialect)
    refuse_overwriting(target, [source])
    _refuse_other(target)
    lists = open_lists(source, unit)
    given = {} if tomograms is None else tomograms
    refuse_overwriting(target, [one.content.path for one in lists])
    refuse_overwriting(target, [t.path for t in given.values()])
    refuse_overwriting(target, [t.display_path for t in given.values()])
    if tomograms is None:
        tomograms = {}
        for one in lists:
            tomograms |= tomograms_of(one.picks, voxel_size)
    reading = place_all(lists, tomograms, relion_centre=relion_centre)
    particles = reading.particles
    used = {name: tomograms[name] for name in np.unique(particles.tomogram).tolist()}
    shown = unit is None or all(one.form.read(one.content, None).unit == unit for one in lists)
    if shown:
        write_particles(particles, target, used, dialect, relion_centre=relion_centre)
    else:
        # The file does not show its unit, so a copy would not either.
        write_anew(particles, target, used, dialect, relion_centre=relion_centre)
    again = read_all([target], used, relion_centre=relion_centre, check_inside=False)
    rewritten = particles.dialect == dialect and shown
    left = columns_left(particles, form, rewritten=rewritten)
    return _audit(reading, again, left, side_table_of(target) if left else None)


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


def _audit(before: Reading, after: Reading, left: list[str], side_table: Path | None) -> Audit:
    picks = before.picks
    rows = min(len(before.particles), len(after.particles))
    change = np.linalg.norm(
        before.particles.position[:rows] - after.particles.position[:rows], axis=1
    )
    left_out: dict[str, int] = {}
    if before.unmatched is not None:
        names, counts = np.unique(before.unmatched.tomogram, return_counts=True)
        named = [name or "no named tomogram" for name in names.tolist()]
        left_out = dict(zip(named, counts.tolist(), strict=True))
    return Audit(
        rows_in=sum(map(len, picks)),
        rows_out=len(after.particles),
        dialect_in=before.particles.dialect,
        unit_in=" and ".join(dict.fromkeys(one.unit for one in picks)),
        evidence="; ".join(dict.fromkeys(one.evidence for one in picks)),
        dialect_out=after.particles.dialect,
        unit_out=after.picks[0].unit,
        largest_change=float(change.max()) if len(change) else 0.0,
        left_out=left_out,
        columns_left=left,
        side_table=side_table,
    )


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
