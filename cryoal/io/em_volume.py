"""EM volumes (TOM toolbox, PyTom, Dynamo, Artiatomi); their header: ``cryoal.io.em_header``.

Motive lists are EM files as well, 20 numbers wide and one section deep: ``cryoal.io.em``.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.em_header import COMPLEX, DTYPES, HEADER_BYTES, EmHeader, readings
from cryoal.io.volumes import (
    LARGEST_SIDE,
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
    single_image,
    volume_formats,
)


def read_header(place: Place, voxel_size: float | None = None) -> VolumeHeader:
    """Read the header of an EM file and check it against the file.

    Raises
    ------
    CryoalError
        Complex numbers, or shorter than the header says.
    """
    path = Path(place)
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        raise CryoalError(f"{path}: {len(head)} bytes are too few for an EM header of 512")
    facts = _sensible(head)
    if facts is None:
        raise CryoalError(f"{path}: not an EM file (its size makes no sense)")
    kind = facts.kind
    if kind in COMPLEX:
        raise CryoalError(f"{path}: complex numbers (EM type {kind}); a real volume is needed")
    shape = (facts.sizes[2], facts.sizes[1], facts.sizes[0])
    dtype = np.dtype(facts.order + DTYPES[kind])
    needed = HEADER_BYTES + math.prod(shape) * dtype.itemsize
    size = path.stat().st_size
    if size < needed:
        raise CryoalError(
            f"{path}: {size} bytes, but its header ({shape[2]} x {shape[1]} x {shape[0]}, EM type "
            f"{kind}) needs {needed}; was the file cut off while copying or writing?"
        )
    extra = (f"{size - needed} bytes after the data are ignored",) if size > needed else ()
    return VolumeHeader(shape, dtype, 0.0, remarks=extra)


def open_volume(place: Place) -> NDArray[Any]:
    """Map an EM volume for reading: (Z, Y, X)."""
    header = read_header(place)
    if header.shape[0] == 1:
        raise single_image(place)
    return np.memmap(Path(place), header.dtype, "r", HEADER_BYTES, header.shape)


def _sensible(head: bytes) -> EmHeader | None:
    """The reading whose sizes are those of a volume."""
    return next(
        (found for found in readings(head) if all(0 < n <= LARGEST_SIDE for n in found.sizes)), None
    )


def _recognise(candidate: Candidate) -> int:
    if _sensible(candidate.head) is None:
        return 0
    return 2 if str(candidate.place).lower().endswith(".em") else 1


volume_formats.register("em")(VolumeFormat("em", _recognise, read_header, open_volume))
