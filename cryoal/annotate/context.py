"""A particle in its tomogram, reading only the slab that is shown."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import voxels_from_angstrom
from cryoal.core.tomogram import Tomogram
from cryoal.data.crop import Cropper
from cryoal.data.extract import BoxGeometry
from cryoal.data.normalise import Shells, normalise
from cryoal.io.volumes import mean_of_halves, open_volume

if TYPE_CHECKING:
    from cryoal.project.project import Project

Window = tuple[slice, slice, slice]


def context(
    tomogram: Tomogram,
    position: ArrayLike,
    size: float,
    slab: float,
    *,
    contrast: str | None = None,
    display: bool = False,
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Slab of a tomogram around a particle, seen along z.

    Parameters
    ----------
    tomogram : Tomogram
    position : (3,) float, zyx, Angstrom
    size : float, Angstrom
        Width and height of the picture; it ends where the tomogram does.
    slab : float, Angstrom
        Thickness along z; at least one slice.
    contrast : "dark" or "bright", optional
        Of protein in the volume, where the tomogram does not say: protein comes out bright.
    display : bool
        Take the volume made for looking at (denoised), where there is one.

    Returns
    -------
    picture : (y, x) float32
    centre : (y, x) of the particle, pixels of the picture

    Raises
    ------
    CryoalError
        The volume is not known or gone, or the particle lies outside it.
    """
    if display:
        tomogram = tomogram.shown  # its voxels may be larger
    voxels = voxels_from_angstrom(position, tomogram.voxel_size)
    shape = np.array(tomogram.shape)
    if not ((voxels > -0.5 - 1e-6) & (voxels < shape - 0.5 + 1e-6)).all():
        raise CryoalError(
            f"{tomogram.name}: the particle at {_words(voxels)} lies outside its "
            f"{shape[2]} x {shape[1]} x {shape[0]} voxels"
        )
    half = np.array([slab, size, size]) / 2 / tomogram.voxel_size
    low = np.clip(np.ceil(voxels - half), 0, np.clip(np.rint(voxels), 0, shape - 1)).astype(int)
    high = np.maximum(np.clip(np.floor(voxels + half) + 1, 0, shape), low + 1).astype(int)
    window = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    data = read_window(_loader(tomogram), window)
    picture = data.mean(axis=0, dtype=np.float64).astype(np.float32)
    if (contrast or tomogram.contrast) == "dark":
        picture = -picture
    centre = voxels[1:] - low[1:]
    return picture, (float(centre[0]), float(centre[1]))


def display_box(
    tomogram: Tomogram,
    position: ArrayLike,
    geometry: BoxGeometry,
    *,
    contrast: str | None = None,
) -> NDArray[np.float32]:
    """Box of the display volume (denoised) on the grid of the project's boxes.

    Normalised as those are; the tomogram's own volume where it has none for display.

    Parameters
    ----------
    position : (3,) float, zyx, Angstrom
    contrast : "dark" or "bright", optional
        As in ``context``.

    Returns
    -------
    (box, box, box) float32, protein bright
    """
    tomogram = tomogram.shown
    volume = _loader(tomogram)()
    scale = geometry.voxel_size / tomogram.voxel_size
    box = Cropper(volume, geometry.box, scale)(voxels_from_angstrom(position, tomogram.voxel_size))
    shells = Shells(geometry.box, geometry.diameter / geometry.voxel_size / 2)
    dark = (contrast or tomogram.contrast) == "dark"
    return normalise(box, shells, -1 if dark else 1).box


def contrasts(project: "Project") -> dict[str, str]:
    """``{tomogram: "dark" or "bright"}`` of every tomogram that was extracted from."""
    table = project.subtomograms.index.tomograms
    if "cryoalContrast" not in table:
        return {}
    return dict(zip(table["rlnTomoName"], table["cryoalContrast"], strict=True))


def read_window(load: Callable[[], NDArray[Any]], window: Window) -> NDArray[np.float32]:
    """Part of a volume, read as such: of two halves only the part is averaged."""
    if isinstance(load, functools.partial) and load.func is mean_of_halves:
        halves = [
            np.asarray(open_volume(path, **load.keywords)[window], dtype=np.float32)
            for path in load.args
        ]
        return np.asarray((halves[0] + halves[1]) / 2, dtype=np.float32)
    return np.asarray(load()[window], dtype=np.float32)


def _loader(tomogram: Tomogram) -> Callable[[], NDArray[Any]]:
    if tomogram.load is None:
        raise CryoalError(f"{tomogram.name}: its volume is not known, so it cannot be shown")
    return tomogram.load


def _words(voxels: NDArray[np.float64]) -> str:
    z, y, x = voxels
    return f"x {x:.0f}, y {y:.0f}, z {z:.0f}"
