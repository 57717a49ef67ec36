"""Positions and rotations against the producer's own second file, and against other readers."""

import json

import dynamotable
import emfile
import imodmodel
import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from cryoal.core.tomogram import Tomogram
from cryoal.io.base import recognised
from cryoal.io.content import Content
from cryoal.io.convert import convert_file
from cryoal.io.listing import open_list
from cryoal.io.particles import read_particles
from cryoal.io.star import read_star
from cryoal.io.tomograms import read_tomograms

CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
AXONEME = {"CCDC147C_001": Tomogram("CCDC147C_001", (300, 1000, 1000), 8.2)}


@pytest.fixture
def particles(testdata):
    return testdata / "particles"


def test_relions_picker_and_its_particles_star_agree(particles, tmp_path):
    """Voxels of the annotation against centred Angstrom of the same 1,960 picks, both RELION's."""
    folder = particles / "relion5"
    tomograms = read_tomograms([folder / "tomograms.star"], need_volumes=False)
    convert_file(folder / "TS_01_particles.star", tmp_path / "out.star", "relion5", tomograms,
                 relion_centre="half-minus-one")  # fmt: skip
    ours = read_star(tmp_path / "out.star")["particles"]
    theirs = read_star(folder / "particles.star")["particles"]
    theirs = theirs[theirs["rlnTomoName"] == "TS_01"]
    assert len(ours) == len(theirs) == 1960
    found, expected = (table[CENTRED].to_numpy(dtype=float) for table in (ours, theirs))
    distance, row = cKDTree(expected).query(found)
    assert distance.max() < 0.01
    assert len(set(row)) == 1960


def test_relions_extraction_left_the_particles_where_they_were(particles):
    folder = particles / "relion5"
    tomograms = {"session1_TS_1": Tomogram("session1_TS_1", (400, 1000, 1000), 5.0)}
    before, after = (
        read_particles([folder / name], tomograms)
        for name in ("particle.star", "relion-subtomo-rounding-bug__relion_project__Extract__"
                     "job001_filled__particles.star")
    )  # fmt: skip
    np.testing.assert_allclose(after.position, before.position, atol=1e-3)
    assert np.max((after.rotation.inv() * before.rotation).magnitude()) < 1e-4


def test_both_coordinates_of_one_relion_5_file_agree(particles):
    """It has unbinned pixels and centred Angstrom: their difference is one centre for all."""
    path = particles / "relion5/particle.star"
    form, content = recognised(Content(path)), Content(path)
    centred, pixels = (form.read(content, unit) for unit in ("centred_angstrom", "unbinned_pixel"))
    centre = pixels.xyz * pixels.pixel_size[:, None] - centred.xyz
    np.testing.assert_allclose(centre, np.broadcast_to(centre[:1], centre.shape), atol=0.01)


def test_mtfits_copick_and_relion_4_files_lie_on_the_same_filaments(particles):
    """MTFit resampled nine filaments at two spacings: points of one lie on lines of the other."""
    copick = read_particles([particles / "copick/CCDC147C_001_microtubule.json"], AXONEME)
    relion = read_particles([particles / "relion4/CCDC147C_001_particles_processed.star"], AXONEME)
    tube = relion.table["rlnHelicalTubeID"].to_numpy()
    starts = np.vstack([relion.position[tube == t][:-1] for t in np.unique(tube)])
    ends = np.vstack([relion.position[tube == t][1:] for t in np.unique(tube)])
    along = ends - starts
    offset = copick.position[:, None] - starts[None]
    t = np.clip((offset * along).sum(-1) / (along**2).sum(-1), 0, 1)
    distance = np.linalg.norm(offset - t[..., None] * along, axis=-1).min(axis=1)
    assert np.median(distance) < 1.0
    assert np.percentile(distance, 90) < 8.2


def test_mtfits_filaments_run_through_pytoms_picks_in_voxels(particles):
    """The picks state 14 A a voxel, MTFit's output 8.2 A: both count the same voxels."""
    pytom = read_particles([particles / "pytom_match_pick/CCDC147C_001_particles.star"], AXONEME)
    relion = read_particles([particles / "relion4/CCDC147C_001_particles_processed.star"], AXONEME)
    distance, _ = cKDTree(pytom.position).query(relion.position)
    assert np.median(distance) < 2 * 8.2


def test_the_portals_four_files_of_six_points_agree_in_coordinates_and_angles(particles):
    """RELION 3, 4, TOMOMAN and STOPGAP wrote the same six points; STOPGAP counts from 1."""
    files = {"relion3": "relion3/relion_3_star.star", "relion4": "relion4/relion_4_star.star",
             "tomoman": "stopgap/tomoman_relion_star.star",
             "stopgap": "stopgap/stopgap_star.star"}  # fmt: skip
    picks = {name: open_list(particles / file).picks for name, file in files.items()}
    for name in ("relion4", "tomoman"):
        np.testing.assert_allclose(picks[name].xyz, picks["relion3"].xyz)
        difference = picks[name].rotation.inv() * picks["relion3"].rotation
        assert difference.magnitude().max() < 1e-9
    np.testing.assert_allclose(picks["stopgap"].xyz + 1, picks["relion3"].xyz)
    # The portal's own reader: zxz of phi, the, psi.
    table = read_star(particles / files["stopgap"])["stopgap_motivelist"]
    angles = table[["phi", "the", "psi"]].to_numpy(dtype=float)
    expected = Rotation.from_euler("zxz", angles, degrees=True)
    assert (picks["stopgap"].rotation.inv() * expected).magnitude().max() < 1e-9
    # Shifts are added in STOPGAP and subtracted in RELION; all four wrote the same numbers.
    np.testing.assert_allclose(picks["stopgap"].origin_xyz, -picks["tomoman"].origin_xyz)


@pytest.mark.parametrize("name", ["points", "oriented_points", "correct111"])
def test_imodmodel_reads_the_same_points(particles, name):
    path = particles / f"imod_mod/{name}.mod"
    picks = open_list(path).picks
    points = imodmodel.read(path)[["x", "y", "z"]].to_numpy()
    np.testing.assert_allclose(picks.xyz, points - [0.5, 0.5, 0.0], atol=1e-4)


@pytest.mark.parametrize("name", ["au_1", "au_2", "allmotl_sp_cl1_1"])
def test_emfile_reads_the_same_motive_list(particles, name):
    path = particles / f"em_motl/{name}.em"
    values = emfile.read(path)[1].squeeze()
    picks = open_list(path).picks
    np.testing.assert_allclose(picks.xyz, values[:, 7:10] - 1)
    np.testing.assert_allclose(picks.origin_xyz, -values[:, 10:13])


def test_emfile_and_dynamotable_read_what_is_written(particles, tmp_path):
    source = particles / "relion4/CCDC147C_001_particles_processed.star"
    before = read_particles([source], AXONEME)
    for dialect, name in (("em", "a.em"), ("dynamo", "a.tbl")):
        convert_file(source, tmp_path / name, dialect, AXONEME)
    xyz = before.position[:, ::-1] / 8.2
    values = emfile.read(tmp_path / "a.em")[1].squeeze()
    np.testing.assert_allclose(values[:, 7:10] + values[:, 10:13] - 1, xyz, atol=1e-4)
    table = dynamotable.read(tmp_path / "a.tbl")
    np.testing.assert_allclose(table[["x", "y", "z"]].to_numpy(), xyz, atol=1e-6)
    assert table["tomo"].unique().tolist() == [1]
    angles = table[["tdrot", "tilt", "narot"]].to_numpy()
    turned = Rotation.from_euler("zxz", angles, degrees=True).inv()
    assert (turned.inv() * before.rotation).magnitude().max() < 1e-6


def test_copick_adds_the_shift_of_its_transformation(particles, tmp_path):
    """copick's importers put the refined shift into the matrix, beside the picked location."""
    picks = json.loads((particles / "copick/copick.json").read_text())
    for point in picks["points"]:
        point["transformation_"][3] = [0, 0, 0, 1]
        for i, shift in enumerate((1.5, -2.0, 30.0)):
            point["transformation_"][i][3] = shift
    (tmp_path / "shifted.json").write_text(json.dumps(picks))
    tomograms = {"a": Tomogram("a", (100, 100, 100), 10.0)}
    plain, moved = (
        read_particles([path], tomograms)
        for path in (particles / "copick/copick.json", tmp_path / "shifted.json")
    )
    np.testing.assert_allclose(moved.position - plain.position, [[30.0, -2.0, 1.5]] * 4)
