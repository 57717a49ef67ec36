"""Picks of one tomogram to one stack of normalised boxes: the unit of work of extraction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_for_diameter, voxels_from_angstrom
from cryoal.core.tomogram import Tomogram
from cryoal.data.crop import Cropper
from cryoal.data.normalise import Batch, Shells, grey_scale, normalise_in_place
from cryoal.data.placement import Check, centres_of_lists, check_lists
from cryoal.data.wedge import Wedge, find_wedge
from cryoal.io.mrc import Sums, writing_stack

#: The field's working scale: TomoTwin, MemBrain, octopi and easymode all take 10 A.
WORKING_VOXEL_SIZE = 10.0

#: Fraction of a box that must lie inside the tomogram for ``edge="pad"``.
INSIDE_ENOUGH = 0.75

#: Boxes under this many diameters hold too little background to normalise by.
SMALLEST_BOX = 1.2

#: Bytes of boxes that are worked on together: about what a core's own cache holds.
BATCH = 2**21

#: Random shifts in training reach a tenth of the diameter, at most this many voxels: no larger
#: than the pick error, or neighbours' picks would inherit a particle's class.
LARGEST_SHIFT = 3


@dataclass(frozen=True)
class BoxGeometry:
    """How large boxes are, in working voxels, and the particle in them.

    Attributes
    ----------
    box : int, voxels, even
        As stored, the margin for random shifts included.
    voxel_size : float, Angstrom
        The working voxel size.
    diameter : float, Angstrom
        Of the particle.
    """

    box: int
    voxel_size: float
    diameter: float

    @property
    def shift(self) -> int:
        """Largest random shift in training, voxels; the margin stored on every side."""
        return min(LARGEST_SHIFT, round(0.1 * self.diameter / self.voxel_size))

    @property
    def network_box(self) -> int:
        """What a network sees: the stored box without the margin for shifts."""
        return self.box - 2 * self.shift


def choose_geometry(
    voxel_size: float, diameter: float | None = None, box: int | None = None
) -> BoxGeometry:
    """Settle box and diameter from what is known of either.

    Raises
    ------
    CryoalError
        Neither is given, the box is odd, or it is under 1.2 diameters.
    """
    if box is None and diameter is None:
        raise CryoalError(
            "how large are the particles? Give --diameter in Angstrom (the longest axis of the "
            "largest class), or --box in voxels"
        )
    if box is not None and (box % 2 or not 16 <= box <= 128):
        raise CryoalError(
            f"--box {box}: boxes are even and from 16 to 128 voxels; try {max(16, box + box % 2)}"
        )
    if diameter is None:
        assert box is not None
        diameter = box * voxel_size / 1.5
    if box is None:
        shift = BoxGeometry(0, voxel_size, diameter).shift
        box = max(16 + 2 * shift, box_for_diameter(diameter, voxel_size, shift))
    if box * voxel_size < SMALLEST_BOX * diameter:
        needed = box_for_diameter(diameter, voxel_size)
        raise CryoalError(
            f"--box {box} at {voxel_size:g} A is {box * voxel_size:g} A, under {SMALLEST_BOX} "
            f"diameters of {diameter:g} A: no background is left; use --box {needed}"
        )
    return BoxGeometry(box, voxel_size, diameter)


@dataclass(frozen=True)
class Task:
    """One tomogram's share of an extraction; picklable, for a worker process.

    Attributes
    ----------
    tomogram : Tomogram
    ids : (N,) str
    position : (N, 3) float, zyx, Angstrom
    stack : Path
        The MRC volume stack to write.
    geometry : BoxGeometry
    contrast : "dark" or "bright"
        Of protein in this tomogram; boxes are written with protein bright.
    edge : "pad" or "drop"
    float16 : bool
    """

    tomogram: Tomogram
    ids: NDArray[np.str_]
    position: NDArray[np.float64]
    stack: Path
    geometry: BoxGeometry
    contrast: str = "dark"
    edge: str = "pad"
    float16: bool = False
    lists: Mapping[str, tuple[NDArray[np.float64], Mapping[str, NDArray[np.float64]]]] | None = None


@dataclass(frozen=True)
class Extracted:
    """What became of one tomogram's picks.

    Attributes
    ----------
    tomogram : str
    ids : (n,) str
        In the order of the stack.
    mean, std : (n,) float
        Of each box before normalising, relative to the tomogram's mean and standard deviation:
        they betray gold, carbon and empty ice.
    left_out : list of (id, reason)
    """

    tomogram: str
    ids: NDArray[np.str_]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    left_out: list[tuple[str, str]]


def look(task: Task) -> Check:
    """Check where the picks of one tomogram lie, before anything is cut.

    Raises
    ------
    CryoalError
        Not one voxel of the tomogram is a number.
    """
    tomogram, volume = task.tomogram, _load(task.tomogram)
    check = check_lists(
        volume,
        centres_of_lists(task.lists or {"": (task.position, {})}, tomogram.voxel_size),
        diameter=task.geometry.diameter / tomogram.voxel_size,
        scale=task.geometry.voxel_size / tomogram.voxel_size,
        rng=np.random.default_rng(0),
    )
    if check.missing == volume.size:
        raise CryoalError(
            f"{tomogram.name}: not one voxel of {tomogram.path or 'its volume'} is a number; "
            "reconstruct it again, or leave it out"
        )
    return replace(check, wedge=find_wedge(volume))


def look_for_wedge(tomogram: Tomogram) -> Wedge | None:
    """Find the empty wedge of a tomogram whose boxes are cut already."""
    return find_wedge(_load(tomogram))


def check_fits(tomogram: Tomogram, geometry: BoxGeometry, edge: str) -> None:
    """Refuse boxes of which the tomogram can hold too little wherever they are.

    Raises
    ------
    CryoalError
        Names the tomogram and both sizes.
    """
    side = geometry.box * geometry.voxel_size / tomogram.voxel_size
    inside = np.prod([min(1.0, size / side) for size in tomogram.shape])
    if inside < _needed(edge):
        z, y, x = tomogram.shape
        raise CryoalError(
            f"{tomogram.name}: a box of {geometry.box} at {geometry.voxel_size:g} A does not fit "
            f"into {x} x {y} x {z} voxels of {tomogram.voxel_size:g} A; check --diameter, --box "
            "and --voxel-size"
        )


def extract_tomogram(task: Task) -> Extracted:
    """Cut, normalise and write every pick of one tomogram.

    Boxes are written slab by slab along z, so that a tomogram on disk is read from front to back
    (``reading_order``), in batches that share one array. The file may still be on its way to the
    disk when this returns (``io.files.wait_for_disk``).

    Raises
    ------
    CryoalError
        The tomogram's volume is not known.
    """
    tomogram, geometry = task.tomogram, task.geometry
    volume = _load(tomogram)
    scale = geometry.voxel_size / tomogram.voxel_size
    cropper = Cropper(volume, geometry.box, scale)
    scale_of_grey = grey_scale(volume)
    shells = Shells(geometry.box, geometry.diameter / geometry.voxel_size / 2)
    sign = -1 if task.contrast == "dark" else 1
    centres = voxels_from_angstrom(task.position, tomogram.voxel_size)
    inside = cropper.inside(centres)
    left_out = [
        (str(task.ids[row]), _edge_reason(inside[row], task.edge))
        for row in np.flatnonzero(inside < _needed(task.edge))
    ]
    rows = np.flatnonzero(inside >= _needed(task.edge))
    rows = rows[reading_order(centres[rows], volume, geometry.box * scale)]
    box = geometry.box
    boxes = np.empty((max(1, BATCH // (4 * box**3)), box, box, box), dtype=np.float32)
    dtype = np.float16 if task.float16 else np.float32
    kept, looks = [], []
    with writing_stack(task.stack, box, geometry.voxel_size, dtype) as stack:
        for start in range(0, len(rows), len(boxes)):
            batch = rows[start : start + len(boxes)]
            cut = boxes[: len(batch)]
            cropper.cut(centres[batch], cut)
            was = normalise_in_place(cut, shells, sign)
            full = ~was.empty
            if full.any():
                stack.append(cut if full.all() else cut[full], _sums(was, full))
            kept.append(batch[full])
            looks.append((was.mean[full], was.std[full]))
            left_out += [
                (str(task.ids[row]), f"empty: {constant:.0%} of the box is constant or padding")
                for row, constant in zip(batch[~full], was.constant[~full], strict=True)
            ]
    ids = task.ids[np.concatenate(kept)] if kept else task.ids[:0]
    mean, std = np.concatenate(looks, axis=1) if looks else np.zeros((2, 0))
    if not len(ids):
        task.stack.unlink()  # an MRC file without a section is no MRC file
    deviation = scale_of_grey.std or 1.0
    return Extracted(
        tomogram.name, ids, (mean - scale_of_grey.mean) / deviation, std / deviation, left_out
    )


def _sums(batch: Batch, kept: NDArray[np.bool_]) -> Sums:
    return Sums(
        float(batch.low[kept].min()),
        float(batch.high[kept].max()),
        float(batch.total[kept].sum()),
        float(batch.squares[kept].sum()),
    )


def reading_order(
    centres: NDArray[np.float64], volume: NDArray[np.generic], depth: float
) -> NDArray[np.intp]:
    """Order in which boxes are cut, so that each reads what the one before has read: (n,).

    Parameters
    ----------
    centres : (n, 3) float, zyx, voxels
    volume : (Z, Y, X) array
        In memory or mapped, it is read in rows along x, as deep and as wide as a box, which takes
        half the time that boxes in the order of z take; else by z, each of its layers once.
    depth : float, voxels
        Of a box.
    """
    z, y, x = centres.T
    if isinstance(volume, np.ndarray):
        return np.lexsort((x, y // depth, z // depth))
    return np.lexsort((x, y, z))


def _needed(edge: str) -> float:
    # Fractions are products of k / box: a whisker below 1 is 1.
    return 1 - 1e-9 if edge == "drop" else INSIDE_ENOUGH


def _edge_reason(inside: float, edge: str) -> str:
    wanted = "all" if edge == "drop" else f"{INSIDE_ENOUGH:.0%}"
    return f"edge: {inside:.0%} of the box lies inside the tomogram, {wanted} needed"


def _load(tomogram: Tomogram) -> NDArray[np.generic]:
    if tomogram.load is None:
        raise CryoalError(f"{tomogram.name}: its volume is not known; give the tomogram itself")
    return tomogram.load()
