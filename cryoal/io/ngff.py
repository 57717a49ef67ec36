"""What NGFF's ``multiscales`` say of a volume: its levels, their axes and their voxel sizes.

Versions 0.4 and 0.5 (https://ngff.openmicroscopy.org/0.5/), which keep it under ``ome``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.io.remote import brief
from cryoal.io.volumes import Place

#: Angstrom in the units that NGFF allows (UDUNITS-2 names) and programs write.
ANGSTROM = {"angstrom": 1.0, "nanometer": 10.0, "nm": 10.0, "micrometer": 1e4, "um": 1e4}

#: Sizes that differ by less than this share are the same.
SAME = 0.01


@dataclass(frozen=True)
class Level:
    """One level of a multiscale image.

    Attributes
    ----------
    path : str
        Of its array, below the group.
    axes : tuple of str
        Their names, in the order of the array.
    scale : tuple of float, Angstrom
        In the order of the axes; 0 where it is not known.
    remarks : tuple of str
        What had to be assumed.
    """

    path: str
    axes: tuple[str, ...]
    scale: tuple[float, ...]
    remarks: tuple[str, ...]

    @property
    def voxel_size(self) -> float:
        """Angstrom, mean of x and y; 0 where it is not stated."""
        sizes = [size for axis, size in zip(self.axes, self.scale, strict=True) if axis in "xy"]
        return round(float(np.mean(sizes)), 5) if sizes else 0.0

    @property
    def cubic(self) -> bool:
        """Whether its voxels are cubes, to 1 %."""
        sizes = [size for axis, size in zip(self.axes, self.scale, strict=True) if axis in "zyx"]
        return bool(np.ptp(sizes) <= SAME * np.mean(sizes)) if sizes else True


def levels_of(place: Place, attributes: Mapping[str, Any]) -> list[Level]:
    """Levels of a multiscale image, as its group's attributes list them.

    Raises
    ------
    CryoalError
        There are none, or they are not as NGFF has them.
    """
    ome = attributes.get("ome")
    scales = (ome if isinstance(ome, Mapping) else attributes).get("multiscales")
    if not isinstance(scales, Sequence) or not scales:
        raise CryoalError(
            f"{place}: a zarr group without multiscales, so no OME-Zarr image; name the array in it"
        )
    image = scales[0]
    try:
        axes = _axes(image)
        units, remarks = _units(image, axes)
        whole = _scale(image.get("coordinateTransformations"), len(axes))
        levels = []
        for dataset in image["datasets"]:
            own = _scale(dataset.get("coordinateTransformations"), len(axes))
            known = any(
                t.get("type") == "scale" for t in dataset.get("coordinateTransformations") or []
            )
            scale = tuple(
                float(a * b * unit) if known and np.isfinite(a * b * unit) and a * b > 0 else 0.0
                for a, b, unit in zip(own, whole, units, strict=True)
            )
            moved = _moved(dataset.get("coordinateTransformations"))
            told = ("its origin (translation) is not 0 and is ignored",) if moved else ()
            levels.append(Level(str(dataset["path"]), axes, scale, remarks + told))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise CryoalError(
            f"{place}: its multiscales metadata are not as NGFF has them ({brief(problem)})"
        ) from problem
    if not levels:
        raise CryoalError(f"{place}: its multiscales name no dataset")
    return levels


def _axes(image: Mapping[str, Any]) -> tuple[str, ...]:
    axes = image.get("axes") or ["z", "y", "x"]
    names = tuple(str(a["name"] if isinstance(a, Mapping) else a).lower() for a in axes)
    if not set("zyx") <= set(names) or len(set(names)) != len(names):
        raise ValueError(f"axes {', '.join(names)}: z, y and x are needed")
    return names


def _units(image: Mapping[str, Any], axes: tuple[str, ...]) -> tuple[list[float], tuple[str, ...]]:
    """Angstrom in the unit of each axis, and what had to be assumed."""
    stated = [
        str(a.get("unit") or "") if isinstance(a, Mapping) else "" for a in image.get("axes") or []
    ] or [""] * len(axes)
    units, remarks = [], []
    for axis, unit in zip(axes, stated, strict=True):
        if axis not in "zyx":
            units.append(1.0)
        elif not unit:
            units.append(1.0)
            remarks.append("no unit in its axes: its scale is taken as Angstrom")
        elif unit.lower() in ANGSTROM:
            units.append(ANGSTROM[unit.lower()])
        else:
            units.append(np.nan)
            remarks.append(f"unit {unit!r} of its axes is none of length, so it states no size")
    return units, tuple(dict.fromkeys(remarks))


def _moved(transformations: Any) -> bool:
    return any(
        float(value) != 0
        for transformation in transformations or []
        if transformation.get("type") == "translation"
        for value in transformation["translation"]
    )


def _scale(transformations: Any, axes: int) -> list[float]:
    scale = [1.0] * axes
    for transformation in transformations or []:
        if transformation.get("type") == "scale":
            factors = [float(value) for value in transformation["scale"]]
            scale = [a * b for a, b in zip(scale, factors, strict=True)]
    return scale
