"""MRC volumes: opened memory-mapped, checked before they are trusted, written whole or not at all.

The header's layout is mrcfile's (MRC2014, https://www.ccpem.ac.uk/mrc-format/mrc2014/). The data
are mapped here and not by mrcfile, because that reads every mode 0 as signed bytes, while IMOD
writes both kinds (https://bio3d.colorado.edu/imod/doc/mrc_format.txt).
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import ArrayLike, NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing
from cryoal.io.mrc_header import DTYPES, HEADER_BYTES, in_its_byte_order, read_header
from cryoal.io.volumes import (
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
    single_image,
    volume_formats,
)

SPACE_GROUP_OF_STACKS = 401

#: Bytes that are given to the system at once, from and to multiples of it in the file. Parts of
#: pages take half as long again; much more at once takes up to three times as long, when Linux
#: looks for memory in one piece to keep it in.
PIECE = 2**17
_MODES = {np.dtype(name): mode for mode, name in DTYPES.items()}


def open_volume(path: str | Path) -> NDArray[Any]:
    """Map a volume for reading; nothing is read until it is indexed.

    Returns
    -------
    (Z, Y, X) memory map in the type and byte order of the file

    Raises
    ------
    CryoalError
        As ``read_header``, and for a single image.
    """
    header = read_header(path)
    if header.shape[0] == 1:
        raise single_image(path)
    return np.memmap(path, header.dtype, "r", header.offset, header.shape)


def open_stack(path: str | Path) -> NDArray[Any]:
    """Map a stack of cubic boxes for reading: (n, box, box, box).

    Raises
    ------
    CryoalError
        As ``read_header``, and when it is no stack of cubes.
    """
    header = read_header(path)
    nz, ny, nx = header.shape
    volumes = header.volumes if nz != nx else 1
    if ny != nx or nz != volumes * nx:
        raise CryoalError(f"{path}: {nx} x {ny} x {nz} is no stack of cubic boxes (MRC, ISPG 401)")
    return np.memmap(path, header.dtype, "r", header.offset, (volumes, nx, nx, nx))


def _new_header(
    shape: tuple[int, int, int], dtype: np.dtype[Any], voxel_size: float, depth: int, group: int
) -> Any:
    """Header of a file of this shape (nz, ny, nx); ``depth`` sections make one volume."""
    header = np.zeros((), dtype=HEADER_DTYPE.newbyteorder("<"))
    header["nz"], header["ny"], header["nx"] = shape
    header["mx"], header["my"], header["mz"] = shape[2], shape[1], depth
    header["mode"] = _MODES[dtype.newbyteorder("=")]
    for axis, sections in zip("xyz", (shape[2], shape[1], depth), strict=True):
        header["cella"][axis] = sections * voxel_size
        header["cellb"][{"x": "alpha", "y": "beta", "z": "gamma"}[axis]] = 90.0
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["ispg"] = group
    header["nversion"] = 20141
    header["map"] = b"MAP "
    header["machst"] = [0x44, 0x44, 0, 0]
    header["nlabl"] = 1
    header["label"][0] = b"cryoal"
    return header


def _storable(array: ArrayLike) -> NDArray[Any]:
    values = np.asarray(array)
    dtype = values.dtype.newbyteorder("=")
    if dtype in _MODES:
        return values.astype(dtype.newbyteorder("<"), copy=False)
    if dtype == np.uint8:
        return values.astype("<i2")  # unsigned bytes are read as signed by half the programs
    if dtype == np.float64:
        return values.astype("<f4")
    raise ValueError(f"{dtype} has no MRC mode")


class Sums(NamedTuple):
    """What a header says of values: extremes, sum, and sum of squares."""

    low: float
    high: float
    total: float
    squares: float

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Sums":
        """Sum up an array that is not empty."""
        low, high = float(values.min()), float(values.max())
        total = float(values.sum(dtype=np.float64))
        return cls(low, high, total, float(np.square(values, dtype=np.float64).sum()))


class StackWriter:
    """Appends to a volume that is being written, and keeps its statistics."""

    def __init__(self, file: IO[bytes], header: Any, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._header = header
        self._dtype = dtype
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        self._low, self._high = math.inf, -math.inf
        self._at = file.write(header.tobytes())

    def append(self, values: ArrayLike, sums: Sums | None = None) -> None:
        """Write the next sections: any shape whose last axes are those of the file.

        Parameters
        ----------
        sums : Sums, optional
            Of these values, where they are known already.
        """
        chunk = np.ascontiguousarray(values, dtype=self._dtype.newbyteorder("<"))
        data = chunk.reshape(-1).view(np.uint8).data
        while len(data):
            written = self._file.write(data[: PIECE - self._at % PIECE])
            self._at += written
            data = data[written:]
        self._count += chunk.size
        if chunk.size:
            known = sums or Sums.of(chunk)
            self._low, self._high = min(self._low, known.low), max(self._high, known.high)
            self._sum += known.total
            self._squares += known.squares

    def finish(self) -> None:
        """Put the depth and the statistics into the header; half a volume is a bug."""
        volume = math.prod(int(self._header[n]) for n in ("nx", "ny", "mz"))
        if self._count % volume:
            raise ValueError(f"{self._count} values appended in volumes of {volume}")
        self._header["nz"] = self._count // volume * self._header["mz"]
        mean = self._sum / max(self._count, 1)
        self._header["dmin"], self._header["dmax"] = self._low, self._high
        self._header["dmean"] = mean
        self._header["rms"] = math.sqrt(max(self._squares / max(self._count, 1) - mean**2, 0))
        self._file.seek(0)
        self._file.write(self._header.tobytes())


def is_own_stack(path: str | Path) -> bool:
    """Whether a file is a stack of boxes that ``writing_stack`` wrote, by its header."""
    with Path(path).open("rb") as file:
        raw = file.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES:
        return False
    header = np.frombuffer(raw, dtype=HEADER_DTYPE.newbyteorder("<"))[0]
    label = bytes(header["label"][0]).rstrip(b"\0 ")
    return int(header["ispg"]) == SPACE_GROUP_OF_STACKS and label == b"cryoal"


@contextlib.contextmanager
def writing_stack(
    path: str | Path, box: int, voxel_size: float, dtype: Any = np.float32
) -> Iterator[StackWriter]:
    """Write boxes one after another into an MRC volume stack (ISPG 401).

    The file takes its name when the block ends, so one that exists is whole; only one box need be
    in memory, and how many there will be need not be known. The disk may still be busy with it:
    whoever needs it to survive a power failure calls ``files.wait_for_disk``.

    Parameters
    ----------
    box : int, voxels
    voxel_size : float, Angstrom
    dtype : float32 or float16

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "boxes.mrc"
    >>> with writing_stack(path, box=4, voxel_size=10.0) as stack:
    ...     for value in (1, 2):
    ...         stack.append(np.full((4, 4, 4), value))
    >>> open_stack(path).shape
    (2, 4, 4, 4)
    """
    kind = np.dtype(dtype)
    with replacing(Path(path), "wb", wait=False) as file:
        writer = StackWriter(
            file,
            _new_header((0, box, box), kind, voxel_size, box, SPACE_GROUP_OF_STACKS),
            kind,
        )
        yield writer
        writer.finish()


def write_volume(
    path: str | Path, array: ArrayLike, voxel_size: float, *, volume_stack: bool = False
) -> None:
    """Write a volume, or a stack of volumes.

    Parameters
    ----------
    array : (Z, Y, X), or (n, Z, Y, X) with ``volume_stack``
        float64 is stored as float32, uint8 as int16.
    voxel_size : float, Angstrom
    """
    values = _storable(array)
    if values.ndim != (4 if volume_stack else 3):
        raise ValueError(f"{values.shape} for a {'stack' if volume_stack else 'volume'}")
    depth = values.shape[-3]
    sections = math.prod(values.shape[:-2])
    group = SPACE_GROUP_OF_STACKS if volume_stack else 1
    shape = (sections, values.shape[-2], values.shape[-1])
    with replacing(Path(path), "wb") as file:
        writer = StackWriter(
            file, _new_header(shape, values.dtype, voxel_size, depth, group), values.dtype
        )
        for section in values.reshape(shape):
            writer.append(section)
        writer.finish()


def _recognise(candidate: Candidate) -> int:
    head = candidate.head
    if candidate.remote:
        return 0
    if head[208:211] == b"MAP":
        return 3
    # Old files have no marks at all: the reader knows best what is wrong with them.
    if str(candidate.place).lower().endswith((".mrc", ".rec", ".map", ".mrcs", ".st", ".ali")):
        return 1
    try:
        in_its_byte_order(head.ljust(HEADER_BYTES, b"\0"), Path(candidate.place))
    except CryoalError:
        return 0
    return 1


def _read_header(place: Place, voxel_size: float | None = None) -> VolumeHeader:
    return read_header(place)


volume_formats.register("mrc")(VolumeFormat("mrc", _recognise, _read_header, open_volume))
