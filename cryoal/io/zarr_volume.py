"""OME-Zarr volumes (NGFF 0.4 and 0.5), in a folder or at an address, read a layer at a time.

The metadata are NGFF's (https://ngff.openmicroscopy.org/0.5/): ``multiscales`` of axes, levels
(``datasets``) and their scale, under ``ome`` since 0.5. Arrays have the order of their axes, which
need not be zyx. A level can be named itself: ``TS_01.zarr/1``.
"""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError, MachineError
from cryoal.io.layers import LayeredVolume
from cryoal.io.ngff import SAME, Level, levels_of
from cryoal.io.remote import brief, network_options, patiently
from cryoal.io.volumes import (
    LARGEST_SIDE,
    Candidate,
    Place,
    VolumeFormat,
    VolumeHeader,
    is_remote,
    is_zarr,
    needs,
    single_image,
    volume_formats,
)

#: Chunks side by side; metadata that say more are damaged, and reading would never end.
LARGEST_LAYER = 100_000

_PROTOCOLS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def read_header(place: Place, voxel_size: float | None = None) -> VolumeHeader:
    """Read the metadata of an OME-Zarr volume, a bare zarr array or one level.

    Raises
    ------
    CryoalError
        No zarr, no multiscale image, several channels or times, or an array without any chunk.
    """
    node = _node(place)
    level, array, path = _chosen(place, node, voxel_size)
    shape, _ = _arranged(place, array, level)
    if array.dtype.kind not in "iuf":
        raise CryoalError(f"{place}: holds {array.dtype}, real numbers are needed")
    if not is_remote(place):
        _check_chunks(Path(place) if array is node else Path(place) / level.path, place)
    return VolumeHeader(shape, array.dtype, level.voxel_size, level.cubic, 1, level.remarks, path)


def open_volume(place: Place) -> Any:
    """Open an OME-Zarr volume, its finest level unless another is named: (Z, Y, X)."""
    level, array, path = _chosen(place, _node(place), None)
    shape, order = _arranged(place, array, level)
    if shape[0] == 1:
        raise single_image(place)
    z = order[0]
    depth = array.chunks[z]
    blosc = not is_remote(place) and _is_blosc(array)

    def read(low: int, high: int) -> NDArray[Any]:
        if blosc:
            _check_blosc(array, z, range(low // depth, (high - 1) // depth + 1))
        window = [slice(0, 1)] * array.ndim
        for axis, size in zip(order, shape, strict=True):
            window[axis] = slice(0, size)
        window[z] = slice(low, high)
        block = patiently(lambda: np.asarray(array[tuple(window)]), str(path))
        kept = [axis for axis in range(array.ndim) if axis in order]
        block = block.reshape([block.shape[axis] for axis in kept])
        return block.transpose([kept.index(axis) for axis in order])

    return LayeredVolume(shape, array.dtype, depth, read, str(path))


def _node(place: Place) -> Any:
    """The zarr group or array at a place."""
    try:
        import zarr
    except ImportError as problem:
        raise needs("zarr", place, "OME-Zarr") from problem
    try:
        options = network_options(str(place))
        return patiently(
            lambda: zarr.open(str(place), mode="r", storage_options=options), str(place)
        )
    except MachineError:
        raise
    except ImportError as problem:
        protocol = str(place).partition("://")[0].lower()
        package = _PROTOCOLS.get(protocol, "aiohttp" if protocol.startswith("http") else "fsspec")
        raise CryoalError(
            f"{place}: reading {protocol}:// needs the package {package}: pip install {package}"
        ) from problem
    # zarr, fsspec and the network libraries below raise some twenty kinds of errors that share
    # no base; all of them mean that there is no readable zarr.
    except Exception as problem:
        raise CryoalError(
            f"{place}: no zarr group or array can be read there ({brief(problem)})"
        ) from problem


def _chosen(place: Place, node: Any, wanted: float | None) -> tuple[Level, Any, str]:
    """Level, its array, and the place that stands for it."""
    if hasattr(node, "shape"):
        return _level_above(place, node), node, str(place)
    levels = levels_of(place, dict(node.attrs))
    fitting = [
        level
        for level in levels
        if wanted is not None and abs(level.voxel_size - wanted) <= SAME * wanted
    ]
    known = [level for level in levels if level.voxel_size]
    finest = min(known, key=lambda level: level.voxel_size) if known else levels[0]
    level = fitting[0] if fitting else finest
    try:
        array = node[level.path]
        if not hasattr(array, "shape"):
            raise KeyError(level.path)
        array.chunks  # noqa: B018 - not every damaged array can say so
    except Exception as problem:  # as in _node
        raise CryoalError(
            f"{place}: its level {level.path!r} cannot be read ({brief(problem)}); is it whole?"
        ) from problem
    # A single level needs no name of its own, and stays what the user called it.
    path = str(place) if level is finest else f"{str(place).rstrip('/')}/{level.path}"
    return level, array, path


def _level_above(place: Place, array: Any) -> Level:
    """What the multiscale image around an array says of it; nothing, where there is none."""
    above, _, name = str(place).rstrip("/").rpartition("/")
    if above and (is_remote(above) or is_zarr(above)):
        try:
            group = _node(above)
            levels = levels_of(above, dict(group.attrs)) if not hasattr(group, "shape") else []
        except CryoalError:
            levels = []
        for level in levels:
            if level.path.strip("/") == name:
                return level
    axes = ("z", "y", "x") if array.ndim == 3 else tuple("tczyx"[-array.ndim :])
    remark = "a bare zarr array: it states no voxel size, its axes are taken as z, y, x"
    return Level("", axes, (0.0,) * len(axes), (remark,))


def _arranged(place: Place, array: Any, level: Level) -> tuple[tuple[int, int, int], list[int]]:
    """Shape (Z, Y, X), and which axes of the array these are."""
    if array.ndim != len(level.axes):
        raise CryoalError(
            f"{place}: an array of {array.ndim} axes where its metadata name {len(level.axes)}"
        )
    for axis, size in zip(level.axes, array.shape, strict=True):
        if axis not in "zyx" and size != 1:
            raise CryoalError(f"{place}: {size} volumes along its axis {axis!r}; one is needed")
    order = [level.axes.index(axis) for axis in "zyx"]
    shape = tuple(int(array.shape[axis]) for axis in order)
    if not all(0 < side <= LARGEST_SIDE for side in shape):
        raise CryoalError(f"{place}: {shape} voxels (Z, Y, X) make no sense")
    if not all(side > 0 for side in array.chunks):
        raise CryoalError(f"{place}: its chunks are {array.chunks}, which make no sense")
    in_a_layer = math.prod(-(-array.shape[axis] // array.chunks[axis]) for axis in order[1:])
    if in_a_layer > LARGEST_LAYER:
        raise CryoalError(f"{place}: {in_a_layer} chunks in one layer make no sense")
    return shape, order  # type: ignore[return-value]


def _check_chunks(folder: Path, place: Place) -> None:
    """Refuse an array none of whose chunks is there: zarr would fill it with one value.

    Single chunks may be missing rightly: zarr leaves out those that hold nothing else.
    """
    metadata = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
    if not any(file.is_file() and file.name not in metadata for file in folder.rglob("*")):
        raise CryoalError(f"{place}: its array has no chunk, so it holds no data; was it copied?")


def _is_blosc(array: Any) -> bool:
    """Whether chunks lie in files of their own, each one a Blosc frame."""
    try:
        codecs = [*array.compressors, array.serializer]
        return array.shards is None and any("blosc" in type(c).__name__.lower() for c in codecs)
    except Exception:  # as in _node; reading will say what is wrong
        return False


def _check_blosc(array: Any, z: int, layers: range) -> None:
    """Refuse chunks whose Blosc header is damaged: the decoder would believe it and never end.

    The frame's length stands in its bytes 12 to 15 (c-blosc ``README_CHUNK_FORMAT``).
    """
    grid = [range(-(-size // n)) for size, n in zip(array.shape, array.chunks, strict=True)]
    grid[z] = layers
    folder = Path(str(array.store.root)) / array.path
    for index in itertools.product(*grid):
        chunk = folder / array.metadata.encode_chunk_key(index)
        if not chunk.is_file():
            continue  # holds but the fill value
        with chunk.open("rb") as file:
            head = file.read(16)
        if len(head) < 16 or int.from_bytes(head[12:16], "little") != chunk.stat().st_size:
            raise ValueError(f"chunk {chunk.name} is no whole Blosc frame")


def _recognise(candidate: Candidate) -> int:
    if candidate.remote:
        return 1 if ".zarr" in str(candidate.place).lower() else 0
    return 3 if Path(candidate.place).is_dir() and is_zarr(candidate.place) else 0


volume_formats.register("zarr")(VolumeFormat("zarr", _recognise, read_header, open_volume))
