"""What a tomogram is to everything above the files."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.geometry import tilt_axis_degrees
from cryoal.core.tilting import Tilting


@dataclass(frozen=True)
class Tomogram:
    """One reconstruction, its array not yet read.

    Attributes
    ----------
    name : str
        The key that particles refer to; a string even when it looks like a number.
    shape : (Z, Y, X), voxels
    voxel_size : float, Angstrom per voxel
        Resolved and checked by ``io``; never a header's 0 or unconfirmed 1.
    load : callable () -> (Z, Y, X) array, optional
        Opens the volume, memory-mapped where its format allows. Picklable, so that a worker
        process can call it. None when only the size is known (converting particle files).
    tilt_range : (low, high), degrees
    tilt_axis : float, degrees, or the letter of an axis
        In the plane across the beam, as ``geometry.sampled_region`` takes it.
    beam_axis : "z", "y" or "x"
        Along which the beam ran: z, or y in volumes that were written unrotated (IMOD).
    contrast : "dark", "bright" or None
        Of protein in this volume; None is not known yet.
    ctf : str or None
        What is known of the CTF's state and software, in words ("phase-flipped, Warp").
    load_display : like ``load``, optional
        A volume made for looking at (denoised); it shows the same field.
    display_path : str
        Of that volume; empty where there is none.
    display_shape : (Z, Y, X), voxels, optional
    display_voxel_size : float, Angstrom per voxel, optional
        Of that volume: the tomogram's own, or coarser where it is binned.
    path : str
        Where it came from, for messages only.
    columns : dict
        The row of the tomogram STAR file it came from, as text.
    """

    name: str
    shape: tuple[int, int, int]
    voxel_size: float
    load: Callable[[], NDArray[Any]] | None = None
    tilt_range: tuple[float, float] = (-60.0, 60.0)
    tilt_axis: str | float = 0.0
    beam_axis: str = "z"
    contrast: str | None = None
    ctf: str | None = None
    load_display: Callable[[], NDArray[Any]] | None = None
    display_path: str = ""
    display_shape: tuple[int, int, int] | None = None
    display_voxel_size: float | None = None
    path: str = ""
    columns: dict[str, str] | None = None

    @property
    def tilting(self) -> Tilting:
        """What its missing wedge follows from."""
        axis = tilt_axis_degrees(self.tilt_axis, self.beam_axis)
        return Tilting(self.tilt_range, axis, self.beam_axis)

    @property
    def extent(self) -> NDArray[np.float64]:
        """Position of the last voxel's centre: (3,) zyx, Angstrom."""
        return (np.array(self.shape, dtype=np.float64) - 1) * self.voxel_size

    @property
    def shown(self) -> "Tomogram":
        """The volume made for looking at, as a tomogram of its own; itself where there is none."""
        if self.load_display is None:
            return self
        return replace(
            self,
            load=self.load_display,
            path=self.display_path,
            shape=self.display_shape or self.shape,
            voxel_size=self.display_voxel_size or self.voxel_size,
        )
