"""Densities to put into tomograms: maps and structures from files, or phantoms of complexes."""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre, frequencies, radius_grid
from cryoal.core.labels import JUNK, UNSURE
from cryoal.io.volumes import open_volume, read_header
from cryoal.simulate.complexes import COMPLEXES, PROTEIN_VOLUME, Complex, all_balls
from cryoal.simulate.structures import is_structure, on_grid, read_atoms

log = logging.getLogger(__name__)

#: Where a particle is: the voxels above this share of its maximum.
SUPPORT = 0.1
#: Atoms are put on a grid so many times finer than the working one.
FINER = 3

_SUFFIXES = (".mrc", ".map", ".em", ".mrc.gz", ".map.gz", ".em.gz", ".mrc.bz2", ".map.bz2")


@dataclass(frozen=True)
class Density:
    """One complex at the working voxel size, protein positive.

    Attributes
    ----------
    name : str
        The class name.
    data : (n, n, n) float32
        n even; the centre of mass lies on voxel ``n // 2``; 1 is about the density of protein.
    voxel_size : float, Angstrom per voxel
    diameter : float, Angstrom
        Of the sphere about the centre of mass that holds 99 % of the support.
    source : str
        File or publication it came from.
    """

    name: str
    data: NDArray[np.float32]
    voxel_size: float
    diameter: float
    source: str = ""


def load_templates(
    directory: Path, voxel_size: float, names: Sequence[str] | None = None
) -> list[Density]:
    """Read every map and every atomic model of a directory as a density.

    Each is low-passed to the new Nyquist frequency where that is coarser (atoms become Gaussians
    so), moved so that its centre of mass lies on a voxel, resampled by cubic spline, trimmed to
    its extent, and scaled so that its dense parts (the 99th percentile of its support) are 1:
    maps of different programs come in different units.

    Parameters
    ----------
    directory : Path
        Holds ``.mrc``, ``.map`` or ``.em`` maps, or ``.pdb``, ``.cif`` or ``.bcif`` structures
        (see ``structures.read_atoms``); the file's stem is the class.
    voxel_size : float, Angstrom per voxel
    names : sequence of str, optional
        Only these.

    Raises
    ------
    CryoalError
        No such directory or nothing in it; a structure without atoms; a map without a voxel size
        (0 or exactly 1.0, what programs write that do not know it), not a volume, flat, or with
        protein negative.
    """
    if not directory.is_dir():
        raise CryoalError(
            f"{directory}: no such directory; --templates takes a folder of maps and structures"
        )
    files = sorted(
        p for p in directory.iterdir() if p.name.lower().endswith(_SUFFIXES) or is_structure(p)
    )
    if not files:
        raise CryoalError(
            f"{directory}: holds no map and no structure; put .mrc, .map, .em, .pdb, .cif or "
            ".bcif files there"
        )
    found: dict[str, Path] = {}
    for path in files:
        name = path.name.split(".")[0]
        if name in found:
            raise CryoalError(f"{path}: {found[name].name} has the same stem; class names differ")
        if name in (JUNK, UNSURE):
            raise CryoalError(f"{path}: {name!r} is a reserved class name; rename the file")
        found[name] = path
    if names is not None:
        missing = [name for name in names if name not in found]
        if missing:
            raise CryoalError(
                f"{directory}: no template is called {missing[0]!r}; there are {', '.join(found)}"
            )
        found = {name: found[name] for name in names}
    return [
        _template(name, path, voxel_size, path.stat().st_mtime_ns) for name, path in found.items()
    ]


def phantoms(voxel_size: float, names: Sequence[str] | None = None) -> list[Density]:
    """Densities of well-known complexes, drawn from their published dimensions.

    Protein has the density 1 before the low-pass to about two voxels, the integral follows the
    published mass, and nothing is random. ``cryoal.simulate.complexes`` holds the table.

    Parameters
    ----------
    voxel_size : float, Angstrom per voxel
    names : sequence of str, optional
        Only these, in this order.

    Raises
    ------
    CryoalError
        No complex has one of the names.
    """
    known = {c.name: c for c in COMPLEXES}
    chosen = list(known) if names is None else list(names)
    for name in chosen:
        if name not in known:
            raise CryoalError(f"no phantom is called {name!r}; there are {', '.join(known)}")
    return [draw(known[name], voxel_size) for name in chosen]


def resample(data: NDArray[np.float32], own: float, voxel_size: float) -> NDArray[np.float32]:
    """Bring a map to another voxel size, its centre of mass on the centre of an even cube.

    Parameters
    ----------
    data : (Z, Y, X) float, not negative
    own : float, Angstrom per voxel
        The map's own.
    voxel_size : float, Angstrom per voxel
        Wanted.

    Returns
    -------
    (n, n, n) float32, not negative
    """
    data = _trim(data, margin=2)
    ratio = voxel_size / own  # own voxels per new voxel
    data = np.pad(data, int(np.ceil(2 * ratio)) + 1)
    # A Gaussian that is one half at the new Nyquist frequency: no ringing, no negative density.
    if ratio > 1.01:
        kz, ky, kx = (f * ratio for f in frequencies(data.shape))
        spectrum = fft.rfftn(data) * np.exp(-4 * np.log(2) * (kz**2 + ky**2 + kx**2))
        data = fft.irfftn(spectrum, s=data.shape)
    data = np.maximum(data, 0)
    centre = np.array(ndimage.center_of_mass(data))
    half = int(np.ceil((np.maximum(centre, np.array(data.shape) - 1 - centre) / ratio).max()))
    grid = np.arange(-half, half, dtype=np.float64)
    points = np.meshgrid(*(c + grid * ratio for c in centre), indexing="ij")
    new = ndimage.map_coordinates(data.astype(np.float32), points, order=3, mode="constant")
    return np.maximum(new, 0).astype(np.float32)


def diameter_of(data: NDArray[np.float32], voxel_size: float) -> float:
    """Diameter in Angstrom of the centred sphere with 99 % of the support of (n, n, n) data."""
    radius = radius_grid(len(data))[data > SUPPORT * data.max()]
    # Half a voxel from the centres of the outermost voxels to their faces.
    return float(2 * (np.quantile(radius, 0.99) + 0.5) * voxel_size)


@functools.lru_cache(maxsize=64)  # pretraining asks for the same ones scene after scene
def _template(name: str, path: Path, voxel_size: float, _changed: int) -> Density:
    source = str(path)
    if is_structure(path):
        atoms = read_atoms(path)
        own = voxel_size / FINER
        data = on_grid(atoms, own)
        source += " (first assembly)" if atoms.assembly else " (no assembly stated)"
    else:
        data, own = _read_map(path)
    new = resample(np.maximum(data, 0), own, voxel_size)
    peak = float(np.quantile(new[new > SUPPORT * new.max()], 0.99))
    new = _cut_to_sphere(new / np.float32(peak))
    return Density(name, new, voxel_size, diameter_of(new, voxel_size), source)


def _read_map(path: Path) -> tuple[NDArray[np.float32], float]:
    """Read a map and its own voxel size in Angstrom."""
    header = read_header(path)
    own = header.voxel_size
    if own <= 0 or abs(own - 1) < 1e-6:
        raise CryoalError(
            f"{path}: the header says a voxel of {own:g} A, which programs write that do not "
            "know it; set the true voxel size in the header (for example with IMOD's "
            "'alterheader -del', or mrcfile's voxel_size)"
        )
    if not header.cubic or header.volumes > 1 or min(header.shape) < 2:
        raise CryoalError(f"{path}: is not one volume of cubic voxels; a template must be")
    # What a header says of its origin and the like is nothing to a template, which is centred.
    log.debug("%s: %s", path, "; ".join(header.remarks))
    data = np.array(open_volume(path), dtype=np.float32)
    if not np.isfinite(data).all() or data.max() <= 0:
        raise CryoalError(f"{path}: holds no positive density, or values that are not numbers")
    if -data.min() > data.max():
        raise CryoalError(
            f"{path}: protein seems negative (minimum {data.min():g}, maximum {data.max():g}); "
            "multiply the map by -1"
        )
    return data, own


def draw(complex_: Complex, voxel_size: float) -> Density:
    """Draw a complex's balls as a density with its mass, centred on its centre of mass."""
    fine = voxel_size / 2
    balls = all_balls(complex_)
    reach = float((np.linalg.norm(balls[:, :3], axis=1) + balls[:, 3]).max())
    box = 2 * (int(reach / fine) + 3)
    drawn = np.zeros((box,) * 3, dtype=np.float32)
    for x, y, z, radius in balls:
        middle = np.array([z, y, x]) / fine + box_centre(box)
        low = np.floor(middle - radius / fine - 1).astype(int)
        patch = tuple(slice(a, a + int(2 * radius / fine) + 4) for a in low)
        z_, y_, x_ = (g - m for g, m in zip(np.ogrid[patch], middle, strict=True))
        distance = np.sqrt(z_**2 + y_**2 + x_**2)
        ball = np.clip(radius / fine - distance.astype(np.float32) + 0.5, 0, 1)
        np.maximum(drawn[patch], ball, out=drawn[patch])
    # Balls overlap and leave gaps; what counts is that the mass is the published one.
    drawn *= complex_.mass * 1000 * PROTEIN_VOLUME / (drawn.sum() * fine**3)
    data = _cut_to_sphere(resample(drawn, fine, voxel_size))
    return Density(complex_.name, data, voxel_size, diameter_of(data, voxel_size), complex_.source)


def _trim(data: NDArray[np.float32], margin: int) -> NDArray[np.float32]:
    """Cut away what lies below 2 % of the maximum on every side, but for a margin of voxels."""
    inside = data > 0.02 * data.max()
    cut = []
    for axis in range(3):
        along = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        cut.append(slice(max(along[0] - margin, 0), along[-1] + 1 + margin))
    return data[tuple(cut)]


def _cut_to_sphere(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Trim a centred cube to the sphere of its extent, and clear what lies outside it."""
    radius = radius_grid(len(data))
    reach = float(radius[data > 0.02 * data.max()].max()) + 1
    half = min(int(np.ceil(reach)) + 1, len(data) // 2)
    middle = box_centre(len(data))
    cut = (slice(middle - half, middle + half),) * 3
    return np.where(radius[cut] <= reach, data[cut], 0).astype(np.float32)
