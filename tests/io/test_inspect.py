"""``cryoal inspect`` says what a file is, also when it refuses it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cryoal.cli.inspect import inspect as command
from cryoal.core.errors import CryoalError
from cryoal.io.inspect import KINDS, inspect
from cryoal.io.mrc import write_volume

ALWAYS = {"file", "kind", "dialect", "unit", "n_particles", "tomograms", "voxel_size", "problems"}
FILES = {
    "particles/relion5/particles.star": ("particles", "relion5", "centred_angstrom", 9442),
    "particles/relion5/TS_01_particles.star": ("particles", "relion5", "voxel", 1960),
    "particles/relion4/relion_4.0.star": ("particles", "relion4", "unbinned_pixel", 1746),
    "particles/relion3/relion3.1.star": ("particles", "relion31", "output_pixel", 57),
    "particles/relion3/relion3.star": ("particles", "relion3", "voxel", 441),
    "particles/warptools/example.star": ("particles", "relion3", "output_pixel", 1399),
    "particles/pytom_match_pick/CCDC147C_001_particles.star": ("particles", "pytom", "voxel", 1500),
    "particles/relion5/tomograms.star": ("tomogram_set", None, None, None),
    "particles/relion5/optimisation_set.star": ("optimisation_set", None, None, None),
    "particles/relion5/relion5_TS_01_tilt.star": ("tilt_series", None, None, None),
    "odd_mrc/signed_ints.mrc": ("tomogram", None, None, None),
    "density_maps/emd_5592_21A.mrc": ("tomogram", None, None, None),
}
REFUSED = {
    "particles/relion3/relion31.star": "single images",
    "particles/star_syntax/postprocess.star": "no particle positions found",
    "odd_mrc/header_only.mrc": "cut off",
    "odd_mrc/mrc2D.mrc": "a single image",
    "particles/tomotwin/valid.tloc": "never opened here",
    "nowhere.star": "no such file",
}


@pytest.mark.parametrize("file", FILES)
def test_real_files_are_told_apart(testdata, file):
    facts = inspect(testdata / file)
    assert facts.keys() >= ALWAYS
    assert facts["refused"] is None
    found = tuple(facts[key] for key in ("kind", "dialect", "unit", "n_particles"))
    assert found == FILES[file]
    assert facts["kind"] in KINDS
    json.dumps(facts)


@pytest.mark.parametrize("file", REFUSED)
def test_refused_files_are_described_and_the_reason_is_a_problem(testdata, file):
    facts = inspect(testdata / file)
    assert facts.keys() >= ALWAYS
    assert REFUSED[file] in facts["refused"]
    assert facts["refused"] in facts["problems"]


def test_json_stands_on_stdout_even_when_the_file_is_refused(testdata):
    result = CliRunner().invoke(command, ["--json", str(testdata / "odd_mrc/mrc2D.mrc")])
    assert isinstance(result.exception, CryoalError)
    assert json.loads(result.stdout)["kind"] == "unknown"


def test_particles_are_placed_in_the_tomograms_named_beside_them(testdata):
    folder = testdata / "particles/relion5"
    files = [str(folder / name) for name in ("particles.star", "tomograms.star")]
    result = CliRunner().invoke(command, ["--json", *files])
    facts = json.loads(result.stdout.splitlines()[0])
    assert (facts["inside"], facts["voxel_size"], facts["unmatched"]) == (1.0, 10.0, {})
    assert result.exit_code == 0


def test_a_wrong_unit_is_refused_after_the_object_is_printed(testdata):
    folder = testdata / "particles/relion5"
    files = [str(folder / name) for name in ("TS_01_particles.star", "tomograms.star")]
    result = CliRunner().invoke(command, ["--json", "--unit", "fraction", *files])
    assert isinstance(result.exception, CryoalError)
    assert "--unit voxel" in str(result.exception)
    assert json.loads(result.stdout.splitlines()[0])["n_particles"] == 1960


def test_every_fact_is_a_line_for_people(testdata):
    result = CliRunner().invoke(command, [str(testdata / "particles/relion5/particles.star")])
    assert "unit         centred_angstrom" in result.stdout
    assert "because" in result.stdout or "evidence" in result.stdout


def test_repeated_positions_are_counted(tmp_path):
    (tmp_path / "a.coords").write_text("1 2 3\n4 5 6\n1 2 3\n")
    facts = inspect(tmp_path / "a.coords")
    assert facts["duplicates"] == 1
    assert any("repeat" in problem for problem in facts["problems"])


def test_a_stack_of_boxes_is_no_tomogram(tmp_path):
    write_volume(tmp_path / "boxes.mrc", np.ones((3, 8, 8, 8)), 10.0, volume_stack=True)
    facts = inspect(tmp_path / "boxes.mrc")
    assert (facts["kind"], facts["n_particles"], facts["voxel_size"]) == ("stack", 3, 10.0)
