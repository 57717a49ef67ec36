"""Which columns of a plain table hold x, y and z, and in what unit their names say."""

import re
from collections.abc import Iterable

_AXIS = re.compile(
    r"(?:pos(?:ition)?_?|coord(?:inate)?_?|location_?|orig_?)?([xyz])"
    r"\s*_?[\[(]?\s*(voxels?|px|pixels?|a|å|ang|angstroms?|angst)?\s*[\])]?",
    re.IGNORECASE,
)


def axes(header: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Column and stated unit of each axis that a header names.

    Examples
    --------
    >>> axes(["IDs", "X [A]", "Y [A]", "Z [A]"])["z"]
    ('Z [A]', 'a')
    """
    found: dict[str, tuple[str, str]] = {}
    for name in header:
        match = _AXIS.fullmatch(name.strip())
        if match:
            found.setdefault(match.group(1).lower(), (name, (match.group(2) or "").lower()))
    return found


def names_axis(column: str) -> bool:
    """Whether a column's name says that it holds x, y or z."""
    return _AXIS.fullmatch(column.strip()) is not None
