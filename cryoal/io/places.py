"""Where volumes lie, and what their paths say of them: name, voxel size."""

import re
from collections.abc import Iterable

from cryoal.core.errors import CryoalError
from cryoal.io.names import file_stem, pixel_size_in_name
from cryoal.io.paths import expand
from cryoal.io.volumes import Place, is_remote

_SPACING = re.compile(r"VoxelSpacing(\d+(?:\.\d+)?)")


def places(paths: Iterable[Place]) -> list[Place]:
    """Files, zarr folders and addresses that these stand for, each once, in their order.

    Raises
    ------
    CryoalError
        A path that does not exist, or a pattern that fits nothing.
    """
    found: dict[str, Place] = {}
    for path in paths:
        for place in _addresses(str(path)) if is_remote(path) else expand([path]):
            found.setdefault(str(place), place)
    return list(found.values())


def tomogram_name(place: Place) -> str:
    """Name of the tomogram that a volume shows: its file's stem, or the run of a copick folder.

    Examples
    --------
    >>> tomogram_name("rec/TS_01.mrc.gz"), tomogram_name("s3://bucket/TS_01.ome.zarr/1")
    ('TS_01', 'TS_01')
    >>> tomogram_name("ExperimentRuns/TS_5_4/VoxelSpacing10.000/denoised.zarr")
    'TS_5_4'
    """
    parts = _parts(place)
    if len(parts) > 3 and parts[-4] == "ExperimentRuns" and _SPACING.fullmatch(parts[-2]):
        return parts[-3]
    return file_stem(parts[-1])


def voxel_size_in_path(place: Place) -> float | None:
    """Angstrom per voxel that a name (``_10.00Apx``) or a folder (``VoxelSpacing10.000``) states.

    The folder's is that of the finest level of a multiscale image, and of no other.
    """
    parts = _parts(place)
    named = pixel_size_in_name(parts[-1])
    if named or not str(place).rstrip("/").endswith(parts[-1]):
        return named
    found = [match for part in parts[:-1] if (match := _SPACING.fullmatch(part))]
    size = float(found[-1].group(1)) if found else 0.0
    return size or None


def _parts(place: Place) -> list[str]:
    """Path of the file or the zarr folder, without the level in it."""
    parts = re.split(r"[/\\]", str(place).rstrip("/\\"))
    for number, part in enumerate(parts, 1):
        if part.lower().endswith(".zarr"):
            return parts[:number]
    return parts


def _addresses(address: str) -> list[str]:
    """The address, or all that its pattern fits, as far as its server lists what it has."""
    if not any(sign in address for sign in "*["):
        return [address]
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError as problem:
        raise CryoalError(
            f"{address}: addresses need the package fsspec: pip install 'cryoal[formats]'"
        ) from problem
    try:
        files, path = url_to_fs(address)
        found = sorted({str(files.unstrip_protocol(name)).rstrip("/") for name in files.glob(path)})
    # Every file system of fsspec raises errors of its own libraries.
    except Exception as problem:
        words = " ".join(str(problem).split())[:200]
        raise CryoalError(f"{address}: cannot be listed ({words}); name each volume") from problem
    if not found:
        raise CryoalError(f"{address}: fits nothing there; name each volume")
    return found
