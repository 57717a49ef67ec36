"""MRC volumes: opened memory-mapped, checked before they are trusted, written whole or not at all.

The header's layout is mrcfile's (MRC2014, https://www.ccpem.ac.uk/mrc-format/mrc2014/). The data
are mapped here and not by mrcfile, because that reads every mode 0 as signed bytes, while IMOD
writes both kinds (https://bio3d.colorado.edu/imod/doc/mrc_format.txt).
"""

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import ArrayLike, NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.compressed import compression
from cryoal.io.files import replacing
from cryoal.io.volumes import (
    LARGEST_SIDE,
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
    single_image,
    volume_formats,
)

log = logging.getLogger(__name__)

HEADER_BYTES = 1024
SPACE_GROUP_OF_STACKS = 401
_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_MODES = {np.dtype(name): mode for mode, name in _DTYPES.items()}
_REFUSED = {
    3: "complex numbers (mode 3)",
    4: "complex numbers (mode 4): a Fourier transform, not a tomogram",
    16: "RGB colours (mode 16)",
    101: "4-bit numbers (mode 101); convert it with IMOD's 'newstack -mode 1'",
}
_IMOD_STAMP, _IMOD_STAMP_AT, _IMOD_SIGNED = 1146047817, 152, 1
ByteOrder = Literal["<", ">"]


@dataclass(frozen=True)
class MrcHeader(VolumeHeader):
    """What the header says, and what the file's size and bytes say about the header.

    Attributes
    ----------
    offset : int, bytes
        Where the data start.
    """

    offset: int = field(default=HEADER_BYTES, kw_only=True)


def read_header(path: str | Path) -> MrcHeader:
    """Read the header of an MRC file and check it against the file.

    Raises
    ------
    CryoalError
        Missing, unreadable, not MRC, complex or of another unreadable mode, or shorter than its
        header says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(HEADER_BYTES)
        size = path.stat().st_size
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem
    if compression(path):
        raise CryoalError(f"{path}: compressed, so it cannot be memory-mapped; unpack it first")
    if len(raw) < HEADER_BYTES:
        raise CryoalError(f"{path}: {len(raw)} bytes are too few for an MRC header of 1,024")
    header, order, remarks = _in_its_byte_order(raw, path)
    mode = int(header["mode"])
    if mode in _REFUSED:
        raise CryoalError(f"{path}: {_REFUSED[mode]}; a real-valued volume is needed")
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    offset = HEADER_BYTES + int(header["nsymbt"])
    dtype = np.dtype(_DTYPES[mode]).newbyteorder(order)
    needed = offset + math.prod(shape) * dtype.itemsize
    if size < needed:
        raise CryoalError(
            f"{path}: {size} bytes, but its header ({shape[2]} x {shape[1]} x {shape[0]}, mode "
            f"{mode}) needs {needed}; was the file cut off while copying or writing?"
        )
    if size > needed:
        remarks.append(f"{size - needed} bytes after the data are ignored")
    if mode == 0:
        dtype, remark = _signed_or_unsigned(path, header, order, shape, offset)
        remarks += [remark] if remark else []
    if (int(header["mapc"]), int(header["mapr"]), int(header["maps"])) not in (
        (1, 2, 3),
        (0, 0, 0),
    ):
        remarks.append("its axes are not in the order x, y, z and are read as they stand")
    if any(float(header["origin"][axis]) for axis in "xyz") or any(
        int(header[name]) for name in ("nxstart", "nystart", "nzstart")
    ):
        remarks.append("the header's origin is not 0 and is ignored, as in RELION and Warp")
    sizes = _voxel_sizes(header)
    return MrcHeader(
        shape,
        dtype,
        round(float(np.mean(sizes[:2])), 5),  # stored as float32
        bool(np.ptp(sizes) <= 0.01 * np.mean(sizes)),
        _volumes(header),
        tuple(remarks),
        offset=offset,
    )


def _in_its_byte_order(raw: bytes, path: Path) -> tuple[Any, ByteOrder, list[str]]:
    """Header, and its byte order: as its machine stamp, or else its own numbers, have it."""
    stamp = raw[212:214]
    orders: tuple[ByteOrder, ByteOrder] = (">", "<") if stamp == b"\x11\x11" else ("<", ">")
    remarks = []
    for order in orders:
        header = np.frombuffer(raw, dtype=HEADER_DTYPE.newbyteorder(order))[0]
        known = int(header["mode"]) in _DTYPES or int(header["mode"]) in _REFUSED
        if known and _sides_make_sense(header):
            break
    else:
        header = np.frombuffer(raw, dtype=HEADER_DTYPE.newbyteorder(orders[0]))[0]
        if raw[208:211] == b"MAP" and _sides_make_sense(header):
            raise CryoalError(
                f"{path}: mode {int(header['mode'])} is none of MRC's (0, 1, 2, 6 and 12 are read)"
            )
        raise CryoalError(f"{path}: not an MRC file (mode and size make no sense)")
    if raw[208:211] != b"MAP":
        remarks.append("no 'MAP' in the header")
    if stamp not in (b"DD", b"DA", b"\x11\x11") or order != orders[0]:
        remarks.append("its machine stamp is wrong; byte order taken from the numbers")
    return header, order, remarks


def _sides_make_sense(header: Any) -> bool:
    # Of a stack of volumes one volume's depth counts: ten thousand boxes have 320,000 sections.
    depth = "mz" if 401 <= int(header["ispg"]) <= 630 else "nz"
    sides = [int(header[name]) for name in ("nx", "ny", depth)]
    whole = int(header["nz"]) > 0 and int(header["nsymbt"]) >= 0
    return whole and all(0 < side <= LARGEST_SIDE for side in sides)


def _voxel_sizes(header: Any) -> NDArray[np.float64]:
    """Sizes of a voxel along x and y, and z where the cell's depth belongs to a volume."""
    sizes = []
    for axis in "xyz":
        intervals = int(header[f"m{axis}"]) or int(header[f"n{axis}"])
        sizes.append(float(header["cella"][axis]) / intervals)
    nz, mz = int(header["nz"]), int(header["mz"])
    # A depth counted in images (ISPG 0, MZ 1) says nothing of the distance between sections.
    images = nz > 1 and (int(header["ispg"]) == 0 or mz == 1)
    found = np.array(sizes[:2] if images or not sizes[2] or not np.isfinite(sizes[2]) else sizes)
    return np.where(np.isfinite(found) & (found > 0), found, 0.0)


def _volumes(header: Any) -> int:
    nz, mz, group = (int(header[name]) for name in ("nz", "mz", "ispg"))
    return nz // mz if 401 <= group <= 630 and 0 < mz <= nz and nz % mz == 0 else 1


def _signed_or_unsigned(
    path: Path, header: Any, order: str, shape: tuple[int, int, int], offset: int
) -> tuple[np.dtype[Any], str]:
    """Type of mode 0 bytes, and why: IMOD's flag, else the stated range, else smoothness.

    A density that is cut at 127 | 128 in the wrong place jumps by 256 from voxel to voxel, so
    the right reading has the smaller differences between neighbours. Nothing is said where both
    readings are the same.
    """
    signed, unsigned = np.dtype("i1"), np.dtype("u1")
    data = np.memmap(path, signed, "r", offset, shape)
    some = np.array(data[:: max(1, shape[0] // 8)][:16])
    both_alike = int(some.min()) >= 0
    raw = header.tobytes()
    stamp, flags = np.frombuffer(raw, dtype=f"{order}i4", count=2, offset=_IMOD_STAMP_AT)
    if stamp == _IMOD_STAMP:
        if flags & _IMOD_SIGNED:
            return signed, "" if both_alike else "bytes read as signed: its IMOD stamp says so"
        return unsigned, "" if both_alike else "bytes read as unsigned: its IMOD stamp says so"
    low, high = float(header["dmin"]), float(header["dmax"])
    if 0 <= low < high and high > 127:
        return unsigned, f"bytes read as unsigned: its header says {low:g} to {high:g}"
    if both_alike:
        return signed, ""
    jumps = [
        float(np.abs(np.diff(some.view(t).astype(np.int16))).mean()) for t in (signed, unsigned)
    ]
    stated = low < 0 and high > low
    # A program that took unsigned bytes for signed ones states a range below 0 as well: only
    # clear jumps across the sign overrule it.
    if jumps[1] < (0.5 if stated else 0.9) * jumps[0] or (
        0 <= low <= high and high > 0 and jumps[1] <= jumps[0]
    ):
        return unsigned, "bytes read as unsigned: signed, neighbours would jump across 0"
    if stated:
        return signed, f"bytes read as signed: its header says {low:g} to {high:g}"
    return signed, "bytes read as signed: unsigned, neighbours would differ no less"


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
        file.write(header.tobytes())

    def append(self, values: ArrayLike, sums: Sums | None = None) -> None:
        """Write the next sections: any shape whose last axes are those of the file.

        Parameters
        ----------
        sums : Sums, optional
            Of these values, where they are known already.
        """
        chunk = np.ascontiguousarray(values, dtype=self._dtype.newbyteorder("<"))
        self._file.write(chunk.data)
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
        _in_its_byte_order(head.ljust(HEADER_BYTES, b"\0"), Path(candidate.place))
    except CryoalError:
        return 0
    return 1


def _read_header(place: Place, voxel_size: float | None = None) -> VolumeHeader:
    return read_header(place)


volume_formats.register("mrc")(VolumeFormat("mrc", _recognise, _read_header, open_volume))
