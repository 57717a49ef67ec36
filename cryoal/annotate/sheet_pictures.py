"""The pictures in a label sheet: slabs through each particle, and the particle in its tomogram."""

import base64
import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cryoal.annotate.context import context, display_box
from cryoal.annotate.queue import Asked
from cryoal.annotate.views import LOW_PASS, band_pass, orthogonal, stretched
from cryoal.core.errors import CryoalError
from cryoal.data.extract import BoxGeometry

#: Thickness of the slabs to choose from, in particle radii, and what they are called.
SLABS = ((0.5, "half a radius"), (1.0, "one radius"), (2.0, "whole particle"))
FIRST_SLAB = 1

#: Width of the picture of the surroundings, in diameters, and its thickness, in radii.
CONTEXT_DIAMETERS = 5.0
CONTEXT_RADII = 1.0

#: Pixels at most of either kind of picture; larger ones are made smaller, so that a sheet of large
#: boxes stays a few megabytes. With a low-pass of 40 A nothing is lost in most cases.
LARGEST_SLAB, LARGEST_CONTEXT = 72, 200

#: JPEG quality of what is smooth, and of what is noise anyway: a third less for the same look.
QUALITY, QUALITY_OF_NOISE = 85, 70
QUALITIES = (QUALITY, QUALITY_OF_NOISE)


def slab_pictures(
    box: NDArray[np.float32], denoised: NDArray[np.float32] | None, geometry: BoxGeometry
) -> list[list[str]]:
    """JPEG in base64 of each slab and filter: xy, xz and yz side by side, one grey scale.

    Parameters
    ----------
    box : (box, box, box) float32
    denoised : (box, box, box) float32, optional
        The same place in the volume made for looking at.
    geometry : BoxGeometry
    """
    radius = geometry.diameter / geometry.voxel_size / 2
    volumes = [band_pass(box, geometry.voxel_size, LOW_PASS), box]
    qualities = list(QUALITIES)
    if denoised is not None:
        volumes.append(denoised)
        qualities.append(QUALITY)
    return [
        [
            _jpeg(_side_by_side(orthogonal(volume, radii * radius)), quality)
            for volume, quality in zip(volumes, qualities, strict=True)
        ]
        for radii, _ in SLABS
    ]


def denoised_box(
    asked: Asked, particle: str, kinds: dict[str, str], troubles: list[str]
) -> NDArray[np.float32] | None:
    """Box of the volume made for looking at; None where there is none, or it is gone.

    Why it cannot be read is added to ``troubles``.
    """
    project, name = asked.project, asked.tomogram(particle)
    tomogram = project.tomograms.get(name)
    if tomogram is None or tomogram.load_display is None:
        return None
    try:
        geometry = project.subtomograms.geometry
        return display_box(tomogram, asked.position(particle), geometry, contrast=kinds.get(name))
    except CryoalError as problem:
        troubles.append(str(problem))
        return None


def surroundings(
    asked: Asked, particle: str, kinds: dict[str, str], troubles: list[str]
) -> dict[str, Any] | None:
    """The particle in its tomogram; None where the tomogram is gone, with why in ``troubles``."""
    project, name = asked.project, asked.tomogram(particle)
    tomogram = project.tomograms.get(name)
    if tomogram is None:
        return None
    tomogram = tomogram.shown
    try:
        picture, (y, x) = context(
            tomogram,
            asked.position(particle),
            CONTEXT_DIAMETERS * project.diameter,
            CONTEXT_RADII * project.diameter / 2,
            contrast=kinds.get(name),
        )
    except CryoalError as problem:
        troubles.append(str(problem))
        return None
    scale = min(1.0, LARGEST_CONTEXT / max(picture.shape))
    smooth = band_pass(picture[None], tomogram.voxel_size, LOW_PASS)[0]
    small = _smaller(_grey(smooth), LARGEST_CONTEXT)
    across = small.shape[0] / picture.shape[0], small.shape[1] / picture.shape[1]
    return {
        "source": _jpeg(small),
        "y": round((y + 0.5) * across[0] - 0.5, 2),
        "x": round((x + 0.5) * across[1] - 0.5, 2),
        "radius": round(project.diameter / 2 / tomogram.voxel_size * scale, 2),
    }


def slab_names(geometry: BoxGeometry) -> list[str]:
    """What the slabs to choose from are called, with their thickness."""
    voxel_size, radius = geometry.voxel_size, geometry.diameter / 2
    thickness = [
        (2 * math.floor(radii * radius / voxel_size / 2) + 1) * voxel_size for radii, _ in SLABS
    ]
    return [f"{name}, {a:.0f} Å" for (_, name), a in zip(SLABS, thickness, strict=True)]


def _side_by_side(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pictures (n, b, b) in a row, on one grey scale."""
    grey = _grey(pictures)
    return np.hstack([_smaller(picture, LARGEST_SLAB) for picture in grey])


def _grey(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(stretched(picture) * 255).astype(np.uint8)


def _smaller(picture: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    """Scale down to this many pixels at most, without aliasing."""
    scale = largest / max(picture.shape)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _jpeg(picture: NDArray[np.uint8], quality: int = QUALITY) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
