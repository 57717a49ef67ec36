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
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing

log = logging.getLogger(__name__)

_MARKS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
_ENDINGS = (".gz", ".bz2", ".xz")
_CHUNK = 8 << 20


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
    target_folder = Path(folder) if folder is not None else _temporary_folder()
    status = path.stat()
    source = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    state = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:8]
    name = path.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    target = target_folder / f"{source}-{state}-{name}"
    if target.exists():
        return target
    log.info("%s: compressed, unpacked once into %s", place, target_folder)
    try:
        with _opened(path) as packed, replacing(target, "wb") as plain:
            shutil.copyfileobj(packed, plain, _CHUNK)
    except (EOFError, zlib.error, lzma.LZMAError) as problem:
        raise CryoalError(f"{place}: damaged or cut off, it cannot be unpacked") from problem
    except OSError as problem:
        if problem.errno is not None:  # of the disk; what is wrong with the content has no number
            raise
        raise CryoalError(f"{place}: damaged or cut off, it cannot be unpacked") from problem
    for stale in target_folder.glob(f"{source}-*"):
        if stale != target:
            stale.unlink()
    return target


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
