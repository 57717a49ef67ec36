"""Plain tables of other programs: header, unit, order and orientation are theirs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import recognised
from cryoal.io.content import Content
from cryoal.io.convert import convert_file
from cryoal.io.inspect import inspect
from cryoal.io.listing import open_list
from cryoal.io.particles import read_particles
from cryoal.io.tsv import read_tsv

TOMOGRAMS = {"TS_01": Tomogram("TS_01", (200, 400, 400), 10.0)}


def positions(tmp_path, text):
    """Voxels, xyz, of every particle of a text."""
    (tmp_path / "TS_01.txt").write_text(text)
    return read_particles([tmp_path / "TS_01.txt"], TOMOGRAMS).position[:, ::-1] / 10.0


@pytest.mark.parametrize(
    ("program", "text", "dialect", "unit"),
    [
        ("a header with spaces", "x y z\n30 20 10\n", "csv", "voxel"),
        ("NumPy's savetxt with a header", "# id x y z score\n7 30 20 10 0.5\n", "csv", "voxel"),
        ("the same, which says no more", "# x y z\n30 20 10\n", "coords", "voxel"),
        ("comments before a header", "# picked by kim\n\nx,y,z\n30,20,10\n", "csv", "voxel"),
        ("napari", "index,axis-0,axis-1,axis-2\n0.0,10.0,20.0,30.0\n", "csv", "voxel"),
        ("the BYU challenge", "row_id,tomo_id,Motor axis 0,Motor axis 1,Motor axis 2\n"
         "0,TS_01,10.0,20.0,30.0\n", "csv", "voxel"),
        ("pandas with its index", ",x,y,z\n0,30,20,10\n", "csv", "voxel"),
        ("R", '"","tomo_name","x","y","z"\n"1","TS_01",30,20,10\n', "csv", "voxel"),
        ("a name in other letters", "Tomogram ID,X (px),Y (px),Z (px)\nTS_01,30,20,10\n", "csv",
         "voxel"),
        ("nanometres", "x_nm,y_nm,z_nm\n30,20,10\n", "csv", "angstrom"),
        ("nanometres in words", "X [nm]\tY [nm]\tZ [nm]\n30\t20\t10\n", "csv", "angstrom"),
        ("cylindra", "z,y,x,zvec,yvec,xvec,nth\n10,20,30,0.1,0,0,1\n", "csv", "angstrom"),
        ("a spreadsheet abroad", "x;y;z;name\n30,0;20;10,00;a,b\n", "csv", "voxel"),
        ("RELION's labels", "rlnCoordinateX,rlnCoordinateY,rlnCoordinateZ\n30,20,10\n", "csv",
         "voxel"),
        ("pandas of JSON", "location.x,location.y,location.z\n30,20,10\n", "csv", "voxel"),
        ("centres", "center_x,center_y,center_z,volume\n30,20,10,99\n", "csv", "voxel"),
    ],
)  # fmt: skip
def test_every_table_means_the_same_spot(tmp_path, program, text, dialect, unit):
    np.testing.assert_allclose(positions(tmp_path, text), [(30, 20, 10)], err_msg=program)
    facts = inspect(tmp_path / "TS_01.txt")
    assert (facts["dialect"], facts["unit"]) == (dialect, unit)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cylindras_vectors_turn_what_they_turn_in_zyx(tmp_path_factory, seed):
    """acryo applies its rotation to (z, y, x); ours acts on (x, y, z): the same points."""
    vectors, points = np.random.default_rng(seed).normal(size=(2, 5, 3))
    path = tmp_path_factory.mktemp("cylindra") / "molecules.csv"
    rows = ["1,2,3," + ",".join(f"{v:.9f}" for v in vector) for vector in vectors]
    path.write_text("\n".join(["z,y,x,zvec,yvec,xvec", *rows]) + "\n")
    ours = open_list(path).picks.rotation.apply(points[:, ::-1])
    theirs = Rotation.from_rotvec(vectors).apply(points)
    np.testing.assert_allclose(ours, theirs[:, ::-1], atol=1e-6)


def test_a_comment_is_no_header_unless_it_has_as_many_words(tmp_path):
    text = "# x y z of the ribosomes\n1 30 20 10\n"
    np.testing.assert_allclose(positions(tmp_path, text), [(30, 20, 10)])
    assert recognised(Content(tmp_path / "TS_01.txt")).name == "coords"


def test_a_line_of_the_wrong_length_is_named_by_its_line_below_comments(tmp_path):
    with pytest.raises(CryoalError, match=r"TS_01\.txt, line 4: "):
        positions(tmp_path, "# a\n# b\nx,y,z\n1,2\n")


def test_shrecs_lists_have_z_first_or_x_first_and_their_spans_say_which(testdata, tmp_path, rng):
    """SHREC 2019 wrote z, y, x; 2020 and 2021 x, y, z (their own scripts)."""
    real = open_list(testdata / "simulated_3rd_party/shrec/particle_locations_model_9.txt").picks
    assert np.ptp(real.xyz, axis=0).tolist() == [510, 510, 189]
    assert "read as z, y, x (SHREC 2019)" in real.remarks[0]
    rows = rng.uniform((0, 0, 0), (510, 510, 180), (50, 3)).astype(int)
    text = "".join(f"1bxn {x} {y} {z} 10 20 30\n" for x, y, z in rows)
    (tmp_path / "particle_locations.txt").write_text(text)
    picks = open_list(tmp_path / "particle_locations.txt").picks
    np.testing.assert_array_equal(picks.xyz, rows)
    assert picks.remarks == ()


def test_shrecs_angles_go_along_and_turn_nothing(tmp_path):
    (tmp_path / "TS_01.txt").write_text("1bxn 30 20 10 -45 81 -72\n")
    picks = open_list(tmp_path / "TS_01.txt").picks
    assert picks.rotation is None
    convert_file(tmp_path / "TS_01.txt", tmp_path / "TS_01.csv", "csv", TOMOGRAMS)
    row = read_tsv(tmp_path / "TS_01.csv").iloc[0]
    assert row[["class_name", "angle1", "angle2", "angle3"]].tolist() == [
        "1bxn",
        "-45",
        "81",
        "-72",
    ]
