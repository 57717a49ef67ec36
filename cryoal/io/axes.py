"""Which columns of a plain table hold x, y and z, and in what unit their names say."""

import re
from collections.abc import Iterable

_WORDS = r"(?:rln)?(?:pos(?:ition)?|coord(?:inate)?s?|location|orig|cent(?:er|re|roid))"
_UNITS = r"voxels?|px|pixels?|a|å|ang|angstroms?|angst|nm|nanomet(?:er|re)s?"
_AXIS = re.compile(
    rf"(?:{_WORDS}[._ ]?)?([xyz])(?:[_ ]?{_WORDS})?\s*_?[\[(]?\s*({_UNITS})?\s*[\])]?",
    re.IGNORECASE,
)
#: napari's own names of the axes of points, z first.
_NAPARI = {"axis-0": "z", "axis-1": "y", "axis-2": "x"}


def axes(header: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Column and stated unit of each axis that a header names.

    Examples
    --------
    >>> axes(["IDs", "X [A]", "Y [A]", "Z [A]"])["z"]
    ('Z [A]', 'a')
    >>> axes(["index", "axis-0", "axis-1", "axis-2"])["x"]
    ('axis-2', '')
    """
    names = [name.strip() for name in header]
    if set(_NAPARI) <= set(names) and "axis-3" not in names:
        return {axis: (name, "") for name, axis in _NAPARI.items()}
    found: dict[str, tuple[str, str]] = {}
    for name in names:
        match = _AXIS.fullmatch(name)
        if match:
            found.setdefault(match.group(1).lower(), (name, (match.group(2) or "").lower()))
    return found


def names_axis(column: str) -> bool:
    """Whether a column's name says that it holds x, y or z."""
    return _AXIS.fullmatch(column.strip()) is not None or column.strip() in _NAPARI
