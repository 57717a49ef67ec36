"""Positions in plain text."""

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import recognised
from cryoal.io.content import Content
from cryoal.io.particles import read_particles, write_particles

TOMOGRAMS = {"TS_01": Tomogram("TS_01", (100, 200, 300), 10.0)}
TWO = TOMOGRAMS | {"TS_02": Tomogram("TS_02", (100, 200, 300), 10.0)}


def read(tmp_path, text, name="picks.txt", tomograms=TOMOGRAMS, **options):
    (tmp_path / name).write_text(text)
    return read_particles([tmp_path / name], tomograms, **options)


@pytest.mark.parametrize(
    "text",
    [
        "110 70 40\n",
        "# x y z\n110\t70\t40\n\n",
        "110,70,40\r\n",
        "1 1 110 70 40\n",
        "110 70 40 10 20 30\n",
        "x,y,z\n110,70,40\n",
        "tomogram\tx\ty\tz\nTS_01.mrc\t110\t70\t40\n",
        "X [A],Y [A],Z [A]\n1100,700,400\n",
        "x_angstrom,y_angstrom,z_angstrom,label\n1100,700,400,ribosome\n",
        "z (px),y (px),x (px)\n40,70,110\n",
    ],
)
def test_every_layout_means_the_same_spot(tmp_path, text):
    np.testing.assert_allclose(read(tmp_path, text).position, [[400, 700, 1100]])


def test_real_lists_are_recognised(testdata):
    expected = {"points.csv": "csv", "points_with_header.csv": "csv", "tardis.csv": "csv"}
    for name, dialect in expected.items():
        content = Content(testdata / "particles/csv" / name)
        assert recognised(content).name == dialect
    assert recognised(content).read(content, None).unit == "angstrom"


def test_a_list_is_named_after_its_tomogram(tmp_path):
    found = read(tmp_path, "110 70 40\n", "TS_02.coords", TWO)
    assert found.tomogram.tolist() == ["TS_02"]


def test_extra_columns_ids_and_scores_are_kept(tmp_path):
    text = "id,tomogram,x,y,z,score,note\nA,TS_01,110,70,40,0.7,near membrane\n"
    particles = read(tmp_path, text, "picks.csv")
    assert (particles.id.tolist(), particles.score.tolist()) == (["A"], [0.7])
    write_particles(particles, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("110 70 40\n110 70\n", "line 2: not 3 numbers"),
        ("x,y,z\n110,70,up\n", "particle 1: z is 'up'"),
        ("x,y,z\n", "no particles"),
        ("x [A],y [px],z [A]\n1,2,3\n", "several units"),
        ("hello world\n", "no particle positions found"),
        ('{"points": []}', "no particle positions found"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, words):
    with pytest.raises(CryoalError, match=words):
        read(tmp_path, text)


def test_coords_of_two_tomograms_are_refused_in_favour_of_csv(tmp_path):
    particles = read(tmp_path, "tomogram,x,y,z\nTS_01,1,2,3\nTS_02,4,5,6\n", tomograms=TWO)
    with pytest.raises(CryoalError, match="write csv"):
        write_particles(particles, tmp_path / "out.coords", TWO, "coords")
    assert not (tmp_path / "out.coords").exists()
