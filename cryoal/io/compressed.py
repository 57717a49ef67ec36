"""Compressed volumes: unpacked once, whole or not at all, and found again."""

import atexit
import bz2
import contextlib
import errno
import functools
import gzip
import hashlib
import logging
import lzma
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError, MachineError
from cryoal.io.files import megabytes, replacing

log = logging.getLogger(__name__)

_MARKS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
_ENDINGS = (".gz", ".bz2", ".xz")
_CHUNK = 8 << 20
_HASH = 8
_TEMPORARY = "cryoal-"

#: No gzip file is larger by more when it is unpacked (deflate: https://zlib.net/zlib_tech.html).
_LARGEST_GZIP_RATIO = 1032

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
    MachineError
        There is no room for all of them; nothing was unpacked.
    """
    todo = [Path(p) for p in places if compression(p) and not _target(Path(p), folder).exists()]
    if not todo:
        return
    into = _target(todo[0], folder).parent
    _check_room(todo, into)
    log.warning(
        "%s%s: compressed (%s), unpacked once into %s; this takes a while",
        *(todo[0], f" and {len(todo) - 1} more" if len(todo) > 1 else ""),
        *(megabytes(sum(place.stat().st_size for place in todo)), into),
    )
    with ThreadPoolExecutor(min(WORKERS, len(todo))) as pool:
        list(pool.map(lambda place: _unpack(place, _target(place, folder)), todo))


def unpacked(place: str | Path, folder: str | Path | None = None) -> Path:
    """Unpack a compressed file, unless that was done before and it has not changed since.

    Parameters
    ----------
    place : path of a gzip, bzip2 or xz file
    folder : path, optional
        Where the unpacked file is kept; default, and where that folder can only be read, one that
        goes when this process ends.

    Returns
    -------
    Path
        Its name begins with what it was unpacked from and when that was changed.

    Raises
    ------
    CryoalError
        The compressed file is damaged or cut off.
    MachineError
        There is no room for it.
    """
    path = Path(place)
    target = _target(path, folder)
    if not target.exists():
        log.info("%s: being unpacked", place)
        _check_room([path], target.parent)
        _unpack(path, target)
    return target


def _unpack(path: Path, target: Path) -> None:
    try:
        with _whole(path) as packed, replacing(target, "wb") as plain:
            shutil.copyfileobj(packed, plain, _CHUNK)
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise MachineError(
            f"{path}: could not be unpacked into {target.parent} ({problem.strerror}); "
            f"{_advice(target.parent)}"
        ) from problem
    for stale in target.parent.glob(f"{target.name[:_HASH]}-{'[0-9a-f]' * _HASH}-*"):
        if stale != target:
            stale.unlink(missing_ok=True)


def _check_room(places: list[Path], folder: Path) -> None:
    """Refuse to unpack these files where they have no room together.

    Their sizes are counted by unpacking them to nowhere, unless there is room in any case: the
    length that gzip states is that of the last of its members, less multiples of 4 GB, and bzip2
    states none.
    """
    free = _free(folder)
    gzipped = all(compression(place) == "gzip" for place in places)
    if gzipped and sum(p.stat().st_size for p in places) * _LARGEST_GZIP_RATIO <= free:
        return
    with ThreadPoolExecutor(WORKERS) as pool:
        needed = sum(pool.map(_unpacked_size, places))
    if needed > free:
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        raise MachineError(
            f"{places[0]}{more}: {megabytes(needed)} are needed to unpack, and "
            f"{megabytes(free)} are free in {folder}; {_advice(folder)}"
        )


def _unpacked_size(path: Path) -> int:
    size = 0
    with _whole(path) as packed:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
    return size


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Any]:
    """The content of a compressed file, whose damages are told as such."""
    try:
        with _opened(path) as packed:
            yield packed
    except (EOFError, zlib.error, lzma.LZMAError) as problem:
        raise CryoalError(f"{path}: damaged or cut off, it cannot be unpacked") from problem
    except OSError as problem:
        if problem.errno is not None:  # of the disk; what is wrong with the content has no number
            raise
        raise CryoalError(f"{path}: damaged or cut off, it cannot be unpacked") from problem


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


def _advice(folder: Path) -> str:
    if folder.name.startswith(_TEMPORARY):
        return "make room there, or name another folder: TMPDIR=/with/room cryoal ..."
    return "make room there, or unpack it where there is room and give that file"


def _target(path: Path, folder: str | Path | None) -> Path:
    """Where a file is unpacked to: named after where it lies and when it was changed."""
    path = path.resolve()
    status = path.stat()
    source = hashlib.sha256(str(path).encode()).hexdigest()[:_HASH]
    state = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:_HASH]
    name = path.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    name = f"{source}-{state}-{name}"
    if folder is None or not ((Path(folder) / name).exists() or _writable(Path(folder))):
        return _temporary_folder() / name
    return Path(folder) / name


def _writable(folder: Path) -> bool:
    """Whether a folder, or the one in which it will be made, takes files."""
    while not folder.exists():
        folder = folder.absolute().parent
    return os.access(folder, os.W_OK)


def _opened(path: Path) -> Any:
    kind = compression(path)
    if kind == "gzip":
        return gzip.open(path, "rb")
    return bz2.open(path, "rb") if kind == "bzip2" else lzma.open(path, "rb")


@functools.cache
def _temporary_folder() -> Path:
    try:
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
    except OSError as problem:
        raise MachineError(
            f"there is no folder for temporary files ({problem.strerror}); make room, or name one: "
            "TMPDIR=/with/room cryoal ..."
        ) from problem
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
