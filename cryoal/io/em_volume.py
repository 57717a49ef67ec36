"""EM volumes (TOM toolbox, PyTom, Dynamo, Artiatomi): a header of 512 bytes, then the voxels.

Byte 0 names the machine and with it the byte order, byte 3 the type of the voxels; three integers
of 32 bits from byte 4 are the size along x, y and z (emfile ``specs.py``, TOM ``tom_emread``). The
pixel size that a header may hold is that of the microscope, before any binning, and is not used.
Motive lists are EM files as well, 20 numbers wide and one section deep: ``cryoal.io.em``.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.volumes import (
    LARGEST_SIDE,
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
    single_image,
    volume_formats,
)

_HEADER_BYTES = 512
_DTYPES = {1: "i1", 2: "i2", 4: "i4", 5: "f4", 9: "f8"}
_COMPLEX = (8, 10)
#: Machines that write the largest byte first: OS-9, SGI, Sun, Macintosh.
_BIG_ENDIAN = (0, 3, 4, 5)
_MACHINES = range(7)


def read_header(place: Place, voxel_size: float | None = None) -> VolumeHeader:
    """Read the header of an EM file and check it against the file.

    Raises
    ------
    CryoalError
        Complex numbers, or shorter than the header says.
    """
    path = Path(place)
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES:
        raise CryoalError(f"{path}: {len(head)} bytes are too few for an EM header of 512")
    facts = _facts(head)
    if facts is None:
        raise CryoalError(f"{path}: not an EM file (its size makes no sense)")
    shape, kind, order = facts
    if kind in _COMPLEX:
        raise CryoalError(f"{path}: complex numbers (EM type {kind}); a real volume is needed")
    dtype = np.dtype(order + _DTYPES[kind])
    needed = _HEADER_BYTES + math.prod(shape) * dtype.itemsize
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
    return np.memmap(Path(place), header.dtype, "r", _HEADER_BYTES, header.shape)


def _facts(head: bytes) -> tuple[tuple[int, int, int], int, str] | None:
    """Shape (Z, Y, X), type and byte order: as the machine has it, else as makes sense."""
    orders = "><" if head[0] in _BIG_ENDIAN else "<>"
    for order in orders:
        x, y, z = (int(n) for n in np.frombuffer(head, f"{order}i4", count=3, offset=4))
        if all(0 < side <= LARGEST_SIDE for side in (x, y, z)):
            return (z, y, x), head[3], order
    return None


def _recognise(candidate: Candidate) -> int:
    head = candidate.head
    if len(head) < 16 or head[0] not in _MACHINES or head[3] not in (*_DTYPES, *_COMPLEX):
        return 0
    if _facts(head) is None:
        return 0
    return 2 if str(candidate.place).lower().endswith(".em") else 1


volume_formats.register("em")(VolumeFormat("em", _recognise, read_header, open_volume))
