"""What is to be extracted: the tomograms and picks of a project, with those that are new."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cryoal.io as io
from cryoal.core.errors import CryoalError
from cryoal.core.geometry import BEAM_AXES
from cryoal.core.particles import ParticleSet
from cryoal.core.tilting import check_tilts
from cryoal.core.tomogram import Tomogram
from cryoal.data.extract import WORKING_VOXEL_SIZE, BoxGeometry, choose_geometry
from cryoal.data.store import Index
from cryoal.data.units import outside, suspected_unit
from cryoal.io.display import with_displays
from cryoal.io.names import match_names
from cryoal.io.volumes import is_remote
from cryoal.project import inputs
from cryoal.project.layout import Layout
from cryoal.project.settings import ExtractSettings

log = logging.getLogger(__name__)

#: Fraction of positions outside their tomograms above which the unit must be wrong.
MOST = 0.5


@dataclass(frozen=True)
class StatedTilts:
    """What the options say of how tomograms were tilted; None where they say nothing."""

    tilt_range: tuple[float, float] | None = None
    tilt_axis: float | None = None
    beam_axis: str | None = None

    def __post_init__(self) -> None:
        check_tilts(self.tilt_range, self.tilt_axis)
        if self.beam_axis not in (None, *BEAM_AXES):
            raise CryoalError(f"--beam-axis {self.beam_axis}: it is {', '.join(BEAM_AXES)}")

    def of(self, tomogram: Tomogram) -> Tomogram:
        """The tomogram as they say; a tilt axis counts from the beam axis that is said with it."""
        said = {name: value for name, value in vars(self).items() if value is not None}
        if self.beam_axis not in (None, tomogram.beam_axis):
            said.setdefault("tilt_axis", 0.0)
        return replace(tomogram, **said)


def gather_tomograms(
    layout: Layout,
    paths: Sequence[str | Path],
    options: ExtractSettings,
    stated: StatedTilts,
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
            tilt_range=stated.tilt_range,
            unpack_into=unpack_into,
        )
        new = _under_old_names(new, old)
        known |= {name: stated.of(_as_before(t, old.get(name))) for name, t in new.items()}
    else:
        known = {name: stated.of(t) for name, t in known.items()}
    if not known:
        raise CryoalError("which tomograms? Give --tomograms (volumes or a tomograms.star)")
    return with_displays(known, display, unpack_into) if display is not None else known


def _under_old_names(new: dict[str, Tomogram], old: dict[str, Tomogram]) -> dict[str, Tomogram]:
    """New volumes of tomograms whose own are gone, under the names that the project has.

    Raises
    ------
    CryoalError
        One could be of several.
    """
    gone = [name for name, tomogram in old.items() if name not in new and _is_gone(tomogram)]
    match = match_names(gone, [name for name in new if name not in old])
    if match.ambiguous:
        raise CryoalError(f"volumes of this project are gone, and {match.complaint()}")
    names = {called: name for name, called in match.found.items()}
    for called, name in names.items():
        log.warning("%s: its volume is gone, %s is taken for it", name, new[called].path)
    return {
        names.get(name, name): replace(tomogram, name=names.get(name, name))
        for name, tomogram in new.items()
    }


def _is_gone(tomogram: Tomogram) -> bool:
    return not (is_remote(tomogram.path) or Path(tomogram.path).exists())


def _as_before(new: Tomogram, old: Tomogram | None) -> Tomogram:
    """A tomogram that is given again, with what only an option can have said of it.

    A volume that is given alone keeps what a tomograms.star said, too.
    """
    if old is None:
        return new
    new = replace(new, tilt_axis=old.tilt_axis, beam_axis=old.beam_axis)
    if new.columns is None:
        new = replace(new, columns=old.columns, tilt_range=old.tilt_range)
    return _with_old_display(new, old)


def _with_old_display(new: Tomogram, old: Tomogram) -> Tomogram:
    if new.load_display is not None or old.shape != new.shape:
        return new
    return replace(
        new,
        load_display=old.load_display,
        display_path=old.display_path,
        display_shape=old.display_shape,
        display_voxel_size=old.display_voxel_size,
    )


def gather_picks(
    layout: Layout,
    particles: Sequence[str | Path],
    tomograms: dict[str, Tomogram],
    unit: str | None,
    pick_voxel_size: float | None,
    relion_centre: str,
) -> tuple[ParticleSet, int, dict[str, dict[str, NDArray[np.float64]]]]:
    """The project's picks with the new ones, how many match no tomogram, other readings.

    Those are of the new lists, as ``io.Reading.others`` has them.
    """
    old = inputs.read_particles(layout.particles) if layout.particles.exists() else None
    if not particles:
        for option, value in (("--unit", unit), ("--pick-voxel-size", pick_voxel_size)):
            if value is not None:
                raise CryoalError(f"{option} belongs to --particles: give those again as well")
        if old is None:
            raise CryoalError("which picks? Give --particles (a particle file, or several)")
        return old, 0, {}
    reading = io.read_all(
        particles,
        tomograms,
        unit=unit,
        pick_voxel_size=pick_voxel_size,
        relion_centre=relion_centre,
        other_options=True,
    )
    unmatched = 0 if reading.unmatched is None else len(reading.unmatched)
    return inputs.merge(old, reading.particles), unmatched, reading.others


def check_units(particles: ParticleSet, tomograms: dict[str, Tomogram]) -> None:
    """Refuse a list most of whose picks lie outside their tomograms.

    Raises
    ------
    CryoalError
        Names the unit under which they would lie inside.
    """
    if particles.source is None:
        _check_unit(particles, tomograms)
        return
    for source in np.unique(particles.source).tolist():
        _check_unit(particles[particles.source == source], tomograms)


def _check_unit(particles: ParticleSet, tomograms: dict[str, Tomogram]) -> None:
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


def geometry_for(
    tomograms: Iterable[Tomogram], options: ExtractSettings, known: Index | None
) -> BoxGeometry:
    """Box and diameter from the options, or those of the extraction a project already has."""
    if options.diameter is None and options.box is None and known is not None:
        return known.geometry
    voxel_size = working_voxel_size(tomograms, options.voxel_size)
    return choose_geometry(voxel_size, options.diameter, options.box)


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
