"""Densities from atomic models: PDB, mmCIF and BinaryCIF files."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.compressed import compression, unpacked

#: Endings of files that hold atoms; compressed ones end in .gz, .bz2 or .xz besides.
ENDINGS = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")

#: Dalton; where an element is not stated or not known: carbon's, the commonest.
_UNKNOWN = 12.011


@dataclass(frozen=True)
class Atoms:
    """Atoms of a particle, without water.

    Attributes
    ----------
    positions : (N, 3) float64, zyx, Angstrom
    masses : (N,) float64, Dalton
    assembly : bool
        Whether they are the biological assembly that the file states, and not just its atoms.
    """

    positions: NDArray[np.float64]
    masses: NDArray[np.float64]
    assembly: bool


def is_structure(path: Path) -> bool:
    """Whether a file's name is that of an atomic model.

    Examples
    --------
    >>> is_structure(Path("1bxn.pdb.gz")), is_structure(Path("1bxn.mrc"))
    (True, False)
    """
    name = path.name.lower()
    for packed in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(packed)
    return name.endswith(ENDINGS)


def read_atoms(path: Path) -> Atoms:
    """Read the first model of a file: its first biological assembly, or else its atoms.

    Parameters
    ----------
    path : Path
        PDB, mmCIF or BinaryCIF, compressed or not. Of alternative locations the first is taken,
        water is left out.

    Raises
    ------
    CryoalError
        The package that reads these files is missing; the file cannot be read or has no atoms.
    """
    try:
        from biotite.structure import filter_solvent
        from biotite.structure.io import pdb, pdbx
    except ImportError as problem:
        raise CryoalError(
            f"{path}: reading atoms needs the package biotite: pip install 'cryoal[formats]'"
        ) from problem
    plain = unpacked(path) if compression(path) else path
    try:
        with warnings.catch_warnings():
            # Elements left out, names of another dialect: nothing that a density shows.
            warnings.simplefilter("ignore")
            if plain.name.lower().endswith(".bcif"):
                array, assembly = _first_assembly(pdbx.BinaryCIFFile.read(str(plain)), pdbx)
            elif plain.name.lower().endswith((".cif", ".mmcif")):
                array, assembly = _first_assembly(pdbx.CIFFile.read(str(plain)), pdbx)
            else:
                array, assembly = _first_assembly(pdb.PDBFile.read(str(plain)), pdb)
            array = array[~filter_solvent(array)]
    except CryoalError:
        raise
    except Exception as problem:  # whatever a parser stumbles over in a damaged file
        told = str(problem).splitlines()
        raise CryoalError(
            f"{path}: cannot be read as atoms ({told[0] if told else type(problem).__name__}); "
            "is it a whole PDB, mmCIF or BinaryCIF file of coordinates?"
        ) from problem
    positions = np.asarray(array.coord, dtype=np.float64)[:, ::-1]
    known = np.isfinite(positions).all(axis=1)
    if not known.any():
        raise CryoalError(f"{path}: holds no atoms; a file of coordinates is needed")
    elements = np.char.upper(np.char.strip(np.asarray(array.element[known], dtype=str)))
    names, which = np.unique(elements, return_inverse=True)
    return Atoms(positions[known], np.array([_mass(str(n)) for n in names])[which], assembly)


def on_grid(atoms: Atoms, voxel_size: float) -> NDArray[np.float32]:
    """Share each atom's mass out over the eight voxels around it: (Z, Y, X) float32.

    No atom has a width here: ``density.resample`` makes each a Gaussian when it brings the grid
    to the voxel size wanted.
    """
    places = atoms.positions / voxel_size
    places = places - places.min(axis=0) + 2
    shape = np.ceil(places.max(axis=0)).astype(int) + 3
    floor = np.floor(places).astype(int)
    beyond = places - floor
    grid = np.zeros(int(np.prod(shape)))
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, beyond, 1 - beyond), axis=1)
        at = np.ravel_multi_index(tuple((floor + corner).T), tuple(shape))
        grid += np.bincount(at, atoms.masses * share, minlength=grid.size)
    return grid.reshape(shape).astype(np.float32)


def _first_assembly(file: Any, module: Any) -> tuple[Any, bool]:
    """Atoms of an opened file, and whether they are the assembly that it states."""
    from biotite import InvalidFileError

    try:
        return module.get_assembly(file, model=1), True
    except (InvalidFileError, KeyError):
        return module.get_structure(file, model=1), False


def _mass(element: str) -> float:
    """Mass of an element in Dalton."""
    from biotite.structure.info import mass

    try:
        return float(mass(element))
    except KeyError:
        return _UNKNOWN
