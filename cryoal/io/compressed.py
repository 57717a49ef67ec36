"""Compressed volumes: unpacked once, whole or not at all, and found again."""

import atexit
import bz2
import functools
import gzip
import hashlib
import logging
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing

log = logging.getLogger(__name__)

_MARKS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
_ENDINGS = (".gz", ".bz2", ".xz")
_CHUNK = 8 << 20
_HASH = 8

#: Files unpacked at a time; beyond that the disk is the limit.
WORKERS = 4


def compression(place: str | Path) -> str:
    """Name of the compression of a local file, by its first bytes; empty for none."""
    path = Path(place)
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")


def unpack_all(places: Iterable[str | Path], folder: str | Path | None = None) -> None:
    """Unpack those of these files that are compressed and not yet unpacked, a few at a time.

    Raises
    ------
    CryoalError
        One of them is damaged or cut off.
    """
    todo = [p for p in places if compression(p) and not _target(Path(p), folder).exists()]
    if not todo:
        return
    size = sum(Path(place).stat().st_size for place in todo)
    log.warning(
        "%s%s: compressed (%.1f GB), unpacked once into %s; this takes a while",
        *(todo[0], f" and {len(todo) - 1} more" if len(todo) > 1 else "", size / 1e9),
        _folder(folder),
    )
    with ThreadPoolExecutor(min(WORKERS, len(todo))) as pool:
        list(pool.map(lambda place: unpacked(place, folder), todo))


def unpacked(place: str | Path, folder: str | Path | None = None) -> Path:
    """Unpack a compressed file, unless that was done before and it has not changed since.

    Parameters
    ----------
    place : path of a gzip, bzip2 or xz file
    folder : path, optional
        Where the unpacked file is kept; default a folder that goes when this process ends.

    Returns
    -------
    Path
        Its name begins with what it was unpacked from and when that was changed.

    Raises
    ------
    CryoalError
        The compressed file is damaged or cut off.
    """
    path = Path(place).resolve()
    target = _target(path, folder)
    if target.exists():
        return target
    log.info("%s: being unpacked", place)
    try:
        with _opened(path) as packed, replacing(target, "wb") as plain:
            shutil.copyfileobj(packed, plain, _CHUNK)
    except (EOFError, zlib.error, lzma.LZMAError) as problem:
        raise CryoalError(f"{place}: damaged or cut off, it cannot be unpacked") from problem
    except OSError as problem:
        if problem.errno is not None:  # of the disk; what is wrong with the content has no number
            raise
        raise CryoalError(f"{place}: damaged or cut off, it cannot be unpacked") from problem
    for stale in target.parent.glob(f"{target.name[:_HASH]}-*"):
        if stale != target:
            stale.unlink(missing_ok=True)
    return target


def _target(path: Path, folder: str | Path | None) -> Path:
    """Where a file is unpacked to: named after where it lies and when it was changed."""
    path = path.resolve()
    status = path.stat()
    source = hashlib.sha256(str(path).encode()).hexdigest()[:_HASH]
    state = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:_HASH]
    name = path.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return _folder(folder) / f"{source}-{state}-{name}"


def _folder(folder: str | Path | None) -> Path:
    return Path(folder) if folder is not None else _temporary_folder()


def _opened(path: Path) -> Any:
    kind = compression(path)
    if kind == "gzip":
        return gzip.open(path, "rb")
    return bz2.open(path, "rb") if kind == "bzip2" else lzma.open(path, "rb")


@functools.cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cryoal-unpacked-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
