"""Volumes whose voxels lie as one array behind a header: their length checked, then mapped."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.volumes import Place, VolumeHeader, single_image


def bytes_after(place: Place, header: VolumeHeader, offset: int, words: str) -> int:
    """Bytes of a file behind its voxels.

    Parameters
    ----------
    offset : int, bytes
        Where the voxels start.
    words : str
        What the header is called and states beside the size, for the message: ``"EM, type 5"``.

    Raises
    ------
    CryoalError
        The file is shorter than its header says.
    """
    size = Path(place).stat().st_size
    needed = offset + math.prod(header.shape) * header.dtype.itemsize
    if size < needed:
        z, y, x = header.shape
        raise CryoalError(
            f"{place}: {size} bytes, but its header ({x} x {y} x {z}, {words}) needs {needed}; was "
            "the file cut off while copying or writing?"
        )
    return size - needed


def map_voxels(place: Place, header: VolumeHeader, offset: int) -> NDArray[Any]:
    """Map a volume for reading: (Z, Y, X), in the type and byte order of the file.

    Raises
    ------
    CryoalError
        A single image.
    """
    if header.shape[0] == 1:
        raise single_image(place)
    return np.memmap(Path(place), header.dtype, "r", offset, header.shape)
