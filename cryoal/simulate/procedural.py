"""Made-up complexes: random assemblies of balls with random size, symmetry and build.

They are what a network is first trained on, so that the complexes of a real project are new to
it. None of them models a real one.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cryoal.simulate.complexes import PROTEIN_VOLUME, Ball, Complex, all_balls
from cryoal.simulate.density import Density, draw

Balls = NDArray[np.float64]

#: Diameters between which random complexes lie, Angstrom.
SIZES = (90.0, 320.0)

#: Share of protein in the union of the balls: complexes differ in it as real maps do.
PACKING = (0.75, 1.1)

#: Lighter ones, kDa, cannot be told from noise in any tomogram and are drawn anew.
LEAST_MASS = 120.0


def random_complex(name: str, rng: np.random.Generator, sizes: tuple[float, float]) -> Complex:
    """Draw a complex of at least `LEAST_MASS`: its build, then its symmetry, parts and size.

    Parameters
    ----------
    name : str
    rng : Generator
    sizes : (smallest, largest) diameter, Angstrom
        Drawn evenly.
    """
    drawn = _drawn(name, rng, sizes)
    while drawn.mass < LEAST_MASS:
        drawn = _drawn(name, rng, sizes)
    return drawn


def random_densities(
    n: int, voxel_size: float, seed: int, sizes: tuple[float, float] = SIZES
) -> list[Density]:
    """Draw n made-up complexes as densities.

    Parameters
    ----------
    n : int
    voxel_size : float, Angstrom per voxel
    seed : int
        The same seed gives the same complexes at every voxel size.
    sizes : (smallest, largest) diameter, Angstrom

    Returns
    -------
    list of Density
        Named ``made_up_000``, ...
    """
    rngs = np.random.default_rng(seed).spawn(n)
    return [
        draw(random_complex(f"made_up_{at:03d}", rng, sizes), voxel_size)
        for at, rng in enumerate(rngs)
    ]


def _globule(rng: np.random.Generator) -> tuple[str, Balls]:
    """Domains of different sizes, each touching one before it."""
    return ["C1", "C1", "C2"][rng.integers(3)], _grown(int(rng.integers(4, 12)), rng, (20, 45))


def _ring(rng: np.random.Generator) -> tuple[str, Balls]:
    """One to three storeys of a cyclic ring; the storeys differ."""
    n = int(rng.integers(3, 9))
    return f"C{n}", _storeys(n, int(rng.integers(1, 4)), rng, first=0.0)


def _barrel(rng: np.random.Generator) -> tuple[str, Balls]:
    """Rings stacked back to back about a channel."""
    n = int(rng.integers(2, 8))
    return f"D{n}", _storeys(n, int(rng.integers(1, 4)), rng, first=rng.uniform(8, 25))


def _shell(rng: np.random.Generator) -> tuple[str, Balls]:
    """A cage or a capsid: parts at about one distance from the centre."""
    symmetry = ["T", "O", "I"][rng.integers(3)]
    copies = {"T": 12, "O": 24, "I": 60}[symmetry]
    parts = int(rng.integers(1, 4))
    directions = rng.normal(size=(parts, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    distance = 100 * rng.uniform(0.85, 1.0, size=(parts, 1))
    radius = 100 * np.sqrt(4 / (copies * parts)) * rng.uniform(0.6, 1.1, size=(parts, 1))
    return symmetry, np.hstack([directions * distance, radius])


def _filament(rng: np.random.Generator) -> tuple[str, Balls]:
    """A short piece of a helix of equal parts."""
    n = int(rng.integers(6, 20))
    turn = rng.uniform(0.4, 2.8) * np.arange(n)
    rise, wide = rng.uniform(8, 22), rng.uniform(5, 35)
    places = np.column_stack([wide * np.cos(turn), wide * np.sin(turn), rise * np.arange(n)])
    return "C1", np.column_stack([places, np.full(n, rng.uniform(14, 26))])


def _antenna(rng: np.random.Generator) -> tuple[str, Balls]:
    """A body with one to four arms."""
    body = _grown(int(rng.integers(2, 6)), rng, (35, 55))
    for _ in range(int(rng.integers(1, 5))):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        steps = np.arange(1, int(rng.integers(2, 6)))[:, None]
        bend = rng.normal(size=3) * 5
        places = direction * (45 + 18 * steps) + bend * steps**1.5
        arm = np.hstack([places, rng.uniform(10, 20) * np.ones_like(steps)])
        body = np.vstack([body, arm])
    return ["C1", "C1", "C2", "C3"][rng.integers(4)], body


def _stacked(rng: np.random.Generator) -> tuple[str, Balls]:
    """A ring with an irregular cap, as a machine with its regulator."""
    n = int(rng.integers(5, 9))
    angle = 2 * np.pi * np.arange(n) / n
    wide, part = rng.uniform(35, 60), rng.uniform(16, 26)
    storeys = int(rng.integers(1, 5))
    rows = [
        np.column_stack([wide * np.cos(angle), wide * np.sin(angle), np.full(n, 35.0 * s)])
        for s in range(storeys)
    ]
    places = np.vstack(rows)
    ring = np.column_stack([places, np.full(len(places), part)])
    cap = _grown(int(rng.integers(3, 8)), rng, (18, 36))
    cap[:, :3] += [rng.uniform(0, 40), 0, 35.0 * storeys + 25]
    return "C1", np.vstack([ring, cap])


def _plate(rng: np.random.Generator) -> tuple[str, Balls]:
    """Something flat: parts of a lattice in one plane."""
    n = int(rng.integers(4, 14))
    places = rng.uniform(-80, 80, size=(n, 3)) * [1, rng.uniform(0.4, 1), 0.12]
    balls = np.column_stack([places, rng.uniform(16, 34, size=n)])
    return ["C1", "C2", "D2"][rng.integers(3)], balls


BUILDS: tuple[Callable[[np.random.Generator], tuple[str, Balls]], ...] = (
    _globule,
    _globule,
    _ring,
    _barrel,
    _barrel,
    _shell,
    _filament,
    _antenna,
    _stacked,
    _plate,
)
"""Each answers a point group and its asymmetric unit: (M, 4) x, y, z, radius, any scale."""


def _drawn(name: str, rng: np.random.Generator, sizes: tuple[float, float]) -> Complex:
    build = BUILDS[int(rng.integers(len(BUILDS)))]
    symmetry, parts = build(rng)
    parts = _textured(parts, rng)
    diameter = float(rng.uniform(*sizes))
    unscaled = Complex(name, 0, (0, 0, 0), symmetry, _tuple(parts), "")
    placed = all_balls(unscaled)
    middle = placed[:, :3].mean(axis=0) if symmetry == "C1" else np.zeros(3)
    if symmetry.startswith("C"):
        middle[2] = placed[:, 2].mean()
    reach = float((np.linalg.norm(placed[:, :3] - middle, axis=1) + placed[:, 3]).max())
    parts[:, :3] -= middle
    parts *= diameter / 2 / reach
    balls = all_balls(Complex(name, 0, (0, 0, 0), symmetry, _tuple(parts), ""))
    mass = _union(balls, rng) * rng.uniform(*PACKING) / PROTEIN_VOLUME / 1000
    extent = np.sort(np.ptp(balls[:, :3], axis=0) + 2 * balls[:, 3].max())[::-1]
    dimensions = (float(extent[0]), float(extent[1]), float(extent[2]))
    source = f"random {build.__name__.strip('_')}"
    return Complex(name, mass, dimensions, symmetry, _tuple(parts), source)


def _grown(n: int, rng: np.random.Generator, radii: tuple[float, float]) -> Balls:
    """Balls each of which overlaps one before it: (n, 4)."""
    balls = [np.array([0, 0, 0, rng.uniform(*radii)])]
    stretch = rng.uniform(0.4, 1.6, size=3)
    while len(balls) < n:
        parent = balls[int(rng.integers(len(balls)))]
        radius = rng.uniform(*radii)
        direction = rng.normal(size=3) * stretch
        direction /= np.linalg.norm(direction)
        step = rng.uniform(0.6, 0.95) * (parent[3] + radius)
        balls.append(np.append(parent[:3] + step * direction, radius))
    return np.array(balls)


def _storeys(n: int, storeys: int, rng: np.random.Generator, first: float) -> Balls:
    """Asymmetric unit of stacked rings of n: a few balls a storey."""
    balls, height = [], first
    wide = rng.uniform(25, 75)
    for _ in range(storeys):
        part = rng.uniform(0.55, 1.1) * min(np.pi * wide / n, 38)
        phase = rng.uniform(0, 2 * np.pi / n)
        at = [wide * np.cos(phase), wide * np.sin(phase), height]
        balls.append([*at, part])
        for _ in range(int(rng.integers(0, 3))):
            balls.append(
                [*(np.array(at) + rng.normal(size=3) * part), part * rng.uniform(0.4, 0.9)]
            )
        height += part * rng.uniform(0.9, 1.8)
        wide = max(wide * rng.uniform(0.5, 1.3), 8)
    return np.array(balls)


def _textured(balls: Balls, rng: np.random.Generator) -> Balls:
    """Break large balls into clusters of smaller ones, as domains are no balls."""
    broken: list[Balls] = []
    for ball in balls:
        if rng.random() < 0.3:
            broken.append(ball[None])
            continue
        n = int(rng.integers(4, 10))
        directions = rng.normal(size=(n, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        away = directions * ball[3] * rng.uniform(0.3, 0.75, size=(n, 1))
        radius = ball[3] * rng.uniform(0.35, 0.6, size=(n, 1))
        broken.append(np.hstack([ball[:3] + away, radius]))
    return np.vstack(broken)


def _union(balls: Balls, rng: np.random.Generator) -> float:
    """Volume of the union of balls: each sample counts one over the balls that hold it."""
    per_ball = 32
    samples = Rotation.random(len(balls) * per_ball, random_state=rng).apply([0, 0, 1])
    owner = np.repeat(np.arange(len(balls)), per_ball)
    samples *= balls[owner, 3:] * rng.uniform(size=(len(owner), 1)) ** (1 / 3)
    points = samples + balls[owner, :3]
    volume = 4 / 3 * np.pi * balls[:, 3] ** 3
    total = 0.0
    for start in range(0, len(points), 4096):
        block = slice(start, start + 4096)
        inner = points[block] @ balls[:, :3].T
        square = (points[block] ** 2).sum(1)[:, None] - 2 * inner + (balls[:, :3] ** 2).sum(1)
        holders = np.maximum((square <= balls[:, 3] ** 2 * (1 + 1e-9)).sum(1), 1)
        total += float((volume[owner[block]] / per_ball / holders).sum())
    return total


def _tuple(balls: Balls) -> tuple[Ball, ...]:
    return tuple((float(x), float(y), float(z), float(r)) for x, y, z, r in balls)
