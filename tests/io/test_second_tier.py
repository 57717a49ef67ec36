"""STOPGAP, PyTom XML, EMAN2, IMOD, CBOX, DeepFinder and TomoTwin, by numbers worked out by hand."""

import json
import struct

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_rotation
from cryoal.core.tomogram import Tomogram
from cryoal.io.convert import convert_file
from cryoal.io.inspect import inspect
from cryoal.io.listing import open_list
from cryoal.io.particles import read_particles

TOMOGRAM = {"TS_01": Tomogram("TS_01", (200, 1001, 960), 8.0)}


@pytest.fixture
def particles(testdata):
    return testdata / "particles"


def test_stopgap_counts_from_one_adds_shifts_and_numbers_its_tomograms(particles):
    path = particles / "stopgap/stopgap_star.star"
    tomograms = {f"lam_{n}": Tomogram(f"lam_{n}", (100, 100, 100), 10.0) for n in (1, 2, 3)}
    found = read_particles([path], tomograms)
    xyz = np.array([4 - 1 - 1.2, 8 - 1 - 2.4, 12 - 1 - 3.2])
    np.testing.assert_allclose(found.position[0], xyz[::-1] * 10)
    assert found.tomogram.tolist() == ["lam_1"] * 2 + ["lam_2"] * 3 + ["lam_3"]
    assert (found.score_name, found.score[0]) == ("score", 0.1816)
    # phi 90, the 45, psi 180: the reference's z axis ends at (0, sin 45, cos 45).
    np.testing.assert_allclose(found.rotation[0].apply([0, 0, 1]), [0, 0.5**0.5, 0.5**0.5],
                               atol=1e-12)  # fmt: skip


def test_stopgaps_block_may_have_another_name(particles, tmp_path):
    text = (particles / "stopgap/stopgap_star.star").read_text()
    (tmp_path / "motl.star").write_text(text.replace("data_stopgap_motivelist", "data_"))
    assert inspect(tmp_path / "motl.star")["dialect"] == "stopgap"


XML = """<ParticleList>
  <Particle Filename="a.em">
    <Rotation Z1="10" Z2="30" X="20" Paradigm="ZXZ"/>
    <Shift X="0.5" Y="-1.0" Z="2.0"/>
    <PickPosition X="110" Y="70" Z="40" Origin="vol/TS_01.em" Binning="8"/>
    <Score Type="FLCFScore" Value="0.4"/>
  </Particle>
</ParticleList>
"""


def test_pytom_adds_its_shift_and_turns_by_z1_x_z2(tmp_path):
    (tmp_path / "list.xml").write_text(XML)
    found = read_particles([tmp_path / "list.xml"], TOMOGRAM)
    np.testing.assert_allclose(found.position, [[42 * 8, 69 * 8, 110.5 * 8]])
    assert (found.tomogram[0], found.score[0]) == ("TS_01", 0.4)
    z2, x = np.radians([30, 20])
    axis = [np.sin(z2) * np.sin(x), -np.cos(z2) * np.sin(x), np.cos(x)]
    np.testing.assert_allclose(found.rotation[0].apply([0, 0, 1]), axis, atol=1e-12)
    assert any("binning 8" in problem for problem in inspect(tmp_path / "list.xml")["problems"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('X="110" ', "", "particle 1: no <PickPosition> with X"),
        ('X="110" ', 'X="up" ', "particle 1: PickPositionX is 'up'"),
        ("</ParticleList>", "", "not whole XML"),
        ("Particle ", "Volume ", "not whole XML"),
    ],
)
def test_pytoms_list_says_where_it_is_wrong(tmp_path, old, new, words):
    (tmp_path / "list.xml").write_text(XML.replace(old, new))
    with pytest.raises(CryoalError, match=words):
        read_particles([tmp_path / "list.xml"], TOMOGRAM)
    assert inspect(tmp_path / "list.xml")["dialect"] == "pytom_xml"


def test_eman2_counts_unbinned_pixels_from_the_middle_voxel(tmp_path):
    """voxel = b * apix_unbin / apix + n // 2, with n odd along y."""
    info = {
        "apix_unbin": 2.0,
        "tlt_params": [[0.0] * 5] * 300,
        "boxes_3d": [[0, 0, 0, "manual", 0.5, 0], [400, -40, 8, "manual", 0.25, 1]],
        "class_list": {"0": {"name": "ribosome", "boxsize": 32}},
    }
    path = tmp_path / "TS_01_info.json"
    path.write_text(json.dumps(info))
    found = read_particles([path], TOMOGRAM)
    middle = np.array([100, 500, 480])
    np.testing.assert_allclose(found.position / 8, np.array([[0, 0, 0], [2, -10, 100]]) + middle)
    assert found.score.tolist() == [0.5, 0.25]
    assert found.table["class_name"].tolist() == ["ribosome", ""]
    assert inspect(path)["unit"] == "unbinned_pixel"
    with pytest.raises(CryoalError, match="whose size is not known"):
        read_particles([path], {"TS_01": Tomogram("TS_01", (0, 0, 0), 8.0)})


def test_eman2_before_2018_counts_voxels_from_the_corner(particles):
    path = next((particles / "eman2_json").glob("*.json"))
    found = read_particles([path], {"a": Tomogram("a", (500, 1000, 1000), 10.0)})
    np.testing.assert_allclose(found.position[0], [1300, 4180, 3350])


def test_eman2s_lists_of_images_are_refused_with_what_to_give(tmp_path):
    (tmp_path / "p.lst").write_text("#LSX\n# comment\n0\tparticles3d/TS_01.hdf\n")
    (tmp_path / "p.json").write_text('{"(\'a.hdf\', 0)": {"xform.align3d": {}, "score": 1}}')
    for name in ("p.lst", "p.json"):
        facts = inspect(tmp_path / name)
        assert (facts["kind"], facts["dialect"]) == ("unknown", "eman2")
        assert "info/*_info.json" in facts["refused"]


def imod(flags=0, points=((10.5, 20.5, 30.0), (1.5, 2.5, 3.0))):
    header = b"IMODV1.2" + b"model".ljust(128, b"\0")
    header += struct.pack(">4iI", 960, 1001, 200, 1, flags)
    contour = b"CONT" + struct.pack(">iIii", len(points), 0, 0, 0)
    contour += np.array(points, ">f4").tobytes()
    return header.ljust(240, b"\0") + b"OBJT" + bytes(176) + contour + b"IEOF"


def test_imods_half_voxel_is_taken_off_x_and_y(tmp_path):
    (tmp_path / "a.mod").write_bytes(imod())
    found = read_particles([tmp_path / "a.mod"], TOMOGRAM)
    np.testing.assert_allclose(found.position / 8, [[30, 20, 10], [3, 2, 1]])
    assert found.table[["object", "contour"]].to_numpy().tolist() == [["1", "1"]] * 2


def test_a_model_written_with_y_and_z_exchanged_is_turned_back(tmp_path):
    (tmp_path / "a.mod").write_bytes(imod(flags=1 << 16))
    found = read_particles([tmp_path / "a.mod"], TOMOGRAM)
    np.testing.assert_allclose(found.position[0] / 8, [20.5, 29.5, 10])


@pytest.mark.parametrize("cut", [8, 100, 300, 430, 445, 460])
def test_a_model_that_is_cut_off_says_so(tmp_path, cut):
    (tmp_path / "a.mod").write_bytes(imod()[:cut])
    with pytest.raises(CryoalError, match=r"cut off|no points"):
        read_particles([tmp_path / "a.mod"], TOMOGRAM)


def test_peets_motive_list_has_no_positions(tmp_path):
    header = "CCC,reserved,reserved,pIndex,wedgeWT,NA,NA,NA,NA,NA,xOffset,yOffset,zOffset\n"
    (tmp_path / "motl.csv").write_text(header + "1,0,0,1,1,0,0,0,0,0,1,2,3\n")
    facts = inspect(tmp_path / "motl.csv")
    assert (facts["kind"], facts["dialect"]) == ("unknown", "imod")
    assert ".mod" in facts["refused"]


def test_a_box_has_its_corner_in_x_and_y_and_its_centre_in_z(particles):
    found = read_particles([particles / "cbox/3d_particle.cbox"], TOMOGRAM)
    xyz = np.array([12.257084 + 12.5, 27.721405 + 12.5, 50.0])
    np.testing.assert_allclose(found.position[0], xyz[::-1] * 8)


def test_tomotwins_boxes_carry_a_score_and_may_lack_a_width(tmp_path):
    (tmp_path / "TS_01.cbox").write_text(
        "data_cryolo\nloop_\n_CoordinateX #1\n_CoordinateY #2\n_CoordinateZ #3\n_Confidence #4\n"
        "10 20 30 0.75\n"
    )
    found = read_particles([tmp_path / "TS_01.cbox"], TOMOGRAM)
    np.testing.assert_allclose(found.position[0] / 8, [30, 38.5, 28.5])
    assert (found.score_name, found.score[0]) == ("Confidence", 0.75)
    assert any("37 voxels" in p for p in inspect(tmp_path / "TS_01.cbox")["problems"])


def test_deepfinder_counts_voxels_and_may_lack_angles(particles, tmp_path):
    found = read_particles([particles / "deepfinder_xml/object_list_valid.xml"], TOMOGRAM)
    np.testing.assert_allclose(found.position[0] / 8, [39, 143, 182])
    assert found.rotation is not None
    (tmp_path / "a.xml").write_text(
        '<objlist><object class_label="1" x="1.5" y="2" z="3" cluster_size="40"/></objlist>'
    )
    found = read_particles([tmp_path / "a.xml"], TOMOGRAM)
    assert found.rotation is None
    assert (found.score[0], found.position[0].tolist()) == (40.0, [24.0, 16.0, 12.0])


def test_tomotwins_star_is_read_and_its_pickles_never(particles, tmp_path):
    (tmp_path / "TS_01_relion3.star").write_text(
        "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n10 20 30\n"
    )
    picks = open_list(tmp_path / "TS_01_relion3.star").picks
    assert (picks.dialect, picks.unit, picks.xyz.tolist()) == ("tomotwin", "voxel", [[10, 20, 30]])
    with pytest.raises(CryoalError, match=r"tomotwin_pick.py"):
        read_particles([particles / "tomotwin/valid.tloc"], TOMOGRAM)


def test_a_pickle_that_would_run_something_is_not_opened(tmp_path):
    import os
    import pickle

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    (tmp_path / "a.tloc").write_bytes(pickle.dumps([Trap(), "pandas"], protocol=4))
    assert inspect(tmp_path / "a.tloc")["dialect"] == "tomotwin"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("text", "unit", "xyz"),
    [
        ("run_name,x,y,z,transform_00,score\nTS_01,80,160,240,1,0.5\n", "angstrom", [80, 160, 240]),
        ("id,experiment,particle_type,x,y,z\n0,TS_01,ribosome,8,16,24\n", "angstrom", [8, 16, 24]),
        ("3 10 20 30\n1 11 21 31\n", "voxel", [10, 20, 30]),
        ("10.5 20.5 30.5 0.25\n11 21 31 0.5\n", "voxel", [10.5, 20.5, 30.5]),
        ("10.5 20.5 30.5 0.25 1\n", "voxel", [10.5, 20.5, 30.5]),
        ("1 2 10 20 30\n1 2 11 21 31\n", "voxel", [10, 20, 30]),
        ("3d2f 10 20 30 -45 81 -72\n", "voxel", [10, 20, 30]),
        ("10,20,30\n", "voxel", [10, 20, 30]),
        ("x|y|z\n10|20|30\n", "voxel", [10, 20, 30]),
        ("x;y;z\n10;20;30\n", "voxel", [10, 20, 30]),
        ("10\t20\t30\n", "voxel", [10, 20, 30]),
    ],
    ids=[
        "copick csv",
        "CZII",
        "DeepETPicker",
        "score",
        "box3d",
        "model2point",
        "SHREC",
        "commas",
        "bars",
        "semicolons",
        "tabs",
    ],
)
def test_other_programs_plain_text(tmp_path, text, unit, xyz):
    (tmp_path / "TS_01.txt").write_text(text)
    picks = open_list(tmp_path / "TS_01.txt").picks
    assert (picks.unit, picks.xyz[0].tolist()) == (unit, xyz)


def test_boxes_of_single_images_are_refused(tmp_path):
    (tmp_path / "a.box").write_text("100 200 64 64\n150 260 64 64\n")
    with pytest.raises(CryoalError, match="single images"):
        read_particles([tmp_path / "a.box"], TOMOGRAM)


def test_cryocats_csv_has_shifts_and_numbers(tmp_path):
    (tmp_path / "motl.csv").write_text(
        "score,subtomo_id,tomo_id,x,y,z,shift_x,shift_y,shift_z,class\n0.5,1,1,10,20,30,1,-2,0.5,3\n"
    )
    found = read_particles([tmp_path / "motl.csv"], TOMOGRAM)
    np.testing.assert_allclose(found.position / 8, [[30.5, 18, 11]])
    assert found.tomogram.tolist() == ["TS_01"]


@pytest.mark.parametrize("name", ["tomograms.doc", "a.doc", "a.tbl.doc", "a.vll"])
def test_a_table_map_gives_numbers_their_names(tmp_path, name):
    rows = np.ones((2, 26)) * 20
    rows[:, 19] = (1, 2)
    np.savetxt(tmp_path / "a.tbl", rows, fmt="%g")
    paths = ["/data/TS_07.rec", "/data/TS_01.rec"]
    lines = paths if name.endswith(".vll") else [f"{i} {p}" for i, p in enumerate(paths, 1)]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    tomograms = {n: Tomogram(n, (100, 200, 300), 10.0) for n in ("TS_01", "TS_07")}
    found = read_particles([tmp_path / "a.tbl"], tomograms)
    assert found.tomogram.tolist() == ["TS_07", "TS_01"]


@pytest.mark.parametrize("rows", [19, 21])
def test_a_motive_list_of_other_rows_is_named_and_refused(tmp_path, rows):
    header = bytearray(512)
    header[0], header[3] = 6, 5
    header[4:16] = np.array([rows, 3, 1], "<i4").tobytes()
    (tmp_path / "a.em").write_bytes(bytes(header) + bytes(4 * rows * 3))
    facts = inspect(tmp_path / "a.em")
    assert facts["dialect"] == "em"
    assert f"{rows} rows" in facts["refused"]


def test_a_big_endian_motive_list_is_read(particles, tmp_path):
    raw = (particles / "em_motl/au_1.em").read_bytes()
    sizes = np.frombuffer(raw, "<i4", count=3, offset=4).astype(">i4").tobytes()
    values = np.frombuffer(raw, "<f4", offset=512).astype(">f4").tobytes()
    (tmp_path / "a.em").write_bytes(b"\x05" + raw[1:4] + sizes + raw[16:512] + values)
    first, second = (
        open_list(particles / "em_motl/au_1.em").picks,
        open_list(tmp_path / "a.em").picks,
    )
    np.testing.assert_array_equal(first.xyz, second.xyz)


def test_relion_3_1_without_its_optics_block_is_known_by_its_origins(tmp_path):
    columns = ["rlnMicrographName", *(f"rlnCoordinate{a}" for a in "XYZ"), "rlnOpticsGroup",
               *(f"rlnOrigin{a}Angst" for a in "XYZ")]  # fmt: skip
    text = "data_particles\nloop_\n" + "".join(f"_{c}\n" for c in columns)
    (tmp_path / "a.star").write_text(text + "TS_01.mrc 10 20 30 1 8 0 0\n")
    assert inspect(tmp_path / "a.star")["dialect"] == "relion31"
    found = read_particles([tmp_path / "a.star"], TOMOGRAM)
    np.testing.assert_allclose(found.position / 8, [[30, 20, 9]])


def test_ms_species_count_angstrom_and_turn_as_relion_does(tmp_path):
    columns = ["wrpCoordinateX1", "wrpCoordinateY1", "wrpCoordinateZ1", "wrpAngleRot1",
               "wrpAngleTilt1", "wrpAnglePsi1", "wrpSourceName"]  # fmt: skip
    text = "data_\nloop_\n" + "".join(f"_{c}\n" for c in columns)
    (tmp_path / "m.star").write_text(text + "80 160 240 10 20 30 TS_01.tomostar\n")
    found = read_particles([tmp_path / "m.star"], TOMOGRAM)
    np.testing.assert_allclose(found.position, [[240, 160, 80]])
    facts = inspect(tmp_path / "m.star")
    assert (facts["dialect"], facts["unit"]) == ("warp", "angstrom")
    expected = relion_rotation([[10, 20, 30]])
    assert (found.rotation.inv() * expected).magnitude().max() < 1e-9
    again = convert_file(tmp_path / "m.star", tmp_path / "r.star", "relion4", TOMOGRAM)
    assert again.largest_change < 1e-4
    turned = read_particles([tmp_path / "r.star"], TOMOGRAM).rotation
    assert (turned.inv() * expected).magnitude().max() < 1e-6
