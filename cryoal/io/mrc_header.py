"""What the header of an MRC file says, checked against the file it stands in.

The layout is mrcfile's (MRC2014, https://www.ccpem.ac.uk/mrc-format/mrc2014/). Bytes may be signed
or not: IMOD writes both kinds (https://bio3d.colorado.edu/imod/doc/mrc_format.txt).
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.compressed import compression
from cryoal.io.volumes import LARGEST_SIDE, MOST_VOXELS, VolumeHeader

HEADER_BYTES = 1024

#: Type of a voxel by mode.
DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
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
    header, order, remarks = in_its_byte_order(raw, path)
    mode = int(header["mode"])
    if mode in _REFUSED:
        raise CryoalError(f"{path}: {_REFUSED[mode]}; a real-valued volume is needed")
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    extended = int(header["nsymbt"])
    offset = HEADER_BYTES + extended
    dtype = np.dtype(DTYPES[mode]).newbyteorder(order)
    needed = offset + math.prod(shape) * dtype.itemsize
    if needed - extended <= size < needed:
        raise CryoalError(
            f"{path}: its header promises an extended header of {extended} bytes (NSYMBT), but "
            f"after the {HEADER_BYTES} bytes of the header there is room for the voxels alone: "
            "the extended header was never written; have its program write it again, or set "
            "NSYMBT to 0"
        )
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
    stated = sizes[:2][sizes[:2] > 0]
    return MrcHeader(
        shape,
        dtype,
        round(float(stated.mean()), 5) if len(stated) else 0.0,  # stored as float32
        bool(np.ptp(sizes) <= 0.01 * np.mean(sizes)),
        _volumes(header),
        tuple(remarks),
        offset=offset,
    )


def in_its_byte_order(raw: bytes, path: Path) -> tuple[Any, ByteOrder, list[str]]:
    """Header, and its byte order: as its machine stamp, or else its own numbers, have it."""
    stamp = raw[212:214]
    orders: tuple[ByteOrder, ByteOrder] = (">", "<") if stamp == b"\x11\x11" else ("<", ">")
    remarks = []
    for order in orders:
        header = np.frombuffer(raw, dtype=HEADER_DTYPE.newbyteorder(order))[0]
        known = int(header["mode"]) in DTYPES or int(header["mode"]) in _REFUSED
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
    sensible = all(0 < side <= LARGEST_SIDE for side in sides)
    return whole and sensible and math.prod(sides) <= MOST_VOXELS


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
