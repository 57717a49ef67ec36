"""Particles that others simulated: two states of a ribosome's subunit, and crops as files."""

from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
from conftest import cryoal

from cryoal import Project
from cryoal.io import write_volume
from cryoal.io.star import read_star, write_star
from cryoal.simulate.write import simulate

#: Of the tomodrgn densities, after rlnDetectorPixelSize of the tilt stacks beside them.
VOXEL_SIZE = 13.1


@pytest.fixture(scope="module")
def states(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """States D and E of the assembling 50S subunit (EMPIAR-10076), 600 particles at SNR 0.1."""
    folder = tmp_path_factory.mktemp("states")
    (folder / "templates").mkdir()
    for name in ("D", "E"):
        path = testdata / f"simulated_3rd_party/tomodrgn_10076/10076_class{name}_32.mrc"
        with pytest.warns(RuntimeWarning, match="machine stamp"):  # they have none
            density = mrcfile.open(path, permissive=True).data
        write_volume(folder / f"templates/{name}.mrc", density, VOXEL_SIZE)
    simulate(
        folder / "data",
        templates=folder / "templates",
        tomograms=4,
        per_tomogram=150,
        snr=0.1,
        seed=1,
        voxel_size=VOXEL_SIZE,
    )
    return folder


@pytest.mark.slow
def test_two_states_of_one_complex_are_told_apart(states):
    data, path = states / "data", states / "project"
    files = ("--tomograms", data / "tomograms.star", "--particles", data / "particles.star")
    assert cryoal("extract", path, *files, "--diameter", 260, "-j", 1).code == 0
    project = Project.open(path)
    truth = pd.read_csv(data / "truth.tsv", sep="\t", dtype=str).set_index("id")["label"]
    told = truth.sample(100, random_state=0)
    project.labels.add(told.to_dict(), annotator="truth")
    project.train()
    predictions = project.predict()
    called = pd.Series(
        np.array(predictions.classes)[predictions.teacher.argmax(axis=1)], predictions.ids
    )
    others = truth.drop(told.index)
    assert (called[others.index] == others).mean() > 0.75


@pytest.fixture(scope="module")
def crops(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 22 files, each a box of one particle at 5 Angstrom: one shape, up and down."""
    folder = tmp_path_factory.mktemp("crops")
    files = sorted((testdata / "simulated_3rd_party/stw_tiny").glob("*.mrc"))
    picks = pd.DataFrame({"rlnMicrographName": [file.name for file in files]})
    picks[[f"rlnCoordinate{axis}" for axis in "XYZ"]] = 12
    write_star(folder / "picks.star", {"": picks})
    outcome = cryoal(
        *("extract", folder / "project", "--tomograms", f"{files[0].parent}/*.mrc"),
        *("--particles", folder / "picks.star", "--voxel-size", 5, "--box", 24),
        *("--contrast", "bright", "-j", 1),
    )
    assert outcome.code == 0, outcome.stderr
    return folder / "project"


def file_of_each(project: Path) -> list[str]:
    return list(read_star(project / "particles.star")["particles"]["rlnMicrographName"])


def test_crops_that_are_files_of_their_own_are_cut_out_whole(crops, testdata):
    boxes = Project.open(crops).subtomograms
    assert len(boxes) == 22
    for box, name in zip(boxes[list(boxes.ids)], file_of_each(crops), strict=True):
        density = mrcfile.read(testdata / "simulated_3rd_party/stw_tiny" / name)
        assert np.corrcoef(box.ravel(), density.ravel())[0, 1] > 0.98


@pytest.mark.slow
def test_up_and_down_are_told_apart_by_voxels_seen_one_way(crops):
    """The two classes are one density, turned upside down: no invariant can tell them apart."""
    settings = (crops / "cryoal.toml").read_text()
    seen_one_way = (
        'start = "scratch"\nnetwork = "compact"\nnetwork_options = {width = 0.5}\n'
        'student = "compact-thin"\nviews = false\nrotations = 0.0\nmax_steps = 300\n'
    )
    (crops / "cryoal.toml").write_text(settings.replace("[train]\n", f"[train]\n{seen_one_way}"))
    project = Project.open(crops)
    truth = np.array([name.split("_")[1] for name in file_of_each(crops)])
    told = np.r_[0:4, 11:15]
    assert sorted(truth[told]) == ["c1"] * 4 + ["c2"] * 4
    ids = project.subtomograms.ids
    project.labels.add(dict(zip(ids[told], truth[told], strict=True)), annotator="truth")
    project.train()
    predictions = project.predict()
    called = np.array(predictions.classes)[predictions.teacher.argmax(axis=1)]
    assert np.delete(called == truth, told).mean() > 0.9
