"""EM volumes (TOM toolbox, PyTom, Dynamo, Artiatomi); their header: ``cryoal.io.em_header``.

Motive lists are EM files as well, 20 numbers wide and one section deep: ``cryoal.io.em``.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.em_header import COMPLEX, DTYPES, HEADER_BYTES, EmHeader, readings
from cryoal.io.mapped import bytes_after, map_voxels
from cryoal.io.volumes import (
    LARGEST_SIDE,
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
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
    header = VolumeHeader(shape, np.dtype(facts.order + DTYPES[kind]), 0.0)
    more = bytes_after(path, header, HEADER_BYTES, f"EM type {kind}")
    if not more:
        return header
    return replace(header, remarks=(f"{more} bytes after the data are ignored",))


def open_volume(place: Place) -> NDArray[Any]:
    """Map an EM volume for reading: (Z, Y, X)."""
    return map_voxels(place, read_header(place), HEADER_BYTES)


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
