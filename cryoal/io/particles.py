"""Particle files to particles in the frame of their tomograms, and back."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import RELION_CENTRES
from cryoal.core.particles import ParticleSet, concatenate
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import UNITS, Format, Picks, formats
from cryoal.io.dialects import STAR_DIALECTS, as_dialect, canonical, same_layout
from cryoal.io.import_list import open_lists
from cryoal.io.joining import fill_columns, renumber_optics
from cryoal.io.listing import Listed, place
from cryoal.io.other_readings import other_readings
from cryoal.io.paths import expand
from cryoal.io.side_table import write_side_table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """What came of reading particle files.

    Attributes
    ----------
    particles : ParticleSet
        Those whose tomogram is known.
    unmatched : ParticleSet or None
        The others: their tomogram as written, their positions NaN.
    picks : list of Picks, one a file
        As the files state them, with unit and evidence.
    others : mapping of list to reading to (n, 3) float, zyx, Angstrom
        By the name of the list in ``particles.source``: where its particles would be by other
        options ("with --unit voxel"), in their order; empty unless asked for.
    """

    particles: ParticleSet
    unmatched: ParticleSet | None
    picks: list[Picks]
    others: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)


def read_particles(
    paths: Iterable[str | Path],
    tomograms: Mapping[str, Tomogram],
    *,
    unit: str | None = None,
    relion_centre: str = "half",
) -> ParticleSet:
    """Read particles of these tomograms; see ``read_all`` for those of other tomograms.

    Parameters
    ----------
    paths : str or Path, each
        Particle files, quoted patterns, optimisation_set.star, RELION 5's lists of lists.
    tomograms : mapping of name to Tomogram
        Names in the files are matched tolerantly (``names.match_names``).
    unit : str, optional
        One of ``UNITS``; overrules what the file's columns and values say.
    relion_centre : "half" or "half-minus-one"
        Where rlnCenteredCoordinate counts from (``geometry.relion_uncentred``).

    Raises
    ------
    CryoalError
        Unreadable files, no or ambiguous tomogram names, a file with no particle in any
        tomogram, or most positions outside (which is a wrong unit).
    """
    return read_all(paths, tomograms, unit=unit, relion_centre=relion_centre).particles


def read_all(
    paths: Iterable[str | Path],
    tomograms: Mapping[str, Tomogram],
    *,
    unit: str | None = None,
    pick_voxel_size: float | None = None,
    relion_centre: str = "half",
    check_inside: bool = True,
    other_options: bool = False,
) -> Reading:
    """Read particles as ``read_particles`` does, and keep those whose tomogram is not given.

    Parameters
    ----------
    pick_voxel_size : float, Angstrom, optional
        As ``listing.open_list`` takes it.
    other_options : bool
        Whether ``Reading.others`` is wanted.
    """
    if unit is not None and unit not in UNITS:
        raise CryoalError(f"no unit is called {unit!r}; there are {', '.join(UNITS)}")
    listed = [one for path in expand(paths) for one in open_lists(path, unit, pick_voxel_size)]
    options: dict[str, Any] = {
        "relion_centre": relion_centre,
        "check_inside": check_inside,
        "other_options": other_options,
    }
    return place_all(listed, tomograms, **options)


def place_all(
    lists: list[Listed],
    tomograms: Mapping[str, Tomogram],
    *,
    relion_centre: str = "half",
    check_inside: bool = True,
    other_options: bool = False,
) -> Reading:
    """Place the particles of files that are already open; as ``read_all``, which opens them."""
    if relion_centre not in RELION_CENTRES:
        raise CryoalError(f"--relion-centre {relion_centre}: it is {' or '.join(RELION_CENTRES)}")
    if not tomograms:
        raise CryoalError("no tomograms to look the particles up in")
    if not lists:
        raise CryoalError("no particle files were given")
    inside: list[ParticleSet] = []
    outside: list[ParticleSet] = []
    taken: set[str] = set()
    others: dict[str, dict[str, NDArray[np.float64]]] = {}
    sources = source_names([listed.content.path for listed in lists])
    for listed, source in zip(lists, sources, strict=True):
        everything, known = place(
            listed, tomograms, relion_centre,
            source=source, taken=taken, check_inside=check_inside,
        )  # fmt: skip
        taken.update(everything.id.tolist())
        inside.append(everything[known])
        if not known.all():
            outside.append(everything[~known])
        if other_options:
            readings = other_readings(
                listed.form, listed.content, listed.picks,
                everything.tomogram, known, tomograms, relion_centre,
            )  # fmt: skip
            others[source] = {name: there[known] for name, there in readings.items()}
    if not any(map(len, inside)):
        raise CryoalError(
            f"{lists[0].named_in or lists[0].content.path}: none of its particles is in a "
            f"tomogram that is given ({', '.join(map(repr, list(tomograms)[:5]))})"
        )
    return Reading(
        join(inside, tomograms, relion_centre),
        join(outside, tomograms, relion_centre, positions_known=False) if outside else None,
        [listed.picks for listed in lists],
        others,
    )


def source_names(files: list[Path]) -> list[str]:
    """Stem of each file, with as many folders before it as tell equal stems apart."""
    names = [file.stem for file in files]
    for depth in range(2, 8):
        twice = {name for name in names if names.count(name) > 1}
        if not twice:
            break
        names = [
            "/".join((*file.resolve().parts[-depth:-1], file.stem)) if name in twice else name
            for file, name in zip(files, names, strict=True)
        ]
    return names


def join(
    parts: list[ParticleSet],
    tomograms: Mapping[str, Tomogram],
    relion_centre: str = "half",
    *,
    positions_known: bool = True,
) -> ParticleSet:
    """One set from several files; lists that count differently become one dialect, the first's."""
    parts = [part for part in parts if len(part)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    if positions_known and not all(same_layout(parts[0], part) for part in parts):
        dialect = parts[0].dialect if parts[0].dialect in STAR_DIALECTS else "relion5"
        log.warning("particle lists differ in how they count; joined as %s", dialect)
        parts = [
            part
            if part.dialect == dialect and canonical(part)
            else as_dialect(part, dialect, tomograms, relion_centre)
            for part in parts
        ]
    return concatenate(fill_columns(renumber_optics(parts)))


def write_particles(
    particles: ParticleSet,
    path: str | Path,
    tomograms: Mapping[str, Tomogram] | None = None,
    dialect: str | None = None,
    *,
    relion_centre: str = "half",
) -> Path | None:
    """Write particles as they came, or in another dialect.

    Parameters
    ----------
    particles : ParticleSet
        Its ``table`` is what is written; columns added to it go along.
    tomograms : mapping of name to Tomogram, optional
        Needed where positions have to be counted anew, so for every other dialect. Columns that
        a dialect has no place for go to ``<path>.columns.tsv`` (``side_table``).
    dialect : str, optional
        None, or the one they came in: all blocks and columns as they were.
    relion_centre : "half" or "half-minus-one"
        For writing rlnCenteredCoordinate.

    Returns
    -------
    Path of the table of those columns, None if each had its place

    Raises
    ------
    CryoalError
        An unknown dialect, one that is only read, or tomograms that are missing.
    """
    form = form_of(particles, dialect)
    wanted = form.name
    refuse_several(particles, Path(path), form)
    if (
        wanted == particles.dialect
        and len(particles.table) == len(particles)
        and (dialect is None or canonical(particles))
        and form.rewrite is not None
    ):
        form.rewrite(particles, Path(path))
        return write_side_table(particles, Path(path), form, rewritten=True)
    return write_anew(particles, path, tomograms, wanted, relion_centre=relion_centre)


def form_of(particles: ParticleSet, dialect: str | None = None) -> Format:
    """Format that these particles are written in: their own, or another dialect's."""
    return formats.get(dialect or particles.dialect or "relion5")


def refuse_several(particles: ParticleSet, path: Path, form: Format) -> None:
    """Refuse tomograms that one file could not tell apart.

    Raises
    ------
    CryoalError
        The dialect holds one tomogram a file, and these are of several, or of none.
    """
    names = np.unique(particles.tomogram)
    if form.one_tomogram and len(names) != 1:
        raise CryoalError(
            f"{path}: {form.name} holds one tomogram a file and these particles lie in "
            f"{len(names)}; name a folder, or a file with {{tomogram}} in its name, such as "
            f"{{tomogram}}{form.suffix}, or write csv, which names them"
        )


def write_anew(
    particles: ParticleSet,
    path: str | Path,
    tomograms: Mapping[str, Tomogram] | None,
    dialect: str,
    *,
    relion_centre: str = "half",
) -> Path | None:
    """Write particles with their positions counted anew, also in the dialect they came in."""
    form = formats.get(dialect)
    if form.write is None:
        writable = [name for name in formats.names() if formats.get(name).write is not None]
        raise CryoalError(
            f"{dialect} is only read here; {', '.join(writable)} can be written (--to)"
        )
    if tomograms is None:
        raise CryoalError(
            f"{path}: to write {dialect}, the tomograms' voxel sizes are needed; give --tomograms"
        )
    refuse_several(particles, Path(path), form)
    form.write(particles, Path(path), tomograms, relion_centre)
    return write_side_table(particles, Path(path), form)
