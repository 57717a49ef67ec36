"""Particle files to particles in the frame of their tomograms, and back."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import RELION_CENTRES
from cryoal.core.particles import ParticleSet, concatenate
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import UNITS, Content, Format, Picks, formats, recognised
from cryoal.io.dialects import STAR_DIALECTS, as_dialect, canonical, same_layout
from cryoal.io.joining import fill_columns, renumber_optics
from cryoal.io.names import match_file, match_names
from cryoal.io.paths import expand, follow
from cryoal.io.placing import fitting_units, positions, share_inside
from cryoal.io.tomograms import unbinned_size

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
    """

    particles: ParticleSet
    unmatched: ParticleSet | None
    picks: list[Picks]


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
        Particle files, quoted patterns, optimisation_set.star.
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
    relion_centre: str = "half",
    check_inside: bool = True,
) -> Reading:
    """Read particles as ``read_particles`` does, and keep those whose tomogram is not given."""
    if unit is not None and unit not in UNITS:
        raise CryoalError(f"no unit is called {unit!r}; there are {', '.join(UNITS)}")
    if relion_centre not in RELION_CENTRES:
        raise CryoalError(f"--relion-centre {relion_centre}: it is {' or '.join(RELION_CENTRES)}")
    if not tomograms:
        raise CryoalError("no tomograms to look the particles up in")
    contents = [particle_file(path) for path in expand(paths)]
    if not contents:
        raise CryoalError("no particle files were given")
    inside: list[ParticleSet] = []
    outside: list[ParticleSet] = []
    all_picks: list[Picks] = []
    taken: set[str] = set()
    sources = source_names([content.path for content in contents])
    for content, source in zip(contents, sources, strict=True):
        path, form = content.path, recognised(content)
        picks = form.read(content, unit)
        log.info("%s: %s, %d particles in %s: %s", path, form.name, len(picks), picks.unit,
                 picks.evidence)  # fmt: skip
        names, known = _tomogram_of_each(picks, tomograms)
        if picks.unit == "centred_angstrom":
            _warn_of_guessed_centres(path, np.unique(names[known]).tolist(), tomograms)
        ids = _ids(picks, names, source, taken)
        taken.update(ids)
        everything = _particle_set(picks, form, names, ids, source)
        position = positions(picks, names, known, tomograms, relion_centre)
        everything = replace(everything, position=position)
        if check_inside:
            _check_inside(picks, form, content, names, known, tomograms, relion_centre, position)
        inside.append(everything[known])
        if not known.all():
            outside.append(everything[~known])
        all_picks.append(picks)
    return Reading(
        join(inside, tomograms, relion_centre),
        join(outside, tomograms, relion_centre, positions_known=False) if outside else None,
        all_picks,
    )


def particle_file(path: Path) -> Content:
    """Look at a file, or at the particle file that an optimisation_set.star names."""
    content = Content(path)
    target, _ = follow(path, content.blocks, "rlnTomoParticlesFile")
    return content if target == path else Content(target)


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


def _tomogram_of_each(
    picks: Picks, tomograms: Mapping[str, Tomogram]
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Name of the tomogram of every particle, and whether it is among those given."""
    path = picks.path
    if picks.tomogram is None or not (picks.tomogram != "").any():
        only = next(iter(tomograms)) if len(tomograms) == 1 else match_file(path.stem, tomograms)
        if only is None:
            raise CryoalError(
                f"{path}: it names no tomograms (no column rlnTomoName or rlnMicrographName) and "
                f"{len(tomograms)} tomograms are given; give one, or name the file after its own"
            )
        return np.full(len(picks), only), np.ones(len(picks), dtype=bool)
    match = match_names(picks.tomogram.tolist(), tomograms)
    if match.ambiguous or not match.found:
        raise CryoalError(
            f"{path}: its particles cannot be matched to tomograms: {match.complaint()}; given "
            f"are {', '.join(map(repr, list(tomograms)[:5]))}"
        )
    known = np.isin(picks.tomogram, list(match.found))
    if match.missing:
        counts = {n: int((picks.tomogram == n).sum()) for n in list(match.missing)[:5]}
        log.warning(
            "%s: %d of %d particles are in %d tomograms that were not given: %s",
            path, int((~known).sum()), len(picks), len(match.missing),
            ", ".join(f"{name} ({count})" for name, count in counts.items()),
        )  # fmt: skip
    return np.array([match.found.get(name, name) for name in picks.tomogram.tolist()]), known


def _warn_of_guessed_centres(
    path: Path, names: list[str], tomograms: Mapping[str, Tomogram]
) -> None:
    guessed = [name for name in names if unbinned_size(tomograms[name]) is None]
    if guessed:
        more = f" and {len(guessed) - 1} more" if len(guessed) > 1 else ""
        log.warning(
            "%s: centred coordinates are counted from the middle of the volume of %s%s, as no "
            "tomograms.star states rlnTomoSizeX/Y/Z", path, guessed[0], more,
        )  # fmt: skip


def _ids(picks: Picks, names: NDArray[np.str_], source: str, taken: set[str]) -> NDArray[np.str_]:
    """Unique id of each particle: the file's own, else tomogram and number, else with its source.

    The first list that holds an id keeps it as it is; a later one that would repeat it gets the
    prefix ``<source>:``, so that adding a list never renames the particles of those before it.
    """
    if picks.id is not None:
        ids = picks.id
    else:
        if "rlnTomoParticleName" in picks.table:
            log.warning("%s: rlnTomoParticleName is not unique; particles are numbered instead",
                        picks.path)  # fmt: skip
        order: dict[str, int] = {}
        numbered = []
        for name in names.tolist():
            order[name] = order.get(name, 0) + 1
            numbered.append(f"{name}/{order[name]}")
        ids = np.array(numbered)
    if taken.intersection(ids.tolist()):
        ids = np.array([f"{source}:{name}" for name in ids.tolist()])
    return ids


def _particle_set(
    picks: Picks, form: Format, names: NDArray[np.str_], ids: NDArray[np.str_], source: str
) -> ParticleSet:
    return ParticleSet(
        id=ids,
        tomogram=names,
        position=np.full((len(picks), 3), np.nan),
        rotation=picks.rotation,
        score=picks.score,
        score_name=picks.score_name,
        source=np.full(len(picks), source),
        table=picks.table,
        blocks=picks.blocks,
        dialect=form.name,
    )


def _check_inside(
    picks: Picks,
    form: Format,
    content: Content,
    names: NDArray[np.str_],
    known: NDArray[np.bool_],
    tomograms: Mapping[str, Tomogram],
    relion_centre: str,
    position: NDArray[np.float64],
) -> None:
    """Refuse a file most of whose positions lie outside: its unit is another."""
    share = share_inside(position[known], names[known], tomograms)
    if share > 0.5:
        return
    shares = fitting_units(form, content, names, known, tomograms, relion_centre)
    better = {unit: s for unit, s in shares.items() if s > 0.9 and unit != picks.unit}
    hint = (
        " or ".join(f"--unit {unit} ({s:.0%} inside)" for unit, s in better.items())
        if better
        else "no other unit fits: are these the right tomograms, and the right voxel size?"
    )
    raise CryoalError(
        f"{picks.path}: {1 - share:.0%} of its positions lie outside their tomograms when read as "
        f"{picks.unit} ({picks.evidence}); {'try ' if better else ''}{hint}"
    )


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
) -> None:
    """Write particles as they came, or in another dialect.

    Parameters
    ----------
    particles : ParticleSet
        Its ``table`` is what is written; columns added to it go along.
    tomograms : mapping of name to Tomogram, optional
        Needed where positions have to be counted anew, so for every other dialect.
    dialect : str, optional
        None, or the one they came in: all blocks and columns as they were.
    relion_centre : "half" or "half-minus-one"
        For writing rlnCenteredCoordinate.

    Raises
    ------
    CryoalError
        An unknown dialect, one that is only read, or tomograms that are missing.
    """
    wanted = dialect or particles.dialect or "relion5"
    form = formats.get(wanted)
    if (
        wanted == particles.dialect
        and len(particles.table) == len(particles)
        and (dialect is None or canonical(particles))
        and form.rewrite is not None
    ):
        form.rewrite(particles, Path(path))
        return
    if form.write is None:
        writable = [name for name in formats.names() if formats.get(name).write is not None]
        raise CryoalError(f"{wanted} is only read here; {', '.join(writable)} can be written")
    if tomograms is None:
        raise CryoalError(
            f"{path}: to write {wanted}, the tomograms' voxel sizes are needed; give --tomograms"
        )
    form.write(particles, Path(path), tomograms, relion_centre)
