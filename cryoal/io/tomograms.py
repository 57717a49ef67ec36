"""Tomograms from volumes and RELION's tomograms.star: found, checked, not yet read."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.compressed import unpack_all
from cryoal.io.display import with_display, with_displays
from cryoal.io.names import NameMatch, is_none, match_names
from cryoal.io.paths import is_star, resolve
from cryoal.io.places import places, tomogram_name, voxel_size_in_path
from cryoal.io.tomogram_star import (
    first_there,
    number,
    tilt_range_of,
    tilts_of_blocks,
    tomogram_rows,
    tomogram_set,
)
from cryoal.io.volumes import (
    Place,
    VolumeHeader,
    absolute,
    is_remote,
    mean_of_halves,
    open_volume,
    read_header,
)
from cryoal.io.voxel_size import Said, believable, resolve_voxel_size

log = logging.getLogger(__name__)

_TILT_SERIES = (".st", ".ali", ".preali", ".mrcs")


class UnplacedTomogramError(CryoalError):
    """A row of a STAR file whose volume is not there and that states no size."""


def read_tomograms(
    paths: Iterable[str | Path],
    *,
    voxel_size: float | None = None,
    fallback_voxel_size: float | None = None,
    tilt_range: tuple[float, float] | None = None,
    display: str | None = None,
    need_volumes: bool = True,
    unpack_into: str | Path | None = None,
) -> dict[str, Tomogram]:
    """Find tomograms, and check what their files claim about them.

    Parameters
    ----------
    paths : str or Path, each
        Volumes of any format (``volumes.volume_formats``), quoted patterns (``"rec/*.mrc"``),
        addresses of OME-Zarr volumes, tomograms.star, optimisation_set.star. Rows of a STAR file
        without a volume take it from the volumes beside them in the list.
    voxel_size : float, Angstrom, optional
        Overrules what files say, and chooses the level of a multiscale image that has it.
    fallback_voxel_size : float, Angstrom, optional
        Taken where files say nothing, or to choose between them where they disagree.
    tilt_range : (low, high), degrees, optional
        Overrules what tilt series say; without either it is (-60, 60).
    display : str, optional
        Pattern of volumes made for looking at (denoised), matched by name.
    need_volumes : bool
        False: rows of a STAR file whose volume is not there are kept with the size they state.
    unpack_into : folder, optional
        Where compressed volumes are unpacked once and kept; default a folder that goes when this
        process ends.

    Returns
    -------
    dict of name to Tomogram
        Names are rlnTomoName, or the stem of the volume's file.

    Raises
    ------
    CryoalError
        Missing, unreadable, flat or complex volumes; a voxel size that is unknown, or that two
        files state differently (by more than 1 %); a size that contradicts rlnTomoSize.
    """
    said = None
    if voxel_size is not None or fallback_voxel_size is not None:
        said = Said(voxel_size or fallback_voxel_size or 0.0, voxel_size is not None)
    looks = _Looks(said, need_volumes, unpack_into)
    rows: list[tuple[dict[str, str], Path]] = []
    volumes: dict[Place, None] = {}
    tilts: dict[str, tuple[float, float]] = {}
    for place in places(paths):
        if isinstance(place, Path) and place.is_file() and is_star(place):
            star, blocks = tomogram_set(place)
            tilts.update(tilts_of_blocks(blocks))
            rows += [(row, star) for row in tomogram_rows(blocks, star)]
        else:
            volumes[place] = None
    unpack_all(volumes, unpack_into)
    tomograms: dict[str, Tomogram] = {}
    spare = {tomogram_name(place): place for place in volumes}
    match = match_names([row["rlnTomoName"] for row, _ in rows], spare)
    for row, star in rows:
        tomogram, used = _from_row(row, star, _spare_of(row, spare, match, star), looks)
        for place in used:
            volumes.pop(place, None)
        limits = tilt_range or tilts.get(tomogram.name) or tilt_range_of(row, star) or (-60.0, 60.0)
        _add(tomograms, tomogram, tilt_range=limits)
    for place in volumes:
        tomogram = _from_volume(place, looks)
        _add(tomograms, tomogram, tilt_range=tilt_range or (-60.0, 60.0))
    if not tomograms:
        raise CryoalError("no tomograms were given; name volumes or a tomograms.star")
    looks.report_oddities()
    return with_displays(tomograms, display, unpack_into) if display else tomograms


def flipped(shape: tuple[int, int, int]) -> tuple[str, ...]:
    """What is odd about these sides: a lamella is thin along z; nothing if it is."""
    nz, ny, nx = shape
    odd = nz > 1.2 * min(ny, nx)
    return ("Z is not its smallest side; are its axes flipped?",) if odd else ()


@dataclass
class _Looks:
    """How volumes are looked at, and what each of them said."""

    said: Said | None
    need_volumes: bool
    unpack_into: Place | None
    headers: dict[Place, VolumeHeader] = field(default_factory=dict)

    def header(self, place: Place, wanted: float | None = None) -> VolumeHeader:
        """Header of a tomogram's volume; ``wanted`` is the voxel size of the level wanted."""
        overruling = self.said.voxel_size if self.said and self.said.overrules else None
        header = read_header(place, overruling or wanted, unpack_into=self.unpack_into)
        if header.shape[0] == 1:
            raise CryoalError(f"{place}: a single image (Z is 1); a tomogram is a volume")
        if header.volumes > 1:
            raise CryoalError(f"{place}: a stack of {header.volumes} volumes; a tomogram is one")
        self.headers[place] = header
        return header

    def loader(self, *paths: str) -> partial[NDArray[Any]]:
        """What opens a volume, or averages two halves, here and in another process."""
        options = {} if self.unpack_into is None else {"unpack_into": str(self.unpack_into)}
        load = open_volume if len(paths) == 1 else mean_of_halves
        return partial(load, *(absolute(path) for path in paths), **options)

    def report_oddities(self) -> None:
        """One warning for each kind of oddity, however many volumes share it."""
        oddities: dict[str, list[str]] = {}
        for place, header in self.headers.items():
            remarks = [*header.remarks, *flipped(header.shape)]
            if str(place).lower().endswith(_TILT_SERIES):
                remarks.append(
                    "named like a tilt series; a tomogram is what is reconstructed of it"
                )
            for remark in remarks:
                oddities.setdefault(remark, []).append(str(place))
        for remark, paths in oddities.items():
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            log.warning("%s%s: %s", paths[0], more, remark)


def _add(known: dict[str, Tomogram], tomogram: Tomogram, **changes: Any) -> None:
    if tomogram.name in known:
        raise CryoalError(
            f"two tomograms are called {tomogram.name!r}: {known[tomogram.name].path} and "
            f"{tomogram.path}; give each its own name"
        )
    known[tomogram.name] = replace(tomogram, **changes)


def _from_volume(place: Place, looks: _Looks) -> Tomogram:
    header = looks.header(place)
    if not header.cubic and looks.said is None:
        raise CryoalError(f"{place}: by its header voxels are not cubes; give --voxel-size")
    claims = {"its name": voxel_size_in_path(header.path)}
    size = resolve_voxel_size(claims, header.voxel_size, str(place), looks.said)
    return Tomogram(
        tomogram_name(place), header.shape, size, looks.loader(header.path), path=header.path
    )


@dataclass(frozen=True)
class _Spare:
    """The volume that was given beside a row and is named like it, if there is one.

    Attributes
    ----------
    place : path or address, optional
    complaint, guess : str
        That several are named so; that it is but nearly named so.
    """

    place: Place | None = None
    complaint: str = ""
    guess: str = ""


def _spare_of(
    row: Mapping[str, str], spare: Mapping[str, Place], match: NameMatch, star: Path
) -> _Spare:
    name = row["rlnTomoName"]
    if name in match.ambiguous:
        return _Spare(complaint=NameMatch(ambiguous={name: match.ambiguous[name]}).complaint())
    if name not in match.found:
        return _Spare()
    place = spare[match.found[name]]
    return _Spare(place, guess=f"{star}: {place} taken for {name}" if name in match.guessed else "")


def _from_row(
    row: dict[str, str], star: Path, spare: _Spare, looks: _Looks
) -> tuple[Tomogram, list[Place]]:
    """Tomogram of one row, and the volumes beside it that it uses."""
    name = row["rlnTomoName"]
    place = f"{star}, tomogram {name}"
    paths, used = _volumes_of(row, star, spare, place, looks.need_volumes)
    pixel = number(row, "rlnTomoTiltSeriesPixelSize", place)
    binning = number(row, "rlnTomoTomogramBinning", place)
    size = [number(row, f"rlnTomoSize{axis}", place) for axis in "XYZ"]
    claims = {star.name: round(pixel * binning, 5) if pixel and binning else None}
    if not paths:
        claims["rlnTomoTiltSeriesPixelSize"] = None if claims[star.name] else pixel
        voxel = resolve_voxel_size(claims, 0.0, place, looks.said)
        if pixel is None or any(side is None for side in size):
            raise UnplacedTomogramError(
                f"{place}: neither a volume nor rlnTomoSizeX/Y/Z with a pixel size"
            )
        shape = tuple(round(side * pixel / voxel) for side in reversed(size) if side)
        return Tomogram(name, shape, voxel, None, path=str(star), columns=row), used  # type: ignore[arg-type]
    headers = [looks.header(path, claims[star.name]) for path in paths]
    if len(headers) == 2 and headers[0].shape != headers[1].shape:
        raise CryoalError(f"{place}: its two half tomograms differ in size")
    claims["its name"] = voxel_size_in_path(headers[0].path)
    if not any(claims.values()) and not believable(headers[0].voxel_size) and pixel and size[0]:
        # An empty header, no binning: as many Angstrom as rlnTomoSizeX has, in that many voxels.
        claims["rlnTomoSizeX over its own size"] = round(size[0] * pixel / headers[0].shape[2], 5)
    voxel = resolve_voxel_size(claims, headers[0].voxel_size, f"{place} ({paths[0]})", looks.said)
    if pixel is not None and all(size):
        _check_size(headers[0].shape, [side or 0.0 for side in size], pixel, voxel, place)
    tomogram = Tomogram(
        name,
        headers[0].shape,
        voxel,
        looks.loader(*(header.path for header in headers)),
        path=headers[0].path,
        columns=row,
    )
    denoised = first_there(
        row, ("rlnTomoReconstructedTomogramDenoised", "rlnTomoDenoisedTomogram"), star
    )
    if denoised is None:
        return tomogram, used
    try:
        return with_display(tomogram, denoised, looks.unpack_into), used
    except CryoalError as problem:  # no box depends on it
        log.warning("display volume of %s left out: %s", name, problem)
        return tomogram, used


def _volumes_of(
    row: dict[str, str], star: Path, spare: _Spare, place: str, needed: bool
) -> tuple[list[Place], list[Place]]:
    """The volume, or its two halves, and which of them is ``spare``'s."""
    whole, halves = "rlnTomoReconstructedTomogram", "rlnTomoReconstructedTomogramHalf"
    for columns in ([whole], [f"{halves}1", f"{halves}2"]):
        named = [row.get(column, "") for column in columns]
        if not any(is_none(name) for name in named):
            found = [path if is_remote(path) else resolve(path, star) for path in named]
            there: list[Place] = [path for path in found if path is not None]
            if len(there) == len(named):
                return there, []
            missing = named[found.index(None)]
            if needed and spare.place is None and not spare.complaint:
                raise CryoalError(
                    f"{place}: its volume {missing} is not there; paths count from the RELION "
                    "project folder, so run cryoal from it, or name the volumes too"
                )
    if spare.complaint:
        raise CryoalError(f"{place}: {spare.complaint}")
    if spare.place is not None:
        if spare.guess:
            log.warning("%s, by what their names share", spare.guess)
        return [spare.place], [spare.place]
    if needed:
        raise CryoalError(
            f"{place}: no rlnTomoReconstructedTomogram, and no volume of that name was given; "
            'add --tomograms "FOLDER/*.mrc"'
        )
    return [], []


def _check_size(
    shape: tuple[int, int, int], size_xyz: list[float], pixel: float, voxel: float, place: str
) -> None:
    """Refuse a volume that is not the one the STAR file describes, to one voxel."""
    expected = np.array(size_xyz)[::-1] * pixel / voxel  # zyx
    if np.all(np.abs(expected - shape) <= 1):
        return
    swapped = expected[[1, 0, 2]]
    hint = (
        "its Y and Z look swapped (rotate it with IMOD's 'trimvol -rx')"
        if np.all(np.abs(swapped - shape) <= 1)
        else "is it another tomogram, or is a voxel size wrong?"
    )
    z, y, x = (round(float(side)) for side in expected)
    raise CryoalError(
        f"{place}: by rlnTomoSize {x} x {y} x {z} voxels of {voxel:g} A are expected, the volume "
        f"has {shape[2]} x {shape[1]} x {shape[0]}; {hint}"
    )
