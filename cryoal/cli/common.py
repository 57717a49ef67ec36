"""What every command shares: verbosity, progress, and one object of JSON on stdout."""

import contextlib
import errno
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import rich_click as click

from cryoal.core.errors import CryoalError

log = logging.getLogger("cryoal")

#: What a disk, a network share or the system says when it fails; other errors are bugs.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FAILED = (
    *(errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN, errno.ENOMEM),
    *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNRESET, errno.ECONNREFUSED),
    *(errno.EISDIR, errno.ENOTDIR),
)

Progress = Callable[[int, int], None]


def _there(_context: click.Context, _argument: click.Parameter, project: Path) -> Path:
    """Refuse what is no project before anything large is loaded."""
    settings = project / "cryoal.toml"
    try:
        found = settings.exists()
    except OSError as problem:  # a name too long, a share that is gone
        raise CryoalError(f"{project}: cannot be opened ({problem.strerror})") from problem
    if not found:
        raise CryoalError(
            f"{project}: not a cryoal project (no {settings.name}); make one with cryoal extract"
        )
    return project


project_argument = click.argument("project", type=click.Path(path_type=Path), callback=_there)
new_project_argument = click.argument("project", type=click.Path(path_type=Path))
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Other random draws."
)
workers_option = click.option(
    "--workers", "-j", type=click.IntRange(min=1), help="Processes; default: all cores."
)
annotator_option = click.option(
    "--annotator", help="Whose words these are; default: your login name."
)


def close_labels(count: int) -> str:
    """Say of labelled particles that they may be one and the same."""
    one = count == 1
    return (
        f"{count} labelled particle{' lies' if one else 's lie'} on another labelled one, too "
        f"close for both to stand; {'it is' if one else 'they are'} kept and counted"
    )


def verbosity_options() -> list[click.Parameter]:
    """``-v`` and ``-q``, for every command."""
    return [
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=lambda _ctx, _param, on: _set_up_logging(logging.DEBUG) if on else None,
            help="Say more on stderr.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            # Eager or not, a callback runs for every option: this one is where logging begins.
            callback=lambda _ctx, _param, on: _set_up_logging(
                logging.ERROR if on else logging.INFO
            ),
            is_eager=True,
            help="Say only what went wrong.",
        ),
    ]


class _Patient(logging.StreamHandler[TextIO]):
    """Holds what only informs until checks are over: a refusal is one line, not the last of ten."""

    def __init__(self, stream: TextIO, *, waiting: bool) -> None:
        super().__init__(stream)
        self._waiting = waiting
        self._held: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or keep it."""
        if self._waiting and record.levelno <= logging.INFO:
            self._held.append(record)
        else:
            super().emit(record)

    def let_out(self) -> None:
        """Write what was held, and hold no more."""
        self._waiting = False
        for record in self._held:
            super().emit(record)
        self._held.clear()


def release() -> None:
    """Let everything out that was logged so far: the work has begun, or is done."""
    for handler in log.handlers:
        if isinstance(handler, _Patient):
            handler.let_out()


def _set_up_logging(level: int) -> None:
    handler = _Patient(sys.stderr, waiting=level > logging.DEBUG)
    handler.setFormatter(_Plain())
    log.handlers[:] = [handler]
    log.setLevel(level)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "warning: " if record.levelno == logging.WARNING else ""
        return prefix + super().format(record)


def machine_failure(problem: Exception) -> str | None:
    """Say in one sentence what failed, where it was the machine; None for a bug."""
    if isinstance(problem, MemoryError):
        return f"the memory does not suffice ({str(problem) or 'out of memory'}); close others"
    if type(problem).__name__ == "BrokenProcessPool":
        return (
            "a worker process was ended by the system, most often because the memory ran out; "
            "run the same command with fewer --workers, it goes on from here"
        )
    if not isinstance(problem, OSError) or problem.errno not in (*_FULL, *_FAILED):
        return None
    where = f"{problem.filename}: " if problem.filename else ""
    reason = (problem.strerror or str(problem)).lower()
    if problem.errno in _FULL:
        return (
            f"{where}cannot be written: {reason}; make room and run the same command again, what "
            "is finished stays"
        )
    return f"{where}cannot be read or written: {reason}; put that right and run the command again"


def say(sentence: str) -> None:
    """Tell the person something, on stderr: stdout belongs to data."""
    release()
    log.info("%s", sentence)


def print_json(value: Any) -> None:
    """Put one object on stdout."""
    click.echo(json.dumps(value, indent=2, default=str))


@contextlib.contextmanager
def progress(label: str, every_seconds: float = 15) -> Iterator[Progress]:
    """A bar on a terminal, a line now and then in a pipe; call it with done and total."""
    if sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=None)

            def draw(done: int, total: int) -> None:
                release()
                bar.update(task, completed=done, total=total)

            yield draw
        return
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        release()
        if time.monotonic() - last >= every_seconds:
            last = time.monotonic()
            say(f"{label}: {done} of {total}")

    yield line
