"""Volumes of any format, one way in: recognised by content, checked, opened without being read.

Every format is one file of this package that registers a ``VolumeFormat``; what it opens has the
``shape`` (Z, Y, X) and ``dtype`` of an array and is indexed like one, memory-mapped where the
format allows and read a layer at a time (``layers.LayeredVolume``) where it does not.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.registry import Registry
from cryoal.io.compressed import compression, unpacked

#: A file, a zarr folder or one of its levels, or the address of either.
Place = str | Path

#: Endings by which volumes are called; what they are is told by their content.
ENDINGS = (".mrc", ".rec", ".map", ".mrcs", ".st", ".ali", ".preali", ".em", ".tif", ".tiff",
           ".zarr", ".gz", ".bz2", ".xz")  # fmt: skip

#: No side of a tomogram is longer; a header that says so is no header.
LARGEST_SIDE = 100_000

#: No tomogram has more voxels, which would be a terabyte at least.
MOST_VOXELS = 10**12

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_FOREIGN = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (EMAN2); convert it with 'e2proc3d.py IN OUT.mrc'"),
    (b"NRRD", "an NRRD file; convert it to MRC"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard; unpack it with 'unzstd' first"),
    (b"\x93NUMPY", "a NumPy array, which states no voxel size; save it as MRC (mrcfile.new)"),
    (b"\x80\x04\x95", "a pickle, which is never unpacked here"),
)  # fmt: skip


@dataclass(frozen=True)
class VolumeHeader:
    """What a file says of its volume, and what was odd about it.

    Attributes
    ----------
    shape : (Z, Y, X), voxels
        For a stack of volumes, Z is the sum over its volumes.
    dtype : numpy dtype
        With its byte order.
    voxel_size : float, Angstrom
        Mean of x and y as written, 0 where not written.
    cubic : bool
        Whether x, y and z agree within 1 %, as far as they are stated.
    volumes : int
        1, or the number of volumes of a stack.
    remarks : tuple of str
        What was odd but could be read, and what had to be decided.
    path : str
        What to open: the file, or the level of a multiscale image that was chosen.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    voxel_size: float
    cubic: bool = True
    volumes: int = 1
    remarks: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class Candidate:
    """A place that is looked at to tell its format, read at most once."""

    place: Place

    @cached_property
    def remote(self) -> bool:
        """Whether it is an address rather than a path."""
        return is_remote(self.place)

    @cached_property
    def head(self) -> bytes:
        """First 1,024 bytes of a local file; nothing of anything else."""
        if self.remote or not Path(self.place).is_file():
            return b""
        with Path(self.place).open("rb") as file:
            return file.read(1024)


@dataclass(frozen=True)
class VolumeFormat:
    """One format of volumes.

    Attributes
    ----------
    recognise : Candidate -> int
        0 not mine, 1 could be, 2 and more: its own marks are there. The largest number wins.
    read_header : (place, voxel_size or None) -> VolumeHeader
        ``voxel_size`` (Angstrom) chooses among the levels of a multiscale image; the header's
        ``path`` then names the level.
    open : place -> (Z, Y, X) array, mapped or read when indexed
    """

    name: str
    recognise: Callable[[Candidate], int]
    read_header: Callable[[Place, float | None], VolumeHeader]
    open: Callable[[Place], NDArray[Any]]


volume_formats: Registry[VolumeFormat] = Registry("volume format", "cryoal.io")


def read_header(
    place: Place, voxel_size: float | None = None, *, unpack_into: Place | None = None
) -> VolumeHeader:
    """Read what a volume says of itself, checked against its file; its voxels are not read.

    Parameters
    ----------
    place : path or address
    voxel_size : float, Angstrom, optional
        Of the level wanted of a multiscale image, within 1 %; default the finest.
    unpack_into : folder, optional
        Where a compressed file is unpacked once and kept; default a folder that goes when this
        process ends.

    Raises
    ------
    CryoalError
        Missing, of no known format, complex, or shorter than its header says.
    """
    packed = compression(place)
    if packed:
        inside = unpacked(place, unpack_into)
        try:
            header = _format_of(inside).read_header(inside, voxel_size)
        except CryoalError as problem:
            words = str(problem).replace(str(inside), str(place))
            raise CryoalError(
                f"{words} (what is packed in it; lists have to be unpacked)"
            ) from None
        told = f"compressed with {packed}: unpacked once before it is read"
        return replace(header, path=str(place), remarks=(told, *header.remarks))
    header = _format_of(place).read_header(place, voxel_size)
    return header if header.path else replace(header, path=str(place))


def open_volume(
    place: Place, unpack_into: Place | None = None, *, if_gone: str = ""
) -> NDArray[Any]:
    """Open a volume for reading; nothing is read until it is indexed.

    Parameters
    ----------
    place : path or address
    unpack_into : folder, optional
        As in ``read_header``.
    if_gone : str
        What to do where a volume that was there is not there any more.

    Returns
    -------
    (Z, Y, X) array or what is indexed like one, in the type and byte order of the file

    Raises
    ------
    CryoalError
        As ``read_header``, and for a single image.
    """
    if if_gone and not is_remote(place) and not Path(place).exists():
        raise CryoalError(f"{place}: is not there any more; {if_gone}")
    inside = unpacked(place, unpack_into) if compression(place) else place
    return _format_of(inside).open(inside)


def mean_of_halves(
    first: Place, second: Place, unpack_into: Place | None = None, *, if_gone: str = ""
) -> NDArray[np.float32]:
    """Both half tomograms in one, which has the dose of both: (Z, Y, X), in memory."""
    half = np.array(open_volume(first, unpack_into, if_gone=if_gone), dtype=np.float32)
    half += np.asarray(open_volume(second, unpack_into, if_gone=if_gone), dtype=np.float32)
    half /= 2
    return half


def is_remote(place: Place) -> bool:
    """Whether a place is an address (``https://...``, ``s3://...``) and no path.

    Examples
    --------
    >>> is_remote("s3://bucket/TS_01.zarr"), is_remote("C:/data/TS_01.mrc")
    (True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", str(place)) is not None


def is_volume(place: Place) -> bool:
    """Whether a format knows a local file or zarr folder by its marks, damaged or not."""
    candidate = Candidate(place)
    return any(volume_formats.get(name).recognise(candidate) > 0 for name in volume_formats.names())


def is_zarr(place: Place) -> bool:
    """Whether a local folder is a zarr group or array."""
    return any((Path(place) / mark).is_file() for mark in _ZARR_MARKS)


def absolute(place: Place) -> str:
    """The place as it can be opened from any folder, and by another process."""
    return str(place) if is_remote(place) else str(Path(place).resolve())


def needs(package: str, place: Place, what: str) -> CryoalError:
    """The error for a format whose package is not installed."""
    return CryoalError(
        f"{place}: reading {what} needs the package {package}: pip install 'cryoal[formats]'"
    )


def single_image(place: Place) -> CryoalError:
    """The error for a file that holds no volume but one section."""
    return CryoalError(f"{place}: a single image (Z is 1); a volume is needed")


def _format_of(place: Place) -> VolumeFormat:
    candidate = Candidate(place)
    if not candidate.remote and not Path(place).exists():
        raise CryoalError(f"{place}: no such file; the current folder is {Path.cwd()}")
    try:
        certainty = {
            name: volume_formats.get(name).recognise(candidate) for name in volume_formats.names()
        }
    except OSError as problem:
        raise CryoalError(f"{place}: cannot be read ({problem.strerror})") from problem
    best = max(certainty, key=lambda name: certainty[name])
    if certainty[best]:
        return volume_formats.get(best)
    for mark, words in _FOREIGN:
        if candidate.head.startswith(mark):
            raise CryoalError(f"{place}: {words}")
    if candidate.remote:
        raise CryoalError(
            f"{place}: only OME-Zarr is read over the network; download other volumes first"
        )
    if Path(place).is_dir():
        raise CryoalError(f"{place}: a folder, and no zarr one; name the volumes in it")
    why = "its first bytes make no sense as any of them" if candidate.head else "it is empty"
    raise CryoalError(
        f"{place}: no volume of a known format ({', '.join(volume_formats.names())}); {why}"
    )
