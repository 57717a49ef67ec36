"""Atomic models become densities of the right size and place, whatever format they come in."""

import gzip
import sys

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre
from cryoal.simulate.density import Density, load_templates
from cryoal.simulate.structures import Atoms, on_grid, read_atoms

pytest.importorskip("biotite")

ATOM = "ATOM  {n:5d}  CA  ALA A{n:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C\n"
# A made-up dimer: its second half is what the operator makes of the first.
ASSEMBLY = """\
REMARK 300 BIOMOLECULE: 1
REMARK 350
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2  1.000000  0.000000  0.000000       60.00000
REMARK 350   BIOMT2   2  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
"""


def pdb(places: np.ndarray, head: str = "") -> str:
    rows = (ATOM.format(n=n, x=x, y=y, z=z) for n, (x, y, z) in enumerate(places, 1))
    return head + "".join(rows) + "END\n"


def gyration(positions: np.ndarray, weights: np.ndarray) -> float:
    centre = np.average(positions, axis=0, weights=weights)
    return float(np.sqrt(np.average(((positions - centre) ** 2).sum(1), weights=weights)))


def gyration_of(density: Density) -> float:
    places = np.indices(density.data.shape).reshape(3, -1).T * density.voxel_size
    return gyration(places, density.data.ravel())


def link(folder, *sources):
    folder.mkdir(exist_ok=True)
    for source in sources:
        (folder / source.name).symlink_to(source)
    return folder


def overlap(a: Density, b: Density) -> float:
    box = max(len(a.data), len(b.data))
    both = [np.pad(d.data, (box - len(d.data)) // 2).ravel() for d in (a, b)]
    return float(np.corrcoef(*both)[0, 1])


def test_atoms_come_in_zyx_with_their_mass_and_without_water(tmp_path):
    text = pdb(np.array([[1.0, 2.0, 3.0]]))
    water = "HETATM    2  O   HOH A   2      10.000  10.000  10.000  1.00  0.00           O\n"
    (tmp_path / "a.pdb").write_text(text.replace("END\n", water + "END\n"))
    atoms = read_atoms(tmp_path / "a.pdb")
    np.testing.assert_allclose(atoms.positions, [[3, 2, 1]])
    np.testing.assert_allclose(atoms.masses, [12.011], rtol=1e-3)
    assert not atoms.assembly


def test_the_first_assembly_is_built_where_one_is_stated(tmp_path):
    places = np.array([[0.0, 0, 0], [5.0, 0, 0]])
    (tmp_path / "alone.pdb").write_text(pdb(places))
    (tmp_path / "dimer.pdb").write_text(pdb(places, ASSEMBLY))
    assert len(read_atoms(tmp_path / "alone.pdb").positions) == 2
    dimer = read_atoms(tmp_path / "dimer.pdb")
    assert dimer.assembly
    assert sorted(dimer.positions[:, 2]) == pytest.approx([0, 5, 60, 65])


def test_no_mass_is_lost_on_the_grid_and_its_centre_stays(rng):
    atoms = Atoms(rng.normal(0, 20, (50, 3)), rng.uniform(1, 30, 50), False)
    grid = on_grid(atoms, 3.0)
    assert grid.sum() == pytest.approx(atoms.masses.sum(), rel=1e-5)
    places = np.indices(grid.shape).reshape(3, -1).T * 3.0
    expected = gyration(atoms.positions, atoms.masses)
    # Sharing out over eight voxels widens by at most a quarter of a voxel squared an axis.
    assert expected**2 <= gyration(places, grid.ravel()) ** 2 <= expected**2 + 3 * 9 / 4 + 1e-6


@pytest.mark.parametrize("voxel_size", [6.0, 10.0, 13.3])
def test_a_density_is_as_wide_as_its_atoms_and_the_blur_of_a_voxel(testdata, tmp_path, voxel_size):
    names = ["1igy.bcif", "2XHE.cif", "7CFN.cif"]
    folder = link(tmp_path / "t", *(testdata / "structures" / "other" / n for n in names))
    # Radii of gyration of the files' atoms, computed elsewhere; these three come as they are.
    for density, known in zip(load_templates(folder, voxel_size), (46.7, 30.9, 34.5), strict=True):
        blurred = np.sqrt(known**2 + 3 * (0.4 * voxel_size) ** 2)
        assert gyration_of(density) == pytest.approx(blurred, rel=0.02)
        middle = np.average(
            np.indices(density.data.shape).reshape(3, -1), axis=1, weights=density.data.ravel()
        )
        np.testing.assert_allclose(middle, box_centre(len(density.data)), atol=0.05)
        assert 0.9 < density.data.max() < 1.5


def test_an_icosahedral_capsid_is_built_from_its_asymmetric_unit(testdata, tmp_path):
    folder = link(tmp_path / "t", testdata / "structures" / "other" / "1f2n.bcif")
    (capsid,) = load_templates(folder, 10.0)
    assert capsid.diameter == pytest.approx(310, abs=25)
    hollow = len(capsid.data) // 2
    assert capsid.data[hollow, hollow, hollow] < 0.05
    assert "first assembly" in capsid.source


def test_structures_correlate_with_the_maps_another_program_made_of_them(testdata, tmp_path):
    # One chain of each: no assembly, as the maps were made of the atoms as they stand.
    for name in ("2cg9", "1u6g"):
        made = link(tmp_path / name, testdata / "structures" / "polnet_pdb" / f"{name}.pdb")
        (ours,) = load_templates(made, 10.0)
        (theirs,) = load_templates(testdata / "templates" / "polnet_10A", 10.0, [name])
        assert overlap(ours, theirs) > 0.96
        assert ours.diameter == pytest.approx(theirs.diameter, abs=15)


def test_every_format_packed_or_not_gives_the_same_density(tmp_path, rng):
    from biotite.structure.io import pdb as pdb_files
    from biotite.structure.io import pdbx

    (tmp_path / "a.pdb").write_text(pdb(rng.normal(0, 15, (300, 3)).round(2)))
    array = pdb_files.PDBFile.read(str(tmp_path / "a.pdb")).get_structure(model=1)
    for name, kind in (("b.cif", pdbx.CIFFile), ("c.bcif", pdbx.BinaryCIFFile)):
        file = kind()
        pdbx.set_structure(file, array)
        file.write(str(tmp_path / name))
    with gzip.open(tmp_path / "d.pdb.gz", "wb") as packed:
        packed.write((tmp_path / "a.pdb").read_bytes())
    first, *others = load_templates(tmp_path, 8.0)
    assert [d.name for d in others] == ["b", "c", "d"]
    for other in others:
        np.testing.assert_allclose(other.data, first.data, atol=1e-3)


def test_maps_and_structures_lie_side_by_side(testdata, tmp_path):
    folder = link(
        tmp_path / "t",
        testdata / "structures" / "other" / "1igy.bcif",
        testdata / "templates" / "polnet_10A" / "1bxn.mrc",
    )
    assert [d.name for d in load_templates(folder, 10.0)] == ["1bxn", "1igy"]


@pytest.mark.parametrize(
    ("name", "content", "answer"),
    [
        ("empty.pdb", "END\n", r"empty\.pdb: (cannot be read as atoms|holds no atoms)"),
        ("text.cif", "no structure\n", r"text\.cif: cannot be read as atoms"),
        ("text.bcif", "no structure\n", r"text\.bcif: cannot be read as atoms"),
        ("broken.pdb", "ATOM      1  CA  ALA A   1      what\n", r"broken\.pdb: cannot be read"),
    ],
)
def test_a_file_without_atoms_is_named(tmp_path, name, content, answer):
    (tmp_path / name).write_text(content)
    with pytest.raises(CryoalError, match=answer):
        load_templates(tmp_path, 10.0)


def test_without_the_reader_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.pdb").write_text(pdb(np.zeros((1, 3))))
    monkeypatch.setitem(sys.modules, "biotite.structure", None)
    with pytest.raises(CryoalError, match=r"needs the package biotite: pip install 'cryoal\["):
        load_templates(tmp_path, 10.0)
