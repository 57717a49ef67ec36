"""Each list is judged by itself, and what is read wrongly is refused with what mends it."""

import json
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
from conftest import cryoal

from cryoal.io.mrc import write_volume
from cryoal.io.particles import read_particles
from cryoal.io.star import read_star, write_star
from cryoal.io.tomograms import read_tomograms
from cryoal.project import inputs
from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult, simulate


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimulationResult:
    """Two tomograms of 60 particles, 96 x 150 x 150 voxels of 10 A, binned four times."""
    folder = tmp_path_factory.mktemp("scene")
    return simulate(folder, tomograms=2, per_tomogram=60, classes=3, seed=5)


@pytest.fixture(scope="module")
def done(scene: SimulationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of these."""
    folder = tmp_path_factory.mktemp("done") / "p"
    outcome = extract(folder, scene, scene.particles)
    assert outcome.code == 0, outcome.stderr
    return folder


def extract(project: Path, scene: SimulationResult, *lists: Path, options: tuple = ()):
    named = [part for path in lists for part in ("--particles", path)]
    return cryoal(
        "extract", project, "--tomograms", scene.tomograms, *named,
        "--diameter", 260, "-j", 1, *options,
    )  # fmt: skip


def written(folder: Path, done: Path, scale: float) -> Path:
    """The same picks as a CSV that counts voxels of ``10 / scale`` A."""
    particles = inputs.read_particles(done / "particles.star")
    table = pd.DataFrame(particles.position[:, ::-1] / 10 * scale, columns=["x", "y", "z"])
    path = folder / "binned.csv"
    table.assign(tomogram=particles.tomogram).to_csv(path, index=False)
    return path


@pytest.fixture
def flipped(scene: SimulationResult, tmp_path: Path) -> Path:
    """The same picks as a program with the other hand writes them."""
    blocks = read_star(scene.particles)
    z = "rlnCenteredCoordinateZAngst"
    blocks["particles"][z] = [f"{-float(value):.3f}" for value in blocks["particles"][z]]
    write_star(tmp_path / "flipped.star", blocks)
    return tmp_path / "flipped.star"


BETTER = "flipped: the picks fit their tomograms better flipped along z"


def test_a_flipped_list_is_refused_beside_a_good_one(scene, flipped, tmp_path):
    outcome = extract(tmp_path / "p", scene, scene.particles, flipped)
    assert outcome.code == 2
    assert BETTER in outcome.stderr
    assert not (tmp_path / "p").exists()


def test_a_flipped_list_is_refused_when_it_is_added_to_a_finished_project(done, flipped, tmp_path):
    project = shutil.copytree(done, tmp_path / "p")
    outcome = cryoal("extract", project, "--particles", flipped, "-j", 1)
    assert outcome.code == 2
    assert BETTER in outcome.stderr
    assert len(Project.open(project).particles) == 120


@pytest.mark.parametrize("size", [20.0, 13.5])
def test_a_list_of_other_voxels_is_taken_with_the_option_that_says_so(scene, done, tmp_path, size):
    project = shutil.copytree(done, tmp_path / "p")
    binned = written(tmp_path, done, 10 / size)
    more = ("extract", project, "--particles", binned, "-j", 1)
    if size == 20:  # 13.5 is no binning of theirs, and nothing states it
        outcome = cryoal(*more, "--unit", "voxel")
        assert outcome.code == 2
        wanted = f"binned: the picks fit their tomograms better with --pick-voxel-size {size:g}"
        assert wanted in outcome.stderr
    outcome = cryoal(*more, "--pick-voxel-size", size)
    assert outcome.code == 0, outcome.stderr
    particles = Project.open(project).particles
    both = [particles.position[particles.source == s] for s in ("particles", "binned")]
    np.testing.assert_allclose(*both, atol=0.01)


def test_binned_coordinates_with_optics_are_told_by_their_unit(scene, done, tmp_path):
    star = tmp_path / "binned.star"
    particles = inputs.read_particles(done / "particles.star")
    rows = "\n".join(
        f"{name} {x:.3f} {y:.3f} {z:.3f} 1"
        for name, (z, y, x) in zip(particles.tomogram, particles.position / 10, strict=True)
    )
    star.write_text(
        "data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnTomoTiltSeriesPixelSize #2\n1 2.5\n\n"
        "data_particles\n\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
        f"_rlnCoordinateZ #4\n_rlnOpticsGroup #5\n{rows}\n"
    )
    outcome = extract(tmp_path / "p", scene, star)
    assert outcome.code == 2
    assert "better with --unit voxel" in outcome.stderr
    assert extract(tmp_path / "p", scene, star, options=("--unit", "voxel")).code == 0
    looked = cryoal("inspect", star, "--tomograms", scene.tomograms, "--diameter", 260, "--json")
    assert "better with --unit voxel" in " ".join(json.loads(looked.stdout)["problems"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--pick-voxel-size", "nan"), "a positive number of Angstrom"),
        (("--pick-voxel-size", "-5"), "a positive number of Angstrom"),
        (("--pick-voxel-size", "5", "--unit", "angstrom"), "give one of them"),
    ],
)
def test_voxel_sizes_that_cannot_be_are_refused(scene, tmp_path, options, says):
    outcome = extract(tmp_path / "p", scene, scene.particles, options=options)
    assert outcome.code == 2
    assert says in outcome.stderr


def test_convert_reads_voxels_of_another_size(scene, done, tmp_path):
    binned = written(tmp_path, done, 0.5)
    outcome = cryoal(
        "convert", binned, tmp_path / "out.star", "--to", "relion5", "--tomograms",
        scene.tomograms, "--pick-voxel-size", 20,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    known = read_tomograms([scene.tomograms])
    there = read_particles([tmp_path / "out.star"], known).position
    expected = inputs.read_particles(done / "particles.star").position
    np.testing.assert_allclose(there, expected, atol=0.02)


def test_one_dead_voxel_turns_no_box_over_and_is_told(scene, done, tmp_path):
    shutil.copytree(scene.tomograms.parent / "tomograms", tmp_path / "t")
    with mrcfile.mmap(tmp_path / "t" / "TS_002.mrc", "r+") as volume:
        volume.data[5, 5, 5] = np.nan
    outcome = cryoal(
        "extract", tmp_path / "p", "--tomograms", tmp_path / "t/*.mrc", "--particles",
        scene.particles, "--diameter", 260, "-j", 1, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    assert "TS_002: 1 of its 2160000 voxels" in outcome.stderr
    facts = json.loads(outcome.stdout)
    assert facts["contrast"] == {"TS_001": "dark", "TS_002": "dark"}
    assert facts["missing_voxels"] == {"TS_002": 1}
    before, after = Project.open(done).subtomograms, Project.open(tmp_path / "p").subtomograms
    np.testing.assert_allclose(after[after.ids], before[after.ids], atol=0.05)
    looked = cryoal("inspect", tmp_path / "t" / "TS_002.mrc", "--json")
    assert json.loads(looked.stdout)["missing_voxels"] == {"TS_002": 1}


def test_a_volume_that_lies_on_its_side_is_told_by_its_empty_wedge(scene, done, tmp_path):
    volume = mrcfile.read(scene.tomograms.parent / "tomograms" / "TS_001.mrc")
    write_volume(tmp_path / "TS_001.mrc", np.ascontiguousarray(volume.transpose(1, 0, 2)), 10.0)
    particles = inputs.read_particles(done / "particles.star")
    zyx = particles.position[particles.tomogram == "TS_001"][:, [1, 0, 2]]
    table = pd.DataFrame(zyx[:, ::-1], columns=["x", "y", "z"]).assign(tomogram="TS_001")
    table.to_csv(tmp_path / "lying.csv", index=False)
    lists = ("--particles", tmp_path / "lying.csv", "--unit", "angstrom", "--diameter", 260)
    given = ("extract", tmp_path / "p", "--tomograms", tmp_path / "TS_001.mrc", *lists)
    unsaid = cryoal(*given, "-j", 1, "--dry-run")
    assert unsaid.code == 0, unsaid.stderr
    assert "TS_001: its empty wedge is not where --beam-axis z" in unsaid.stderr
    assert "say --beam-axis y --tilt-axis 0" in unsaid.stderr
    said = cryoal(*given, "-j", 1, "--beam-axis", "y")
    assert said.code == 0, said.stderr
    assert "empty wedge" not in said.stderr
    lying, upright = Project.open(tmp_path / "p").subtomograms, Project.open(done).subtomograms
    ids = [f"TS_001/{n}" for n in range(1, 61)]
    difference = lying[ids].transpose(0, 2, 1, 3) - upright[ids]
    assert np.abs(difference).mean() < 0.05  # the background's sample is another
