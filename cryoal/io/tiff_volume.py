"""TIFF volumes: pages along z, calibrated as ImageJ (and OME-TIFF) writes it.

ImageJ keeps the unit and the distance of slices (``spacing``) in the image description and pixels
per unit in XResolution and YResolution (ImageJ ``FileInfo``). Resolutions in inches or centimetres
are those of a printed page, and say nothing of a tomogram.
"""

import errno
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.layers import LayeredVolume
from cryoal.io.volumes import (
    LARGEST_SIDE,
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
    needs,
    single_image,
    volume_formats,
)

#: Pages of a compressed file that are read at once: opening it takes as long as reading a few.
PAGES = 16

_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ANGSTROM = {
    "angstrom": 1.0, "a": 1.0, "å": 1.0, "nm": 10.0, "nanometer": 10.0, "nanometre": 10.0,
    "um": 1e4, "µm": 1e4, "μm": 1e4, "micron": 1e4, "microns": 1e4, "micrometer": 1e4,
    "mm": 1e7,
}  # fmt: skip


def read_header(place: Place, voxel_size: float | None = None) -> VolumeHeader:
    """Read the layout and the calibration of a TIFF file.

    Raises
    ------
    CryoalError
        Damaged or cut off, colours, several channels or times, or a single image.
    """
    with _file(place) as tiff:
        series, shape, remarks = _series(place, tiff)
        _check_whole(place, tiff, series)
        sizes = _ome_sizes(tiff) if tiff.is_ome else _imagej_sizes(tiff)
    stated = [size for size in sizes if size]
    in_plane = [size for size in sizes[1:] if size]
    return VolumeHeader(
        shape,
        np.dtype(series.dtype),
        round(float(np.mean(in_plane)), 5) if len(in_plane) == 2 else 0.0,
        bool(np.ptp(stated) <= 0.01 * np.mean(stated)) if stated else True,
        remarks=tuple(remarks),
    )


def open_volume(place: Place) -> Any:
    """Map a TIFF volume for reading, or open it page by page where it is compressed."""
    with _file(place) as tiff:
        series, shape, _ = _series(place, tiff)
        if shape[0] == 1:
            raise single_image(place)
        _check_whole(place, tiff, series)
        dtype = np.dtype(series.dtype)
        if series.dataoffset is not None:
            order = dtype.newbyteorder(tiff.byteorder)
            return np.memmap(Path(place), order, "r", series.dataoffset, shape)

    def read(low: int, high: int) -> NDArray[Any]:
        with _file(place) as opened:
            pages = opened.series[0].pages
            return np.stack([pages[z].asarray().reshape(shape[1:]) for z in range(low, high)])

    return LayeredVolume(shape, dtype, PAGES, read, str(place))


def _file(place: Place) -> Any:
    try:
        import tifffile
    except ImportError as problem:
        raise needs("tifffile", place, "TIFF") from problem
    try:
        return tifffile.TiffFile(place)
    except OSError as problem:
        if problem.errno not in (None, errno.EINVAL):  # EINVAL: it jumped to where no file can be
            raise
        raise _damaged(place, problem) from problem
    # Its parsers raise whatever a damaged file makes them stumble over.
    except Exception as problem:
        raise _damaged(place, problem) from problem


def _damaged(place: Place, problem: Exception) -> CryoalError:
    words = " ".join(str(problem).split())[:200]
    return CryoalError(f"{place}: damaged or cut off as a TIFF ({words or type(problem).__name__})")


def _series(place: Place, tiff: Any) -> tuple[Any, tuple[int, int, int], list[str]]:
    """The first image series, its shape (Z, Y, X), and what was assumed."""
    try:
        series = tiff.series[0]
        axes, sizes = series.axes, tuple(int(size) for size in series.shape)
        dtype = np.dtype(series.dtype)
    except Exception as problem:  # as in _file
        raise _damaged(place, problem) from problem
    if dtype.kind not in "iuf":
        raise CryoalError(f"{place}: holds {dtype}, real numbers are needed")
    if "S" in axes:
        raise CryoalError(f"{place}: colours, not densities; save it as a grey-scale stack")
    long = [(axis, size) for axis, size in zip(axes, sizes, strict=True) if axis not in "YX"]
    long = [(axis, size) for axis, size in long if size > 1]
    if len(long) > 1:
        found = ", ".join(f"{size} along {axis}" for axis, size in long)
        raise CryoalError(f"{place}: several volumes ({found}); save the one that is meant")
    if axes.count("Y") != 1 or axes.count("X") != 1:
        raise CryoalError(f"{place}: its axes are {axes}, pages of Y and X are needed")
    depth = long[0][1] if long else 1
    shape = (depth, sizes[axes.index("Y")], sizes[axes.index("X")])
    if not all(0 < side <= LARGEST_SIDE for side in shape):
        raise CryoalError(f"{place}: {shape} voxels (Z, Y, X) make no sense")
    assumed = long and long[0][0] != "Z"
    return series, shape, ["its pages are taken as sections along z"] if assumed else []


def _check_whole(place: Place, tiff: Any, series: Any) -> None:
    """Refuse a file that holds fewer voxels than its tags claim."""
    size = tiff.filehandle.size
    try:
        if series.dataoffset is not None:
            dtype = np.dtype(series.dtype)
            needed = series.dataoffset + math.prod(series.shape) * dtype.itemsize
        else:
            needed = max(
                int(offset) + int(count)
                for page in series.pages
                if page is not None
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
            )
    except Exception as problem:  # as in _file
        raise _damaged(place, problem) from problem
    if size < needed:
        raise CryoalError(
            f"{place}: {size} bytes, but its pages need {needed}; was the file cut off while "
            "copying or writing?"
        )


def _imagej_sizes(tiff: Any) -> tuple[float, float, float]:
    """Angstrom per voxel along z, y and x; 0 where not stated."""
    metadata = tiff.imagej_metadata or {}
    unit = _length(str(metadata.get("unit", "")))
    if not unit:
        return 0.0, 0.0, 0.0
    tags = tiff.pages[0].tags
    per_unit = [_ratio(tags, name) for name in ("YResolution", "XResolution")]
    spacing = metadata.get("spacing", 0.0)
    z = float(spacing) if isinstance(spacing, int | float) and math.isfinite(spacing) else 0.0
    y, x = (unit / value if value else 0.0 for value in per_unit)
    return abs(z) * unit, y, x


def _length(unit: str) -> float:
    """Angstrom in a unit of length, 0 in any other (ImageJ escapes what is not ASCII)."""
    plain = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda m: chr(int(m.group(1), 16)), unit).strip()
    return _ANGSTROM.get(plain.lower(), 0.0)


def _ratio(tags: Any, name: str) -> float:
    try:
        above, below = tags[name].value
        return float(above) / float(below)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _ome_sizes(tiff: Any) -> tuple[float, float, float]:
    """As ``_imagej_sizes``, of OME-XML, whose default unit is the micrometre."""
    try:
        root = ElementTree.fromstring(tiff.ome_metadata)
    except (ElementTree.ParseError, TypeError):
        return 0.0, 0.0, 0.0
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    sizes = []
    for axis in "ZYX":
        attributes = {} if pixels is None else pixels.attrib
        try:
            size = float(attributes.get(f"PhysicalSize{axis}", 0))
        except ValueError:
            size = 0.0
        sizes.append(size * _length(attributes.get(f"PhysicalSize{axis}Unit", "µm")))
    z, y, x = sizes
    return z, y, x


def _recognise(candidate: Candidate) -> int:
    return 3 if candidate.head[:4] in _MARKS else 0


volume_formats.register("tiff")(VolumeFormat("tiff", _recognise, read_header, open_volume))
