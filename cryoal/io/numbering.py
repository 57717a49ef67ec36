"""Tomograms that a list knows by number only: names from the map beside it, and back.

Dynamo's table map is ``indices_column20.doc`` with lines ``1 /path/to/TS_01.rec``, or a list of
volumes, ``.vll``, one path a line (https://www.dynamo-em.org, "Dtcrop", "Vll").
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing
from cryoal.io.names import series_name
from cryoal.io.plain_text import read_text


def numbered_tomograms(numbered: NDArray[np.float64], path: Path) -> tuple[NDArray[np.str_], bool]:
    """Names of tomograms, and False; without a map beside ``path`` the numbers, and True.

    Maps are ``<file>.doc``, ``<stem>.doc``, ``<stem>.vll``, ``indices_column20.doc``,
    ``tomograms.doc`` and ``tomograms.vll``.

    Raises
    ------
    CryoalError
        A map that is not one, or that has no line for a number.
    """
    wanted = [f"{number:.10g}" for number in numbered]
    shared = ("indices_column20.doc", "tomograms.doc", "tomograms.vll")
    files = [map_of(path), path.with_suffix(".doc"), path.with_suffix(".vll")]
    files += [path.with_name(name) for name in shared]
    file = next((file for file in files if file != path and file.is_file()), None)
    if file is None:
        return np.array(wanted, dtype=str), True
    known = _volume_list(file) if file.suffix == ".vll" else _table_map(file)
    missing = next((number for number in wanted if number not in known), None)
    if missing is not None:
        raise CryoalError(f"{file}: no line for tomogram {missing}")
    return np.array([known[number] for number in wanted]), False


def _table_map(file: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    for n, line in enumerate(read_text(file).split("\n"), 1):
        cells = line.split(maxsplit=1)
        if not cells:
            continue
        if len(cells) != 2 or not re.fullmatch(r"\d+(\.0*)?", cells[0]):
            raise CryoalError(f"{file}, line {n}: 'number path' was expected")
        number = f"{float(cells[0]):.10g}"
        if number in known:
            raise CryoalError(f"{file}, line {n}: tomogram {number} stands twice")
        known[number] = cells[1].strip()
    return known


def _volume_list(file: Path) -> dict[str, str]:
    """Paths by their place in the list; lines that start with * describe the one before."""
    known: dict[str, str] = {}
    for line in read_text(file).split("\n"):
        index = re.fullmatch(r"\*\s*index\s*=?\s*(\d+)", line.strip())
        if index and known:
            _, path = known.popitem()
            known[index.group(1)] = path
        elif line.strip() and not line.lstrip().startswith(("*", "#", "%", ">")):
            known[str(len(known) + 1)] = line.strip()
    return known


def number_names(names: Iterable[str]) -> dict[str, int]:
    """Give every tomogram a number: the one its name ends in where that tells all apart.

    Examples
    --------
    >>> number_names(["TS_17", "TS_03"]), number_names(["b", "a", "b"])
    ({'TS_17': 17, 'TS_03': 3}, {'b': 1, 'a': 2})
    """
    unique = list(dict.fromkeys(names))
    ends = [_last_number(name) for name in unique]
    # Motive lists hold numbers as 32-bit floats, exact up to 2^24.
    if None not in ends and len(set(ends)) == len(ends) and all(0 < (e or 0) < 2**24 for e in ends):
        return {name: end or 0 for name, end in zip(unique, ends, strict=True)}
    return {name: i for i, name in enumerate(unique, 1)}


def _last_number(name: str) -> int | None:
    found = re.search(r"(\d+)\D*$", series_name(name))
    return int(found.group(1)) if found else None


def match_numbers(wanted: Sequence[str], known: Iterable[str]) -> dict[str, str] | None:
    """Tomogram whose name ends in each number; None where that could be chance.

    It is none if every number has one tomogram, or every tomogram given has a number: then the
    other numbers are tomograms that were not given.

    Examples
    --------
    >>> match_numbers(["1", "7"], ["TS_01", "TS_07"])
    {'1': 'TS_01', '7': 'TS_07'}
    >>> match_numbers(["1", "2"], ["TS_01", "TS_07"])
    """
    ends: dict[int, list[str]] = {}
    names = list(known)
    for name in names:
        end = _last_number(name)
        if end is None:
            return None
        ends.setdefault(end, []).append(name)
    if len(ends) < len(names):
        return None
    whole = [number for number in wanted if float(number).is_integer()]
    found = {n: ends[int(float(n))][0] for n in whole if int(float(n)) in ends}
    complete = len(found) == len(wanted) or len(found) == len(names)
    return found if found and complete else None


def map_of(path: Path) -> Path:
    """Table map of a list; of its whole name, so that two lists never share one.

    Examples
    --------
    >>> map_of(Path("out/picks.tbl")).as_posix()
    'out/picks.tbl.doc'
    """
    return path.with_name(f"{path.name}.doc")


def write_map(path: Path, numbers: Mapping[str, int]) -> None:
    """Write the table map of a list: a line with number and name for each tomogram."""
    with replacing(map_of(path)) as out:
        out.writelines(f"{number} {name}\n" for name, number in numbers.items())
