"""Whom to believe about a voxel size: the user, STAR files, file names, headers."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cryoal.core.errors import CryoalError

log = logging.getLogger(__name__)

#: Headers outside this range, or of exactly 1, are defaults that nobody measured
#: (mrcfile writes 0; IsoNet2#13, ICECREAM#15, membrain-seg#82 write 1).
BELIEVABLE = (0.5, 100.0)


@dataclass(frozen=True)
class Said:
    """A voxel size that the user gave, Angstrom, and whether it overrules what files state."""

    voxel_size: float
    overrules: bool = True


def believable(header: float) -> bool:
    """Whether somebody may have measured this voxel size of a header."""
    return header != 1.0 and BELIEVABLE[0] < header < BELIEVABLE[1]


def resolve_voxel_size(
    claims: Mapping[str, float | None], header: float, place: str, said: Said | None
) -> float:
    """Voxel size that the most trusted source states, if the others agree within 1 %.

    Parameters
    ----------
    claims : mapping of source, in words, to Angstrom or None
        Most trusted first.
    header : float, Angstrom
        Counts only when believable: not 0, not exactly 1, between 0.5 and 100.
    said : Said, optional
        What the user said; where it overrules the others, with a warning.
    """
    stated = {source: value for source, value in claims.items() if value}
    if believable(header):
        stated["its header"] = header
    if said is not None:
        option = said.voxel_size
        if not (np.isfinite(option) and option > 0):
            raise CryoalError(f"--voxel-size {option:g}: a positive number of Angstrom is needed")
        agreeing = [value for value in stated.values() if abs(value - option) <= 0.01 * option]
        if said.overrules:
            for source, value in stated.items():
                if value not in agreeing:
                    log.warning(
                        "%s: --voxel-size %g overrules %g of %s", place, option, value, source
                    )
            return option
        if agreeing or not stated:
            return agreeing[0] if agreeing else option
    if not stated:
        raise CryoalError(
            f"{place}: the voxel size is unknown, its header says {header:g}; "
            "give it in Angstrom with --voxel-size"
        )
    (first, chosen), *others = stated.items()
    for source, value in others:
        if abs(value - chosen) > 0.01 * chosen:
            raise CryoalError(
                f"{place}: the voxel size is {chosen:g} A by {first} but {value:g} A by {source}; "
                "say which with --voxel-size"
            )
    return chosen
