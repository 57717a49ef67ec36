"""Which columns of a plain table hold x, y and z, and in what unit their names say."""

import re
from collections.abc import Iterable

_WORDS = r"(?:rln)?(?:pos(?:ition)?|coord(?:inate)?s?|location|orig|cent(?:er|re|roid))"
_UNITS = r"voxels?|px|pixels?|a|å|ang|angstroms?|angst|nm|nanomet(?:er|re)s?"
_AXIS = re.compile(
    rf"(?:{_WORDS}[._ ]?)?([xyz])(?:[_ ]?{_WORDS})?\s*_?[\[(]?\s*({_UNITS})?\s*[\])]?",
    re.IGNORECASE,
)
#: Axes by their number in an array, z first: napari's points, the motors of the BYU challenge.
_NUMBERED = re.compile(r"(?:\w+[ _])?axis[-_ ]?([0-3])", re.IGNORECASE)


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
    numbered = {m.group(1): name for name in names if (m := _NUMBERED.fullmatch(name))}
    if set(numbered) == set("012"):
        return {axis: (numbered[number], "") for axis, number in zip("zyx", "012", strict=True)}
    found: dict[str, tuple[str, str]] = {}
    for name in names:
        match = _AXIS.fullmatch(name)
        if match:
            found.setdefault(match.group(1).lower(), (name, (match.group(2) or "").lower()))
    return found


def names_axis(column: str) -> bool:
    """Whether a column's name says that it holds x, y or z."""
    return any(known.fullmatch(column.strip()) for known in (_AXIS, _NUMBERED))
