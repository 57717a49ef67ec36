"""A particle file in another dialect, with an account of what changed on the way."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Picks, formats, recognised
from cryoal.io.particles import Reading, particle_file, read_all, write_particles

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


def convert_file(
    source: Path,
    target: Path,
    dialect: str,
    tomograms: Mapping[str, Tomogram] | None = None,
    *,
    unit: str | None = None,
    relion_centre: str = "half",
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

    Raises
    ------
    CryoalError
        As reading and writing do, and when source and target are the same file.
    """
    formats.get(dialect)
    if target.exists() and source.resolve() == target.resolve():
        raise CryoalError(f"{target}: would overwrite its own source; name another file")
    content = particle_file(source)
    told = recognised(content).read(content, None)
    if tomograms is None:
        tomograms = tomograms_of(recognised(content).read(content, unit))
    reading = read_all([source], tomograms, unit=unit, relion_centre=relion_centre)
    particles, picks = reading.particles, reading.picks[0]
    used = {name: tomograms[name] for name in np.unique(particles.tomogram).tolist()}
    if unit is not None and unit != told.unit:
        # The file does not show its unit, so a copy would not either.
        writer = formats.get(dialect).write
        if writer is None:
            raise CryoalError(f"{dialect} is only read here")
        writer(particles, target, used, relion_centre)
    else:
        write_particles(particles, target, used, dialect, relion_centre=relion_centre)
    again = read_all([target], used, relion_centre=relion_centre, check_inside=False)
    return _audit(reading, picks, again)


def _audit(before: Reading, picks: Picks, after: Reading) -> Audit:
    change = np.linalg.norm(before.particles.position - after.particles.position, axis=1)
    left_out: dict[str, int] = {}
    if before.unmatched is not None:
        names, counts = np.unique(before.unmatched.tomogram, return_counts=True)
        left_out = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return Audit(
        rows_in=len(picks),
        rows_out=len(after.particles),
        dialect_in=before.particles.dialect,
        unit_in=picks.unit,
        evidence=picks.evidence,
        dialect_out=after.particles.dialect,
        unit_out=after.picks[0].unit,
        largest_change=float(change.max()) if len(change) else 0.0,
        left_out=left_out,
    )


def tomograms_of(picks: Picks) -> dict[str, Tomogram]:
    """Tomograms of unknown size, for files that state their own pixel size.

    Raises
    ------
    CryoalError
        Voxels, fractions and centred coordinates mean nothing without their tomograms.
    """
    stated = picks.pixel_size
    if picks.unit not in ("unbinned_pixel", "output_pixel") or stated is None:
        raise CryoalError(
            f"{picks.path}: its coordinates are in {picks.unit} ({picks.evidence}), which need "
            "the tomograms' sizes; give --tomograms tomograms.star"
        )
    if not np.isfinite(stated).all():
        raise CryoalError(f"{picks.path}: it states no pixel size; give --tomograms")
    names = np.full(len(picks), picks.path.stem) if picks.tomogram is None else picks.tomogram
    found = {}
    for name in np.unique(names).tolist():
        sizes = stated[names == name]
        if np.ptp(sizes) > 0.01 * sizes[0]:
            raise CryoalError(f"{picks.path}: two pixel sizes in tomogram {name}")
        found[name] = Tomogram(name, (0, 0, 0), float(sizes[0]), path=str(picks.path))
    return found
