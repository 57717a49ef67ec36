"""copick, the CryoET Data Portal, Dynamo and motive lists."""

import json

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import recognised
from cryoal.io.content import Content
from cryoal.io.particles import read_particles, write_particles

TOMOGRAMS = {"CCDC147C_001": Tomogram("CCDC147C_001", (400, 1000, 1000), 8.2)}
FILES = {
    "copick/CCDC147C_001_microtubule.json": ("copick", "angstrom", 597),
    "copick/copick.json": ("copick", "angstrom", 4),
    "cryoet_portal_ndjson/69546_Point.ndjson": ("portal", "voxel", 43),
    "cryoet_portal_ndjson/175505_OrientedPoint.first12.ndjson": ("portal", "voxel", 12),
    "dynamo/aligned.tbl": ("dynamo", "voxel", 499),
    "dynamo/b4_motl_CR_tm_topbott_clean600_1_dynamo.tbl": ("dynamo", "voxel", 1343),
    "dynamo/crop.tbl": ("dynamo", "voxel", 4485),
    "dynamo/t_double.tbl": ("dynamo", "voxel", 300),
    "em_motl/au_1.em": ("em", "voxel", 64),
    "em_motl/au_2.em": ("em", "voxel", 11),
    "em_motl/allmotl_sp_cl1_1.em": ("em", "voxel", 8100),
}


@pytest.mark.parametrize("file", FILES)
def test_real_files_are_recognised_and_read_whole(testdata, file):
    content = Content(testdata / "particles" / file)
    form = recognised(content)
    picks = form.read(content, None)
    assert (form.name, picks.unit, len(picks)) == FILES[file]
    assert np.isfinite(picks.xyz).all()


def test_copick_counts_angstrom_from_the_corner(testdata):
    path = testdata / "particles/copick/CCDC147C_001_microtubule.json"
    particles = read_particles([path], TOMOGRAMS)
    first = json.loads(path.read_text())["points"][0]
    assert particles.tomogram[0] == "CCDC147C_001"
    np.testing.assert_allclose(particles.position[0], [first["location"][a] for a in "zyx"])
    matrix = np.array(first["transformation_"])[:3, :3]
    np.testing.assert_allclose(particles.rotation[0].as_matrix(), matrix, atol=1e-6)


def test_the_portal_counts_voxels(testdata):
    path = testdata / "particles/cryoet_portal_ndjson/69546_Point.ndjson"
    particles = read_particles([path], {"TS_105_5": Tomogram("TS_105_5", (600, 1000, 1000), 10.0)})
    np.testing.assert_allclose(particles.position[0], [2969.9469, 3358.2802, 423.176], atol=1e-3)


def test_dynamos_shifts_are_added_and_its_angles_turn_the_reference(tmp_path):
    row = np.zeros(26)
    row[3:6], row[6:9], row[9], row[19], row[23:26] = (1, 2, 3), (10, 20, 30), 0.4, 1, (110, 70, 40)
    np.savetxt(tmp_path / "a.tbl", [row], fmt="%g")
    particles = read_particles([tmp_path / "a.tbl"], {"TS": Tomogram("TS", (100, 200, 300), 10.0)})
    np.testing.assert_allclose(particles.position, [[430, 720, 1110]])
    # Rz(narot) Rx(tilt) Rz(tdrot) written out; its transpose turns the reference.
    a, b, c = np.radians([10, 20, 30])
    expected = np.array([
        [np.cos(a) * np.cos(c) - np.sin(a) * np.cos(b) * np.sin(c),
         -np.cos(c) * np.sin(a) - np.cos(a) * np.cos(b) * np.sin(c), np.sin(b) * np.sin(c)],
        [np.cos(a) * np.sin(c) + np.cos(b) * np.cos(c) * np.sin(a),
         np.cos(a) * np.cos(b) * np.cos(c) - np.sin(a) * np.sin(c), -np.cos(c) * np.sin(b)],
        [np.sin(a) * np.sin(b), np.cos(a) * np.sin(b), np.cos(b)],
    ])  # fmt: skip
    np.testing.assert_allclose(particles.rotation[0].as_matrix(), expected.T, atol=1e-12)
    assert particles.score.tolist() == [0.4]


def test_dynamos_tomogram_numbers_become_names_through_the_map_beside_it(tmp_path):
    rows = np.ones((2, 26)) * 20
    rows[:, 19] = (1, 2)
    np.savetxt(tmp_path / "a.tbl", rows, fmt="%g")
    tomograms = {n: Tomogram(n, (100, 200, 300), 10.0) for n in ("TS_01", "TS_07")}
    with pytest.raises(CryoalError, match="no tomogram is called '1'"):
        read_particles([tmp_path / "a.tbl"], tomograms)
    (tmp_path / "indices_column20.doc").write_text("1 /data/TS_07.rec\n2 /data/TS_01.rec\n")
    found = read_particles([tmp_path / "a.tbl"], tomograms)
    assert found.tomogram.tolist() == ["TS_07", "TS_01"]


def test_a_motive_list_counts_voxels_from_one_and_its_shifts_are_added(testdata, tmp_path):
    path = testdata / "particles/em_motl/au_1.em"
    particles = read_particles([path], {"TS": Tomogram("TS", (600, 1000, 1000), 10.0)})
    xyz = np.array([230 - 0.169803, 201 - 0.106735, 178 + 0.370416]) - 1
    np.testing.assert_allclose(particles.position[0], xyz[::-1] * 10, atol=1e-4)
    # The reference's z axis points along (sin psi sin theta, -cos psi sin theta, cos theta).
    psi, theta = np.radians([52.3078461, 128.014435])
    axis = [np.sin(psi) * np.sin(theta), -np.cos(psi) * np.sin(theta), np.cos(theta)]
    np.testing.assert_allclose(particles.rotation[0].apply([0, 0, 1]), axis, atol=1e-6)
    (tmp_path / "cut.em").write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CryoalError, match="cut off"):
        read_particles([tmp_path / "cut.em"], TOMOGRAMS)


@pytest.mark.parametrize("dialect", ["copick", "portal"])
def test_what_is_written_is_read(testdata, tmp_path, dialect):
    path = testdata / "particles/copick/CCDC147C_001_microtubule.json"
    before = read_particles([path], TOMOGRAMS)
    write_particles(before, tmp_path / "again.json", TOMOGRAMS, dialect)
    after = read_particles([tmp_path / "again.json"], TOMOGRAMS)
    np.testing.assert_allclose(after.position, before.position, atol=1e-6)
    assert np.max((after.rotation.inv() * before.rotation).magnitude()) < 1e-5
    assert after.dialect == dialect


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"pickable_object_name": "a", "points": []}', "no points"),
        ('{"pickable_object_name": "a", "points": [{"location": {"x": 1}}]}', "not copick picks"),
        ('{"pickable_object_name": "a", "points": [', "not copick picks"),
        ('{"type": "point", "location": {"x": 1, "y": 2, "z": 3}}\n{"type": 1}', "line 2"),
        ('{"type": "orientedPoint", "location": {"x": 1, "y": 2, "z": 3}, '
         '"xyz_rotation_matrix": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}', "its matrix is no rotation"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CryoalError, match=words):
        read_particles([tmp_path / "a.json"], TOMOGRAMS)


def test_an_orientation_that_is_not_to_be_trusted_is_not_taken(testdata, tmp_path):
    picks = json.loads((testdata / "particles/copick/copick.json").read_text())
    picks["trust_orientation"] = False
    (tmp_path / "a.json").write_text(json.dumps(picks))
    assert read_particles([tmp_path / "a.json"], TOMOGRAMS).rotation is None
