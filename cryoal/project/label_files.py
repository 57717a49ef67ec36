"""Labels that come in a file: a table, or a STAR file."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.labels import NONE, spelled
from cryoal.io.star import read_star
from cryoal.io.tsv import read_tsv
from cryoal.project.layout import SETTINGS

log = logging.getLogger(__name__)

#: What ``cryoal export`` says of a particle that a person named.
LABELLED = "labelled"


def read_labels(path: Path, *, predicted: bool = False) -> dict[str, str]:
    """Read ``{id: label}`` from a TSV or CSV with columns id, label, or from a STAR file.

    In a STAR file the id is cryoalId or rlnTomoParticleName, the label cryoalLabel or, failing
    that, ``class<rlnClassNumber>``. Rows without a class ("none", number 0) are left out.

    Parameters
    ----------
    predicted : bool
        Take a model's words too from what ``cryoal export`` wrote. Otherwise only people's: a
        model must not become its own teacher by the way of a file.

    Raises
    ------
    CryoalError
        Missing columns, a file without labels, or one id with two labels.
    """
    if path.suffix == ".star":
        table = _labels_of_star(path, predicted)
    else:
        table = read_tsv(path, required=("id", "label"))
    without = table["label"].str.strip().str.lower().isin(["", NONE])
    table = table[~without]
    if not len(table):
        raise CryoalError(f"{path}: no labels in it; one line a particle is expected")
    if without.any():
        n = int(without.sum())
        log.warning("%s: %d row%s without a class left out", path, n, "" if n == 1 else "s")
    two = table["label"].map(spelled).groupby(table["id"]).nunique()
    if (two > 1).any():
        raise CryoalError(
            f"{path}: particle {two.idxmax()!r} has {two.max()} different labels; keep one"
        )
    return dict(zip(table["id"], table["label"], strict=True))


def _labels_of_star(path: Path, predicted: bool) -> pd.DataFrame:
    for table in read_star(path).values():
        names = [n for n in ("cryoalId", "rlnTomoParticleName") if n in table]
        if not names:
            continue
        if "cryoalLabel" in table:
            labels = table["cryoalLabel"]
        elif "rlnClassNumber" in table:
            labels = class_names(table["rlnClassNumber"])
        else:
            continue
        found = pd.DataFrame({"id": table[names[0]], "label": labels})
        if predicted or "cryoalStatus" not in table:
            return found
        told = table["cryoalStatus"] == LABELLED
        if not told.any():
            raise CryoalError(
                f"{path}: nobody labelled any of these, a model predicted them; give --weak to "
                "take them as hints"
            )
        return found[told]
    raise CryoalError(
        f"{path}: no table with cryoalId (or rlnTomoParticleName) and cryoalLabel (or "
        "rlnClassNumber)"
    )


def class_names(numbers: "pd.Series[str]") -> "pd.Series[str]":
    """Names of classes that have only numbers, whole ones ("2.0" is 2); 0 is none."""
    whole = numbers.map(spelled)
    return ("class" + whole).where(whole != "0", NONE)


def numbered(names: Iterable[str]) -> bool:
    """Whether every class has only a number, as a program gives it."""
    found = set(names)
    return bool(found) and all(re.fullmatch(r"class\d+", name) for name in found)


def is_project(path: Path) -> bool:
    """Whether this is a folder with a cryoal project in it."""
    return path.is_dir() and (path / SETTINGS).exists()
