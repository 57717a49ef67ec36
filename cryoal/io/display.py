"""Volumes made for looking at (denoised), beside the tomograms that boxes are cut from."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.compressed import unpack_all
from cryoal.io.names import match_names
from cryoal.io.places import places, tomogram_name
from cryoal.io.volumes import Place, VolumeHeader, absolute, open_volume, read_header
from cryoal.io.voxel_size import believable

log = logging.getLogger(__name__)


def with_displays(
    tomograms: Mapping[str, Tomogram], pattern: str, unpack_into: Place | None = None
) -> dict[str, Tomogram]:
    """Give tomograms the display volumes that are named like them.

    Parameters
    ----------
    tomograms : mapping of name to Tomogram
    pattern : str
        Of volumes of any format; those that fit no tomogram are told and left.
    unpack_into : folder, optional
        As in ``read_header``.

    Raises
    ------
    CryoalError
        None of the volumes is named like a tomogram, one could be two, or one shows another
        field than its tomogram.
    """
    found: dict[str, Place] = {}
    for place in places([pattern]):
        name = tomogram_name(place)
        if name in found:
            raise CryoalError(
                f"{pattern}: {found[name]} and {place} are both called {name!r}; give one of them"
            )
        found[name] = place
    match = match_names(tomograms, found)
    unpack_all([found[called] for called in match.found.values()], unpack_into)
    if match.ambiguous:
        raise CryoalError(f"{pattern}: {match.complaint()}")
    if not match.found:
        raise CryoalError(
            f"{pattern}: none of its {len(found)} files is named like a tomogram; tomograms are "
            f"called {', '.join(list(tomograms)[:3])}"
        )
    if match.missing:
        log.warning(
            "%d of %d tomograms have no display volume in %s: %s",
            *(len(match.missing), len(tomograms), pattern, ", ".join(list(match.missing)[:5])),
        )
    if match.guessed:
        log.warning("%s: display volumes %s", pattern, match.guesses())
    shown = dict(tomograms)
    for name, called in match.found.items():
        shown[name] = with_display(tomograms[name], found[called], unpack_into)
    _tell_binnings([shown[name] for name in match.found])
    return shown


def with_display(tomogram: Tomogram, place: Place, unpack_into: Place | None = None) -> Tomogram:
    """Give a tomogram one display volume, on its own grid or binned.

    Raises
    ------
    CryoalError
        The volume shows another field than the tomogram.
    """
    header = read_header(place, tomogram.voxel_size, unpack_into=unpack_into)
    path = absolute(header.path)
    options = {} if unpack_into is None else {"unpack_into": str(unpack_into)}
    return replace(
        tomogram,
        load_display=partial(open_volume, path, **options),
        display_path=path,
        display_shape=header.shape,
        display_voxel_size=_voxel_size(tomogram, header, place),
    )


def _voxel_size(tomogram: Tomogram, header: VolumeHeader, place: Place) -> float:
    """Voxel size under which a volume shows the same field as the tomogram, to a voxel."""
    if header.shape == tomogram.shape:
        return tomogram.voxel_size
    own, raw = np.array(header.shape), np.array(tomogram.shape)
    ratio = float(raw.max() / own[np.argmax(raw)])
    guesses = [float(round(ratio)), ratio]
    if believable(header.voxel_size):
        guesses.insert(0, header.voxel_size / tomogram.voxel_size)
    for binning in guesses:
        if binning > 0 and np.all(np.abs(own * binning - raw) <= max(binning, 1.0)):
            return round(binning * tomogram.voxel_size, 5)
    raise CryoalError(
        f"{place}: {header.shape} voxels (Z, Y, X), but tomogram {tomogram.name} has "
        f"{tomogram.shape}, and no one binning makes one of the other; is it another tomogram?"
    )


def _tell_binnings(tomograms: list[Tomogram]) -> None:
    binnings: dict[float, list[str]] = {}
    for tomogram in tomograms:
        size = tomogram.display_voxel_size or tomogram.voxel_size
        binnings.setdefault(round(size / tomogram.voxel_size, 2), []).append(tomogram.name)
    for binning, names in binnings.items():
        if binning != 1:
            log.info(
                "display volumes of %d tomograms (%s) are binned by %g against the tomograms",
                *(len(names), ", ".join(names[:3]), binning),
            )
