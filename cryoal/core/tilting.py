"""How a tomogram was tilted: what its missing wedge follows from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import BEAM_AXES, sampled_region, tilt_axis_degrees

#: The largest tilt range there can be, degrees.
UPRIGHT = 90.0


@dataclass(frozen=True)
class Tilting:
    """Tilt range, tilt axis and beam of a single-axis tilt series, in the tomogram's own frame.

    Attributes
    ----------
    tilt_range : (low, high), degrees
    tilt_axis : float, degrees
        From the first to the second axis across the beam, as ``geometry.sampled_region`` takes it;
        0 is y where the beam runs along z.
    beam_axis : "z", "y" or "x"
    """

    tilt_range: tuple[float, float] = (-60.0, 60.0)
    tilt_axis: float = 0.0
    beam_axis: str = "z"

    #: STAR columns that hold these.
    COLUMNS = ("cryoalTiltMin", "cryoalTiltMax", "cryoalTiltAxis", "cryoalBeamAxis")

    def columns(self) -> dict[str, str]:
        """As the values of ``COLUMNS``: an axis of the volume by its letter."""
        first, second = BEAM_AXES[self.beam_axis]
        letters = {0.0: first, 90.0: second}
        axis = letters.get(self.tilt_axis % 180) or f"{self.tilt_axis:g}"
        low, high = self.tilt_range
        return dict(zip(self.COLUMNS, (f"{low:g}", f"{high:g}", axis, self.beam_axis), strict=True))

    @classmethod
    def of(cls, row: Mapping[str, str]) -> "Tilting":
        """From a row with ``COLUMNS``; without a beam axis it is z.

        Raises
        ------
        CryoalError
            A value that cannot be.
        """
        beam = str(row.get("cryoalBeamAxis", "z"))
        beam = beam if beam in BEAM_AXES else "z" if beam in ("", "nan") else beam
        try:
            tilting = cls(
                (float(row["cryoalTiltMin"]), float(row["cryoalTiltMax"])),
                tilt_axis_degrees(row["cryoalTiltAxis"], beam),
                beam,
            )
        except (KeyError, ValueError) as problem:
            raise CryoalError(
                f"tomogram {row.get('rlnTomoName', '')}: its tilts are not readable ({problem}); "
                "run cryoal extract again with --tilt-range, --tilt-axis and --beam-axis"
            ) from problem
        check_tilts(tilting.tilt_range, tilting.tilt_axis)
        return tilting

    def measured(self, shape: tuple[int, int, int], *, real: bool = True) -> NDArray[np.bool_]:
        """Where it has measured in Fourier space, as ``geometry.sampled_region``."""
        return sampled_region(shape, self.tilt_range, self.tilt_axis, self.beam_axis, real=real)


def tiltings(tomograms: pd.DataFrame) -> dict[str, Tilting]:
    """How each tomogram of a table with rlnTomoName and ``Tilting.COLUMNS`` was tilted."""
    rows = tomograms.fillna("").astype(str).to_dict("records")
    return {
        str(row["rlnTomoName"]): Tilting.of({str(k): v for k, v in row.items()}) for row in rows
    }


def check_tilts(tilt_range: tuple[float, float] | None, tilt_axis: float | None) -> None:
    """Refuse tilts that cannot be, also those that are no numbers.

    Raises
    ------
    CryoalError
        Names the option.
    """
    if tilt_range is not None:
        low, high = tilt_range
        if not -UPRIGHT < low < high < UPRIGHT:
            raise CryoalError(
                f"--tilt-range {low:g} {high:g}: lowest and highest tilt in degrees, between -90 "
                "and 90, are needed"
            )
    if tilt_axis is not None and not -360 <= tilt_axis <= 360:
        raise CryoalError(f"--tilt-axis {tilt_axis:g}: an angle in degrees is needed")
