"""Text files as Windows and MATLAB leave them mean what they meant before."""

import json

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import recognised
from cryoal.io.content import Content
from cryoal.io.inspect import inspect
from cryoal.io.listing import open_list
from cryoal.io.particles import read_particles, write_particles

ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
POINTS = [{"location": {"x": 1.0, "y": 2.0, "z": 3.0}, "instance_id": 0}]
TEXTS = {
    "relion4": "data_particles\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
    "_rlnCoordinateZ #4\nTS_01 1 2 3\n",
    "csv": "tomogram,x,y,z\nTS_01,1,2,3\n",
    "coords": "1 2 3\n",
    "dynamo": " ".join(["1"] * 23 + ["1", "2", "3"] + ["0"] * 9) + "\n",
    "copick": json.dumps({"points": POINTS * 100, "pickable_object_name": "ribosome"}),
    "portal": '{"type": "point", "location": {"x": 1, "y": 2, "z": 3}}\n',
    "eman2": '{"boxes_3d": [[1, 2, 3, "manual"]]}',
    "deepfinder": '<objlist><object x="1" y="2" z="3"/></objlist>',
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("dialect", TEXTS)
def test_the_encoding_changes_nothing(tmp_path, dialect, encoding):
    path = tmp_path / "TS_01"
    path.write_bytes(MARKS.get(encoding, b"") + TEXTS[dialect].encode(encoding))
    assert recognised(Content(path)).name == dialect
    np.testing.assert_allclose(open_list(path).picks.xyz[0], (1, 2, 3))
    assert inspect(path)["refused"] is None


def test_half_a_character_is_no_text(tmp_path):
    (tmp_path / "a.star").write_bytes(b"\xff\xfe" + "data_particles".encode("utf-16-le") + b"\n")
    with pytest.raises(CryoalError, match=r"a\.star: its first bytes say utf-16-le"):
        open_list(tmp_path / "a.star")


def test_matlabs_complex_numbers_lose_their_imaginary_part_and_that_is_told(tmp_path):
    """Dynamo writes them where an alignment diverged (dynamo2warp asks for real tables)."""
    cells = ["1"] * 23 + ["10.5+0i", "20-0.25i", "30"] + ["0.1+1e-9i"] * 9
    (tmp_path / "a.tbl").write_text(" ".join(cells) + "\n")
    picks = open_list(tmp_path / "a.tbl").picks
    np.testing.assert_allclose(picks.xyz, [(10.5, 20, 30)])
    assert picks.remarks == ("11 of its numbers are complex; their real parts are read",)


def test_a_real_table_with_complex_numbers_is_written_back_with_them(testdata, tmp_path):
    """75 of them stand in column 28 of this one, as 0+1.2074e-06i."""
    path = testdata / "particles/dynamo/aligned.tbl"
    picks = open_list(path).picks
    tomograms = {n: Tomogram(n, (500, 4000, 4000), 2.0) for n in np.unique(picks.tomogram).tolist()}
    write_particles(read_particles([path], tomograms), tmp_path / "again.tbl")
    assert (tmp_path / "again.tbl").read_text().split() == path.read_text().split()


@pytest.mark.parametrize("dialect", TEXTS)
@pytest.mark.parametrize("name", ["a.star", "a.csv", "a.json", "a.tbl", "a.mrc", "a"])
def test_the_name_changes_nothing_where_the_content_says_what_it_is(tmp_path, dialect, name):
    (tmp_path / name).write_text(TEXTS[dialect])
    # Three numbers a line are both a .coords and a .csv without its header.
    expected = "csv" if (dialect, name) == ("coords", "a.csv") else dialect
    facts = inspect(tmp_path / name)
    assert (facts["dialect"], facts["refused"]) == (expected, None)


@pytest.mark.parametrize(
    "text", ["loop_\n_rlnTomoName #1\nTS_01\n", "_rlnTomoName\t#1\n", "hello\n"]
)
def test_a_star_file_that_lost_its_first_lines_is_told_by_its_name(tmp_path, text):
    (tmp_path / "a.star").write_text(text)
    assert "is this a STAR file?" in inspect(tmp_path / "a.star")["refused"]
