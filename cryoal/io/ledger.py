"""The label ledger: one tab-separated file an annotator, only ever appended to.

A line is a statement, whatever stands in it, so that a spoilt one costs nobody another.
"""

import contextlib
import csv
import io
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryoal.core.errors import CryoalError, MachineError
from cryoal.core.labels import Label, LabelBook, in_file_order

log = logging.getLogger(__name__)

COLUMNS = ("statement", "when", "id", "label", "round", "revokes", "tomogram", "x", "y", "z")

HEADER = ("\t".join(COLUMNS) + "\n").encode()

#: How a line begins whose statement was first written to another file: it counts by its time among
#: the others, not by its place in this one.
JOINED = "joined-"

_BOM = b"\xef\xbb\xbf"


def append(path: Path, labels: Iterable[Label], *, joined: bool = False) -> None:
    """Add statements and flush them to the disk before returning.

    Other processes that append wait meanwhile. A last line that a power cut tore is closed first,
    so that it spoils nothing after it.

    Parameters
    ----------
    joined : bool
        The statements come from another file, and count by their time.

    Raises
    ------
    CryoalError
        The file is no ledger, or a statement cannot stand in one line; nothing was written.
    MachineError
        The disk refused; what it took of this is taken back.
    """
    added = [_named(label, joined) for label in labels]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file, _alone(file) as locked:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            first = _first_line(file)
            if size < len(HEADER) and HEADER.startswith(first):
                header, start = list(COLUMNS), HEADER[size:]
            else:
                header = _columns(path, first)
                file.seek(size - 1)
                # With one cell too many, or an empty one: never taken for a whole line.
                start = b"" if file.read(1) == b"\n" else b"\t\n"
            data = start + "".join(_line(path, label, header) for label in added).encode()
            try:
                _write(file, data)
                os.fsync(file.fileno())
                if size == 0:
                    _flush_folder(path.parent)
            except OSError:
                # What is called not recorded must not be found by the next reader; where nobody
                # could be kept out, the end may be another's, and a torn line harms nobody.
                if locked:
                    with contextlib.suppress(OSError):
                        file.truncate(size)
                raise
    except OSError as problem:
        raise MachineError(
            f"{path}: the answer could not be written ({problem.strerror}); it is not recorded"
        ) from problem


def read(path: Path) -> LabelBook:
    """Read one annotator's statements; the annotator is the file's stem.

    They count in the order of the file, those that joined it from another by their time. A line
    that is not whole (torn by a power cut) is ignored with a warning: it was never acknowledged.

    Raises
    ------
    CryoalError
        Not a ledger, not UTF-8, or a whole line holds what is none: another program changed it.
    """
    try:
        with path.open("rb") as file, _alone(file, shared=True):
            lines = file.read().removeprefix(_BOM).split(b"\n")
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem
    if not any(lines) or (len(lines) == 1 and HEADER.startswith(lines[0])):
        return LabelBook()  # a power cut came before the first statement
    header = _columns(path, lines[0])
    torn = len(lines) if lines[-1] else 0
    own, joined = [], []
    for number, line in enumerate(lines[1:], 2):
        if not line.rstrip(b"\r"):
            continue
        value = {} if number == torn else _values(line, header)
        label = _statement(value, path.stem, number) if value else None
        if label is None:
            log.warning("%s, line %d: ignored, it is not whole", path, number)
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise CryoalError(
                f"{path}, line {number}: not UTF-8; another program saved this ledger: save it as "
                "UTF-8 again"
            ) from problem
        if value["statement"].startswith(JOINED):
            joined.append(label)
        else:
            own.append(label)
    return LabelBook(frozenset(in_file_order(own)).union(joined))


def read_folder(folder: Path) -> LabelBook:
    """Every annotator's statements in a folder of ledgers."""
    return LabelBook().union(read(path) for path in sorted(folder.glob("*.tsv")))


@contextlib.contextmanager
def _alone(file: io.FileIO | io.BufferedReader, *, shared: bool = False) -> Iterator[bool]:
    """Keep other processes from appending for the block; whether that was possible.

    The system lets go when the file is closed, also by a kill. Windows and some network drives have
    no such lock.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    except (ImportError, OSError):
        yield False
    else:
        yield True


def _first_line(file: io.FileIO) -> bytes:
    line = b""
    while b"\n" not in line and (more := file.read(4096)):
        line += more
    return line.removeprefix(_BOM).partition(b"\n")[0]


def _columns(path: Path, line: bytes) -> list[str]:
    """Names of the columns, in the order of the file."""
    if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise CryoalError(
            f"{path}: UTF-16; another program saved this ledger: save it as UTF-8 again"
        )
    names = [
        name.strip().strip('"')
        for name in line.decode("utf-8", errors="replace").rstrip("\r").split("\t")
    ]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise CryoalError(
            f"{path}, line 1: no column {', '.join(missing)}; is this a label ledger?"
        )
    return names


def _values(line: bytes, header: list[str]) -> dict[str, str]:
    """Cells of a line by their columns; empty where it is not whole."""
    text = line.decode("utf-8", errors="replace").rstrip("\r")
    row = text.split("\t")
    if '"' in text:
        try:
            (row,) = csv.reader([text], dialect="excel-tab")
        except (csv.Error, ValueError):  # a cell that has no end, or a line break in a bare one
            return {}
    return dict(zip(header, row, strict=True)) if len(row) == len(header) else {}


def _statement(value: dict[str, str], annotator: str, line: int) -> Label | None:
    try:
        position = (float(value["z"]), float(value["y"]), float(value["x"]))
        asked = int(value["round"])
    except ValueError:
        return None
    return Label(
        when=value["when"],
        statement=value["statement"].removeprefix(JOINED),
        annotator=annotator,
        id=value["id"],
        label=value["label"],
        round=asked,
        revokes=value["revokes"],
        tomogram=value["tomogram"],
        position=position,
        line=line,
    )


def _named(label: Label, joined: bool) -> dict[str, str]:
    z, y, x = (f"{value:.3f}" for value in label.position)
    return {
        "statement": (JOINED if joined else "") + label.statement,
        "when": label.when,
        "id": label.id,
        "label": label.label,
        "round": str(label.round),
        "revokes": label.revokes,
        "tomogram": label.tomogram,
        "x": x,
        "y": y,
        "z": z,
    }


def _line(path: Path, value: dict[str, str], header: list[str]) -> str:
    """One line; another program may have added columns, or changed their order."""
    text = io.StringIO()
    writer = csv.writer(text, dialect="excel-tab")  # its line end, \r\n, is what it quotes
    writer.writerow([value.get(name, "") for name in header])
    line = text.getvalue().removesuffix("\r\n")
    if "\n" in line or _values(line.encode("utf-8", errors="replace"), header) != {
        name: value.get(name, "") for name in header
    }:
        raise CryoalError(
            f"{path}: particle {value['id'][:80]!r} or its label cannot stand in one line of a "
            "ledger; rename it"
        )
    return line + "\n"


def _write(file: io.FileIO, data: bytes) -> None:
    """Write all of it: without a buffer a call may take a part only."""
    while data:
        data = data[file.write(data) :]


def _flush_folder(folder: Path) -> None:
    """Make a new file's name as lasting as its content; not every system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
