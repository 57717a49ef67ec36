"""One particle as it is looked at: every picture of it, made without a window."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cryoal.annotate import views
from cryoal.annotate.context import context, contrasts, display_box
from cryoal.core.errors import CryoalError

if TYPE_CHECKING:
    from cryoal.annotate.queue import Asked

#: Width of the picture of the surroundings, in diameters of the particle.
SURROUNDINGS = 6.0


@dataclass(frozen=True)
class Look:
    """How to look.

    Attributes
    ----------
    low_pass, high_pass : float, Angstrom, optional
    turned : bool
        Into the pose of the reference, where the picks have poses.
    display : bool
        At the volume made for looking at (denoised), where there is one.
    surroundings : float, Angstrom
        Width of the tomogram around the particle.
    """

    low_pass: float | None = views.LOW_PASS
    high_pass: float | None = None
    turned: bool = False
    display: bool = False
    surroundings: float = 1500.0


@dataclass(frozen=True)
class Seen:
    """Pictures of one particle, protein bright, rows down.

    Attributes
    ----------
    slabs : (3, box, box) float32, xy, xz, yz
    projection : (box, box) float32
    volume : (box, box, box) float32, filtered as the slabs are
    surroundings : (n, n) float32, or None
        The particle in the middle; NaN beyond the tomogram.
    width : float, Angstrom, of the surroundings
    problem : str
        Why there are no surroundings.
    """

    id: str
    slabs: NDArray[np.float32]
    projection: NDArray[np.float32]
    volume: NDArray[np.float32]
    surroundings: NDArray[np.float32] | None
    width: float
    problem: str = ""


def look_at(asked: "Asked", particle: str, look: Look) -> Seen:
    """Make every picture of a particle.

    Raises
    ------
    CryoalError
        Its box cannot be read, or the filters leave nothing.
    """
    project = asked.project
    geometry = project.subtomograms.geometry
    tomogram = project.tomograms.get(asked.tomogram(particle))
    position, contrast = asked.position(particle), contrasts(project)
    word = contrast.get(asked.tomogram(particle))
    if look.display and tomogram is not None and tomogram.load_display is not None:
        box = display_box(tomogram, position, geometry, contrast=word)
    else:
        box = project.subtomograms[[particle]][0]
    rotation = asked.rotation(particle) if look.turned else None
    if rotation is not None:
        box = views.turned(box, rotation)
    volume = views.band_pass(box, geometry.voxel_size, look.low_pass, look.high_pass)
    radius = geometry.diameter / geometry.voxel_size / 2
    around: NDArray[np.float32] | None = None
    width, problem = look.surroundings, ""
    try:
        if tomogram is None:
            raise CryoalError(f"{asked.tomogram(particle)}: no such tomogram in the project")
        picture, centre = context(
            tomogram, position, look.surroundings, geometry.diameter / 2,
            contrast=word, display=look.display,
        )  # fmt: skip
        pixel = tomogram.voxel_size
        picture = views.band_pass(picture[None], pixel, look.low_pass, look.high_pass)[0]
        around = centred(picture, centre, max(2, round(look.surroundings / pixel)))
        width = len(around) * pixel
    except (CryoalError, OSError) as trouble:
        # A particle can be named without its surroundings: the tomogram may lie elsewhere.
        problem = str(trouble)
    return Seen(
        particle,
        views.orthogonal(volume, radius),
        views.projection(volume, radius),
        volume,
        around,
        width,
        problem,
    )


def centred(
    picture: NDArray[np.float32], centre: tuple[float, float], side: int
) -> NDArray[np.float32]:
    """Put a picture onto a square with ``centre`` (y, x) in the middle, and NaN around it."""
    square = np.full((side, side), np.nan, np.float32)
    places, parts = [], []
    for at, size in zip(centre, picture.shape, strict=True):
        first = round((side - 1) / 2 - at)
        places.append(slice(max(first, 0), min(first + size, side)))
        parts.append(slice(max(-first, 0), min(side - first, size)))
    square[tuple(places)] = picture[tuple(parts)]
    return square


def has_display(asked: "Asked") -> bool:
    """Whether any tomogram of the project has a volume made for looking at."""
    return any(t.load_display is not None for t in asked.project.tomograms.values())
