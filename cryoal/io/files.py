"""Writing that never leaves half a file, and locks and digests."""

import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from cryoal.core.errors import CryoalError, MachineError

#: A file that is being written: its name to be, the machine, and what tells it from others.
_PART = re.compile(r"\..+\.[0-9a-f]{8}-[0-9a-f]{8}\.part", re.DOTALL)

#: Characters of the name to be that are kept, so that the whole is no longer than systems allow.
_LONGEST = 50


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w", *, wait: bool = True) -> Iterator[IO[Any]]:
    """Open a file beside ``path`` that takes its name when the block ends without an error.

    An error of the disk names ``path``. A link stays one: what it points to is replaced.

    A file that exists is therefore finished; after a kill the old one, or none, stands, and what
    had been begun beside it goes with the next file that is written in that folder.

    Parameters
    ----------
    wait : bool
        Until the disk has it. Without, a power failure can take it; see ``wait_for_disk``.

    Raises
    ------
    CryoalError
        There is a folder, a device or a pipe of that name, or a link into a folder that is gone.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(target) as file: _ = file.write("whole")
    >>> target.read_text()
    'whole'
    """
    target = _plain_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    descriptor, beside = _begin(target)
    # Holds the lock on until it has its name: nobody takes it for a dead process's. Windows has no
    # such locks, and renames nothing that is open.
    lock = os.dup(descriptor) if os.name == "posix" else None
    try:
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
        with os.fdopen(descriptor, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            if wait:
                os.fsync(file.fileno())
        beside.replace(target)
    except BaseException as problem:
        beside.unlink(missing_ok=True)
        if isinstance(problem, OSError) and problem.errno and not problem.filename:
            problem.filename = str(path)  # a full disk does not say which file it has no room for
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _plain_target(path: Path) -> Path:
    """What is to be replaced: the file itself, or what a link of that name points to."""
    if path.is_dir():
        raise CryoalError(f"{path}: is a folder; name a file")
    if path.exists() and not path.is_file():
        raise CryoalError(f"{path}: is a device or a pipe; name a file")
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise CryoalError(f"{path}: a link to {target}, whose folder is not there; is it mounted?")
    return target


def _begin(target: Path) -> tuple[int, Path]:
    """Make and lock the file that will take a name: its descriptor and where it lies."""
    while True:
        name = f".{target.name[:_LONGEST]}.{_this_host()}-{secrets.token_hex(4)}.part"
        beside = target.with_name(name)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(beside, flags, 0o666)
        except FileExistsError:
            continue
        except OSError as problem:
            problem.filename = str(target)
            raise
        # Between its making and its locking another process may have swept it away.
        if _lock_at_once(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return descriptor, beside
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Delete what killed processes of this machine had begun to write in a folder.

    Only files named as ``_begin`` names them, by this machine, on which no process holds the
    lock; whatever cannot be locked to prove that is left.
    """
    begun: list[str] = []
    # A folder may take files and not list them.
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        begun = [entry.path for entry in entries if _PART.fullmatch(entry.name)]
    for beside in begun:
        if f".{_this_host()}-" not in beside:
            continue  # on a shared disk its lock may not be seen from here
        with contextlib.suppress(OSError):
            descriptor = os.open(beside, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if _lock_at_once(descriptor):
                    Path(beside).unlink(missing_ok=True)
            finally:
                os.close(descriptor)


def _lock_at_once(descriptor: int) -> bool | None:
    """Lock a file if no process has; None where the system has no locks for it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@functools.cache
def _this_host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def unwritable(problem: OSError) -> bool:
    """Whether an error says that a place may only be read."""
    return problem.errno in (errno.EROFS, errno.EACCES, errno.EPERM)


def refuse_overwriting(target: Path, sources: Iterable[str | Path]) -> None:
    """Refuse to write over one of the files that something is made from, by whatever name.

    Raises
    ------
    CryoalError
        Names it.
    """
    if not target.exists():
        return
    for source in sources:
        if source and Path(source).exists() and target.samefile(source):
            raise CryoalError(f"{target}: would overwrite its own source; name another file")


def megabytes(size: float) -> str:
    """Size in words.

    Examples
    --------
    >>> megabytes(1_780_000_000), megabytes(56_900)
    ('1.8 GB', '0.1 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def wait_for_disk(path: Path) -> None:
    """Return when a file is on the disk and would survive a power failure."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def digest_of_bytes(path: Path) -> str:
    """sha256 of a small file's content, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


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

    Where the lock can neither be made nor written, as nothing else there can, there is none.

    Raises
    ------
    CryoalError
        Another process holds it.
    """
    with _lock_file(path) as file:
        try:
            import fcntl
        except ImportError:  # Windows labels and converts, one process at a time
            yield
            return
        try:
            if file is not None:
                _lock_or_share(fcntl, file)
        except BlockingIOError as problem:
            raise CryoalError(
                f"{path.parent}: another cryoal command is at work on this project; "
                "wait for it to end"
            ) from problem
        yield


def _lock_or_share(fcntl: Any, file: IO[Any]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno == errno.EBADF:  # over NFS one that is only read can but be shared
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        elif isinstance(problem, BlockingIOError):
            raise
        else:
            raise MachineError(
                f"{file.name}: this disk knows no locks ({problem.strerror}); put the project on "
                "one that does"
            ) from problem


def _lock_file(path: Path) -> contextlib.AbstractContextManager[IO[Any] | None]:
    """Open the file that is locked, to read where it may not be written; None without one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as problem:
        if not unwritable(problem):
            raise
    try:
        return path.open("r")
    except OSError:
        return contextlib.nullcontext()
