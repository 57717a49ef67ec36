"""The label ledger: one tab-separated file an annotator, only ever appended to."""

import contextlib
import csv
import io
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from cryoal.core.errors import CryoalError, MachineError
from cryoal.core.labels import Label, LabelBook

log = logging.getLogger(__name__)

COLUMNS = ("statement", "when", "id", "label", "round", "revokes", "tomogram", "x", "y", "z")


def append(path: Path, labels: Iterable[Label]) -> None:
    """Add statements and flush them to the disk before returning.

    A last line that a power cut tore is closed first, so that it spoils nothing after it.
    """
    text = io.StringIO()
    writer = csv.writer(text, dialect="excel-tab", lineterminator="\n")
    for label in labels:
        z, y, x = (f"{value:.3f}" for value in label.position)
        writer.writerow(
            (
                *(label.statement, label.when, label.id, label.label, label.round),
                *(label.revokes, label.tomogram, x, y, z),
            )
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                start = ("\t".join(COLUMNS) + "\n").encode()
            else:
                file.seek(size - 1)
                # With one cell too many, or an empty one: never taken for a whole line.
                start = b"" if file.read(1) == b"\n" else b"\t\n"
            try:
                _write(file, start + text.getvalue().encode())
                os.fsync(file.fileno())
                if size == 0:
                    _flush_folder(path.parent)
            except OSError:
                # What is called not recorded must not be found by the next reader.
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise
    except OSError as problem:
        raise MachineError(
            f"{path}: the answer could not be written ({problem.strerror}); it is not recorded"
        ) from problem


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


def read(path: Path) -> LabelBook:
    """Read one annotator's statements; the annotator is the file's stem.

    A line that is not whole (torn by a power cut) is ignored with a warning: it was never
    acknowledged.
    """
    statements = set()
    try:
        lines = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem
    torn = len(lines) if lines[-1] else 0
    header = lines[0].rstrip("\r").split("\t")
    missing = [column for column in COLUMNS if column not in header]
    if missing and any(lines):
        raise CryoalError(
            f"{path}, line 1: no column {', '.join(missing)}; is this a label ledger?"
        )
    rows = csv.reader(lines[1:], dialect="excel-tab")
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(header) or number == torn:
            log.warning("%s, line %d: ignored, it is not whole", path, number)
            continue
        value = dict(zip(header, row, strict=True))
        try:
            position = (float(value["z"]), float(value["y"]), float(value["x"]))
            asked = int(value["round"])
        except ValueError:
            log.warning("%s, line %d: ignored, it is not whole", path, number)
            continue
        statements.add(
            Label(
                when=value["when"],
                statement=value["statement"],
                annotator=path.stem,
                id=value["id"],
                label=value["label"],
                round=asked,
                revokes=value["revokes"],
                tomogram=value["tomogram"],
                position=position,
            )
        )
    return LabelBook(frozenset(statements))


def read_folder(folder: Path) -> LabelBook:
    """Every annotator's statements in a folder of ledgers."""
    return LabelBook().union(read(path) for path in sorted(folder.glob("*.tsv")))
