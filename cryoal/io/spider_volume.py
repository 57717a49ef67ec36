"""SPIDER volumes (also Xmipp's .vol): a header of 32-bit floats, then 32-bit floats.

Words, counted from 1: 1 sections, 2 rows, 5 kind (1 image, 3 volume), 12 columns, 22 bytes of the
header (https://spider-docs.readthedocs.io, "SPIDER image file format"). Word 38, a scale, is the
pixel size only for some programs and is not used.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.mapped import bytes_after, map_voxels
from cryoal.io.volumes import (
    LARGEST_SIDE,
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
    volume_formats,
)

_WORDS = 23
_KINDS = (1, 3)


def read_header(place: Place, voxel_size: float | None = None) -> VolumeHeader:
    """Read the header of a SPIDER file and check it against the file.

    Raises
    ------
    CryoalError
        A stack, or shorter than its header says.
    """
    header, _ = _read(place)
    return header


def open_volume(place: Place) -> NDArray[Any]:
    """Map a SPIDER volume for reading: (Z, Y, X)."""
    return map_voxels(place, *_read(place))


def _read(place: Place) -> tuple[VolumeHeader, int]:
    path = Path(place)
    with path.open("rb") as file:
        facts = _facts(file.read(4 * _WORDS))
    if facts is None:
        raise CryoalError(f"{path}: not a SPIDER file (kind and size make no sense)")
    shape, dtype, offset = facts
    header = VolumeHeader(shape, dtype, 0.0)
    bytes_after(path, header, offset, "SPIDER")
    return header, offset


def _facts(head: bytes) -> tuple[tuple[int, int, int], np.dtype[Any], int] | None:
    """Shape (Z, Y, X), type and bytes of the header, if these bytes make sense as one."""
    if len(head) < 4 * _WORDS:
        return None
    for dtype in (np.dtype("<f4"), np.dtype(">f4")):
        words = np.frombuffer(head, dtype, count=_WORDS)
        chosen = words[[0, 1, 11, 4, 21]]
        if not np.isfinite(chosen).all() or (chosen != np.round(chosen)).any():
            continue
        z, y, x, kind, offset = (int(value) for value in chosen)
        sides = all(0 < side <= LARGEST_SIDE for side in (z, y, x))
        if kind in _KINDS and sides and offset >= 4 * _WORDS and offset % (4 * x) == 0:
            return (z, y, x), dtype, offset
    return None


def _recognise(candidate: Candidate) -> int:
    return 2 if _facts(candidate.head[: 4 * _WORDS]) else 0


volume_formats.register("spider")(VolumeFormat("spider", _recognise, read_header, open_volume))
