"""Writing that never leaves half a file, and locks and digests."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cryoal.core.errors import CryoalError


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w", *, wait: bool = True) -> Iterator[IO[Any]]:
    """Open a file beside ``path`` that takes its name when the block ends without an error.

    An error of the disk names ``path``.

    A file that exists is therefore finished; after a kill the old one, or none, stands.

    Parameters
    ----------
    wait : bool
        Until the disk has it. Without, a power failure can take it; see ``wait_for_disk``.

    Examples
    --------
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(target) as file: _ = file.write("whole")
    >>> target.read_text()
    'whole'
    """
    if path.is_dir():
        raise CryoalError(f"{path}: is a folder; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)  # noqa: PTH101 - mkstemp is private, results are shared
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
        with os.fdopen(descriptor, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            if wait:
                os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException as problem:
        Path(beside).unlink(missing_ok=True)
        if isinstance(problem, OSError) and problem.errno and not problem.filename:
            problem.filename = str(path)  # a full disk does not say which file it has no room for
        raise


def wait_for_disk(path: Path) -> None:
    """Return when a file is on the disk and would survive a power failure."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def digest_of_volume(place: str | Path) -> str:
    """sha256 of what tells one version of a volume from the next, without reading it.

    A file's size, modification time and first 1,024 bytes (its MRC header); of a folder (zarr) the
    names, sizes and times of what lies directly in it and in the folders below that; of an address
    only the address; of nothing the hash of nothing.
    """
    facts = hashlib.sha256()
    path = Path(place)
    if path.is_dir():
        for entry in sorted([*path.glob("*"), *path.glob("*/*")]):
            status = entry.stat()
            facts.update(f"{entry.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    elif path.exists():
        status = path.stat()
        facts.update(f"{status.st_size} {status.st_mtime_ns} ".encode())
        with path.open("rb") as file:
            facts.update(file.read(1024))
    elif "://" in str(place):
        facts.update(str(place).encode())
    return facts.hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an advisory lock for the block; the system releases it when a process dies.

    Raises
    ------
    CryoalError
        Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            import fcntl
        except ImportError:  # Windows labels and converts, one process at a time
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise CryoalError(
                f"{path.parent}: another cryoal command is at work on this project; "
                "wait for it to end"
            ) from problem
        yield
