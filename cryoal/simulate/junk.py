"""What pickers take for particles: ice, membrane, gold fringe, the flank of a neighbour."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cryoal.core.errors import CryoalError
from cryoal.simulate.scene import Canvas, Cluster, put, sphere

#: The kinds of junk, in equal parts.
KINDS = ("ice", "membrane", "gold", "flank")

#: Gold is some seven times as dense in projected potential as protein; a 10 nm bead.
GOLD_DENSITY = 7.0
GOLD_DIAMETER = 100.0  # Angstrom

#: Half the distance between the two leaflets' head groups, and their width (a lipid bilayer
#: shows two lines about 36 A apart).
LEAFLET_OFFSET = 18.0  # Angstrom
LEAFLET_WIDTH = 7.0  # Angstrom, standard deviation
LEAFLET_DENSITY = 0.8

#: Two junk picks are never closer than this.
APART = 60.0  # Angstrom


def split(n: int, rng: np.random.Generator) -> dict[str, int]:
    """Share n junk picks among the kinds, equal but for the remainder, which is drawn."""
    counts = np.full(len(KINDS), n // len(KINDS))
    counts[rng.permutation(len(KINDS))[: n % len(KINDS)]] += 1
    return {kind: int(count) for kind, count in zip(KINDS, counts, strict=True)}


def place_vesicles(
    canvas: Canvas, picks: int, voxel_size: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Put down vesicles with room for so many picks, and choose places on their membranes.

    Parameters
    ----------
    canvas : Canvas
    picks : int
    voxel_size : float, Angstrom per voxel
    rng : Generator

    Returns
    -------
    (picks, 3) float64, zyx, voxels
    """
    chosen: list[NDArray[np.float64]] = []
    while len(chosen) < picks:
        radius = rng.uniform(150, 300) / voxel_size
        room = (min(canvas.shape) - 4) / 2 - (LEAFLET_OFFSET + 3 * LEAFLET_WIDTH) / voxel_size
        radius = max(min(radius, room - 2), 3.0)
        base = put(canvas, canvas.other, _shell(radius, voxel_size), rng)
        if base is None:
            raise CryoalError(_full(canvas, "vesicle"))
        wanted = min(picks - len(chosen), 12)
        for direction in _directions(40 * wanted, rng):
            where = base + radius * direction
            # The missing wedge hides a vesicle's poles, and nobody picks what cannot be seen.
            seen = abs(direction[0]) < 0.7
            if (
                wanted
                and seen
                and _apart(where, chosen, APART / voxel_size)
                and _inside(canvas, where)
            ):
                chosen.append(where)
                wanted -= 1
    return np.array(chosen).reshape(-1, 3)


def place_gold(
    canvas: Canvas, picks: int, voxel_size: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Put down gold beads, one for every two picks, and choose places in their fringes.

    Returns
    -------
    (picks, 3) float64, zyx, voxels
        Half to one and a quarter bead diameters from the centre of a bead.
    """
    bead = sphere(GOLD_DIAMETER / 2 / voxel_size, GOLD_DENSITY)
    chosen: list[NDArray[np.float64]] = []
    while len(chosen) < picks:
        base = put(canvas, canvas.other, bead, rng)
        if base is None:
            raise CryoalError(_full(canvas, "gold bead"))
        wanted = min(picks - len(chosen), 2)
        for direction in _directions(40, rng):
            where = base + direction * rng.uniform(0.5, 1.25) * GOLD_DIAMETER / voxel_size
            if wanted and _apart(where, chosen, APART / voxel_size) and _inside(canvas, where):
                chosen.append(where)
                wanted -= 1
    return np.array(chosen).reshape(-1, 3)


def reserve_ice(
    canvas: Canvas, picks: int, radius: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Keep places free of everything, each a ball of ``radius`` voxels.

    Returns
    -------
    (picks, 3) float64, zyx, voxels
    """
    hole = sphere(radius, 0)
    chosen = []
    for _ in range(picks):
        base = put(canvas, None, hole, rng)
        if base is None:
            raise CryoalError(_full(canvas, "place of empty ice"))
        chosen.append(base + rng.uniform(-0.5, 0.5, size=3))
    return np.array(chosen).reshape(-1, 3)


def flanks(
    canvas: Canvas,
    picks: int,
    positions: NDArray[np.float64],
    diameters: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Choose places on particles' surfaces that are no particle's centre.

    Parameters
    ----------
    canvas : Canvas
    picks : int
    positions : (N, 3) float64, zyx, voxels
    diameters : (N,) float64, voxels
    rng : Generator

    Returns
    -------
    (picks, 3) float64, zyx, voxels
        0.45 to 0.65 diameters from one particle's centre, and at least 0.4 diameters, and 3
        voxels, from that of every other.
    """
    tree = cKDTree(positions)
    chosen: list[NDArray[np.float64]] = []
    for _ in range(200 * max(picks, 1)):
        if len(chosen) == picks:
            break
        row = int(rng.integers(len(positions)))
        where = positions[row] + _directions(1, rng)[0] * rng.uniform(0.45, 0.65) * diameters[row]
        near = tree.query_ball_point(where, diameters.max())
        distance = np.linalg.norm(positions[near] - where, axis=1)
        if (distance < np.maximum(0.4 * diameters[near], 3)).any():
            continue
        if _apart(where, chosen, 3) and _inside(canvas, where):
            chosen.append(where)
    if len(chosen) < picks:
        raise CryoalError(_full(canvas, "flank of a particle"))
    return np.array(chosen).reshape(-1, 3)


def _shell(radius: float, voxel_size: float) -> Cluster:
    """Build a spherical bilayer; radius in voxels."""
    offset, width = LEAFLET_OFFSET / voxel_size, LEAFLET_WIDTH / voxel_size
    width = max(width, 0.6)  # a line thinner than a voxel cannot be drawn
    half = int(np.ceil(radius + offset + 3 * width))
    grid = np.arange(-half, half + 1, dtype=np.float32)
    distance = np.sqrt(grid[:, None, None] ** 2 + grid[:, None] ** 2 + grid**2)
    away = np.abs(distance - radius)
    values = LEAFLET_DENSITY * np.exp(-((away - offset) ** 2) / (2 * width**2))
    kept = away < offset + 3 * width
    return Cluster(
        np.argwhere(kept) - half, values[kept].astype(np.float32), away[kept] < offset + width
    )


def _directions(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw n random directions: (n, 3) of length 1."""
    vectors = rng.normal(size=(n, 3))
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _apart(where: NDArray[np.float64], others: list[NDArray[np.float64]], distance: float) -> bool:
    return all(np.linalg.norm(where - other) >= distance for other in others)


def _inside(canvas: Canvas, where: NDArray[np.float64]) -> bool:
    """Whether a box around this place lies in the tomogram, as every particle's does."""
    margin = canvas.margin
    return bool((where >= margin).all() and (where <= np.array(canvas.shape) - 1 - margin).all())


def _full(canvas: Canvas, what: str) -> str:
    z, y, x = canvas.shape
    return (
        f"no room is left for another {what} in a tomogram of {x} x {y} x {z} voxels (x, y, z); "
        "ask for fewer picks a tomogram, less junk, or a larger shape"
    )
