"""One particle file: opened once, its tomograms found, its particles placed in them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import UNITS, Format, Picks, recognised
from cryoal.io.content import Content
from cryoal.io.names import NameMatch, is_none, match_file, match_names, series_name
from cryoal.io.numbering import map_of, match_numbers
from cryoal.io.other_readings import fitting_units
from cryoal.io.paths import follow
from cryoal.io.placing import positions, share_inside
from cryoal.io.tomogram_star import unbinned_size

log = logging.getLogger(__name__)

#: A millimetre in Angstrom is 1e7; no unit here makes the numbers of a tomogram larger.
_FARTHEST = 1e8


@dataclass(frozen=True)
class Listed:
    """A particle file as it was opened: what it is, and what it states.

    Attributes
    ----------
    named_in : Path, optional
        The list of lists that names it; some of its lists may be of tomograms that are not given.
    """

    content: Content
    form: Format
    picks: Picks
    named_in: Path | None = None


def open_list(path: Path, unit: str | None = None, pick_voxel_size: float | None = None) -> Listed:
    """Recognise and read a particle file, or the one that an optimisation_set.star names.

    Parameters
    ----------
    unit : str, optional
        One of ``UNITS``; overrules the file.
    pick_voxel_size : float, Angstrom, optional
        Coordinates count voxels of this size, whatever the file or its tomograms say.

    Raises
    ------
    CryoalError
        No dialect knows it, it is damaged, or there is no such unit.
    """
    return open_content(particle_file(path), unit, pick_voxel_size)


def open_content(
    content: Content, unit: str | None = None, pick_voxel_size: float | None = None
) -> Listed:
    """Read a particle file that was looked at before; as ``open_list``."""
    if unit is not None and unit not in UNITS:
        raise CryoalError(f"no unit is called {unit!r}; there are {', '.join(UNITS)}")
    form = recognised(content)
    if pick_voxel_size is not None:
        unit = _unit_of_voxels(unit, pick_voxel_size)
    picks = form.read(content, unit)
    if pick_voxel_size is not None:
        picks = replace(
            picks,
            evidence=f"--pick-voxel-size {pick_voxel_size:g}",
            picked_voxel=pick_voxel_size,
            stated_voxel=None,
            stated_in_names=False,
        )
    if picks.tomogram is not None:
        names = ["" if is_none(name) else name for name in picks.tomogram.tolist()]
        picks = replace(picks, tomogram=np.array(names, dtype=str))
    listed = Listed(content, form, picks)
    check_size_of_numbers(listed.picks)
    log.info("%s: %s, %d particles in %s: %s", content.path, form.name, len(listed.picks),
             listed.picks.unit, listed.picks.evidence)  # fmt: skip
    for remark in listed.picks.remarks:
        log.warning("%s: %s", content.path, remark)
    return listed


def _unit_of_voxels(unit: str | None, pick_voxel_size: float) -> str:
    if not 0 < pick_voxel_size < _FARTHEST:
        raise CryoalError(
            f"--pick-voxel-size {pick_voxel_size:g}: a positive number of Angstrom is needed"
        )
    if unit not in (None, "voxel"):
        raise CryoalError(
            f"--pick-voxel-size {pick_voxel_size:g} says that coordinates count voxels, --unit "
            f"{unit} that they do not; give one of them"
        )
    return "voxel"


def check_size_of_numbers(picks: Picks) -> None:
    """Refuse coordinates that no tomogram can have, in any unit: they are damaged."""
    origin = 0.0 if picks.origin_xyz is None else picks.origin_xyz
    # A NaN is in no tomogram either, and no comparison finds it.
    far = ~(np.maximum(np.abs(picks.xyz), np.abs(origin)).max(axis=1) <= _FARTHEST)
    if far.any():
        at = int(np.flatnonzero(far)[0])
        raise CryoalError(
            f"{picks.path}, particle {at + 1}: its position is "
            f"{', '.join(f'{value:g}' for value in picks.xyz[at])}, which no tomogram is large "
            "enough for; is the file damaged?"
        )


def particle_file(path: Path) -> Content:
    """Look at a file, or at the particle file that an optimisation_set.star names."""
    content = Content(path)
    target, _ = follow(path, content.blocks, "rlnTomoParticlesFile")
    return content if target == path else Content(target)


def place(
    listed: Listed,
    tomograms: Mapping[str, Tomogram],
    relion_centre: str,
    *,
    source: str,
    taken: set[str],
    check_inside: bool,
) -> tuple[ParticleSet, NDArray[np.bool_]]:
    """Every particle of a file, and whether its tomogram is among those given: (N,) bool.

    Those whose tomogram is not have NaN positions. ``taken`` holds the ids of other files.

    Raises
    ------
    CryoalError
        Names that fit no or several tomograms; most positions outside their tomograms.
    """
    picks = listed.picks
    names, known = tomogram_of_each(picks, tomograms, all_given=listed.named_in is None)
    if picks.unit == "centred_angstrom":
        _warn_of_guessed_centres(picks.path, np.unique(names[known]).tolist(), tomograms)
    position = positions(picks, names, known, tomograms, relion_centre)
    if check_inside:
        _check_inside(listed, names, known, tomograms, relion_centre, position)
    particles = ParticleSet(
        id=_ids(picks, names, source, taken),
        tomogram=names,
        position=position,
        rotation=picks.rotation,
        score=picks.score,
        score_name=picks.score_name,
        source=np.full(len(picks), source),
        table=picks.table,
        blocks=picks.blocks,
        dialect=listed.form.name,
    )
    return particles, known


def name_match(picks: Picks, tomograms: Mapping[str, Tomogram]) -> NameMatch:
    """Which tomogram each name, or each number, of a file means."""
    names = [] if picks.tomogram is None else np.unique(picks.tomogram).tolist()
    names = [name for name in names if name]
    match = match_names(names, tomograms)
    if not picks.numbered or match.found:
        return match
    by_number = match_numbers(names, tomograms)
    if by_number is not None:
        missing: dict[str, list[str]] = {n: [] for n in names if n not in by_number}
        return NameMatch(found=by_number, missing=missing)
    if len(names) == 1:
        only = next(iter(tomograms)) if len(tomograms) == 1 else None
        only = only or match_file(picks.path.stem, tomograms)
        if only is not None:
            return NameMatch(found={names[0]: only})
    return match


def tomogram_of_each(
    picks: Picks, tomograms: Mapping[str, Tomogram], *, all_given: bool = True
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Name of the tomogram of every particle, and whether it is among those given.

    Refused is a file none of whose tomograms is, unless ``all_given`` is false.
    """
    path = picks.path
    if picks.tomogram is None or not (picks.tomogram != "").any():
        only = next(iter(tomograms)) if len(tomograms) == 1 else match_file(path.stem, tomograms)
        if only is None:
            raise CryoalError(
                f"{path}: it names no tomograms (no column rlnTomoName or rlnMicrographName) and "
                f"{len(tomograms)} tomograms are given; give one, or name the file after its own"
            )
        if not series_name(path.stem).startswith(series_name(only)):
            log.warning("%s: taken for tomogram %s, by what their names share", path, only)
        return np.full(len(picks), only), np.ones(len(picks), dtype=bool)
    match = name_match(picks, tomograms)
    if match.ambiguous or (all_given and not match.found):
        hint = (
            f"; it numbers them: write lines such as '1 {next(iter(tomograms))}' into "
            f"{map_of(path)}"
            if picks.numbered
            else ""
        )
        raise CryoalError(
            f"{path}: its particles cannot be matched to tomograms: {match.complaint()}; given "
            f"are {', '.join(map(repr, list(tomograms)[:5]))}{hint}"
        )
    if picks.numbered and not set(match.found) <= set(tomograms):
        pairs = [f"{number} is {name}" for number, name in list(match.found.items())[:5]]
        log.warning("%s: it numbers its tomograms; taken by name: %s", path, ", ".join(pairs))
    if match.guessed:
        log.warning("%s: tomograms %s", path, match.guesses())
    known = np.isin(picks.tomogram, list(match.found))
    unnamed = int((picks.tomogram == "").sum())
    if unnamed:
        log.warning("%s: %d of %d particles name no tomogram", path, unnamed, len(picks))
    if match.missing:
        counts = {n: int((picks.tomogram == n).sum()) for n in list(match.missing)[:5]}
        log.warning(
            "%s: %d of %d particles are in %d tomograms that were not given: %s",
            path, int((~known).sum()) - unnamed, len(picks), len(match.missing),
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


def _check_inside(
    listed: Listed,
    names: NDArray[np.str_],
    known: NDArray[np.bool_],
    tomograms: Mapping[str, Tomogram],
    relion_centre: str,
    position: NDArray[np.float64],
) -> None:
    """Refuse a file most of whose positions lie outside: its unit is another."""
    picks = listed.picks
    share = share_inside(position[known], names[known], tomograms)
    if share > 0.5:
        return
    shares = fitting_units(listed.form, listed.content, names, known, tomograms, relion_centre)
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
