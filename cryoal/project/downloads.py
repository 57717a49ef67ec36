"""Statements that come in a file: a downloaded label sheet, or somebody's ledger."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.labels import Label, LabelBook, in_file_order
from cryoal.core.particles import ParticleSet
from cryoal.io.ledger import JOINED
from cryoal.io.tsv import read_tsv
from cryoal.project.labels import reattach

REQUIRED = ("statement", "when", "id", "label", "round", "revokes")
_NAME = re.compile(r"[0-9A-Za-z._-]{1,80}")


def holds_statements(path: Path) -> bool:
    """Whether a file's header is that of statements, not of a plain table of labels."""
    if path.suffix == ".star":
        return False
    with path.open("rb") as file:
        header = file.readline(10_000).decode("utf-8", errors="replace")
    names = {name.strip().strip('"\ufeff') for name in re.split(r"[\t,]", header)}
    return names >= set(REQUIRED)


def read_statements(path: Path, annotator: str = "") -> list[Label]:
    """Read statements with their names, times and undos; each person's in the order of the file.

    Parameters
    ----------
    annotator : str
        Whose words they are, whatever the file says. Empty: its column ``annotator`` or, as in a
        ledger, which has none, the name of the file.

    Raises
    ------
    CryoalError
        Names the file and the line.
    """
    table = read_tsv(path, REQUIRED)
    own: dict[str, list[Label]] = {}
    joined = []
    for line, row in enumerate(table.to_dict("records"), 2):
        value = {str(name): str(cell) for name, cell in row.items()}
        who = annotator or value.get("annotator", path.stem).strip()
        statement = _statement(value, who, f"{path}, row {line}")
        if value["statement"].startswith(JOINED):
            joined.append(statement)
        else:
            own.setdefault(who, []).append(statement)
    if not own and not joined:
        raise CryoalError(f"{path}: no statements in it; one line an answer is expected")
    return sorted(joined + [label for said in own.values() for label in in_file_order(said)])


def _statement(value: dict[str, str], annotator: str, place: str) -> Label:
    label, revokes = value["label"].strip(), value["revokes"].strip()
    name = value["statement"].strip().removeprefix(JOINED)
    for what, text in (("statement", name), ("revokes", revokes or name)):
        if not _NAME.fullmatch(text):
            raise CryoalError(f"{place}: {what} {text!r} is no name of a statement")
    if bool(label) == bool(revokes) or not label.isprintable():
        raise CryoalError(f"{place}: a label, or the statement it takes back, is expected")
    try:
        when = datetime.fromisoformat(value["when"].strip()).astimezone(UTC)
        asked = int(value["round"])
        position = tuple(float(value.get(axis) or "nan") for axis in "zyx")
    except ValueError as problem:
        raise CryoalError(f"{place}: {problem}") from problem
    return Label(
        when=when.isoformat(timespec="microseconds"),
        statement=name,
        annotator=annotator,
        id=value["id"],
        label=label,
        round=asked,
        revokes=revokes,
        tomogram=value.get("tomogram", ""),
        position=(position[0], position[1], position[2]),
    )


@dataclass(frozen=True)
class Placed:
    """Statements that found their particles, and those that did not.

    Attributes
    ----------
    found, lost : list of Label
    """

    found: list[Label]
    lost: list[Label]


def place(statements: Sequence[Label], particles: ParticleSet, near: float) -> Placed:
    """Give every statement the particle that it is about, by its id and by where that was.

    An id that now belongs to a particle elsewhere, as after re-picking, does not count: the
    particle at the statement's place does, if there is one.

    Parameters
    ----------
    near : float, Angstrom
        How far a particle may be from where the statement was made.
    """
    placed = []
    rows = pd.Index(particles.id).get_indexer(pd.Index([s.id for s in statements]))
    for statement, row in zip(statements, rows, strict=True):
        if row >= 0 and not np.isfinite(statement.position).all():
            z, y, x = (float(value) for value in particles.position[row])
            tomogram = str(particles.tomogram[row])
            statement = replace(statement, tomogram=tomogram, position=(z, y, x))
        placed.append(statement)
    moved = reattach(LabelBook(frozenset(placed)), particles, near).statements
    known = set(particles.id)
    found = [s for s in moved if s.id in known]
    return Placed(sorted(found), sorted(s for s in moved if s.id not in known))
