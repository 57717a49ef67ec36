"""Tomograms that moved: every verb that opens one says what mends it, and that mends it."""

import shutil
from pathlib import Path

import pytest
from conftest import DIAMETER, cryoal

from cryoal.core.errors import CryoalError
from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult


@pytest.fixture
def moved(simulated: SimulationResult, tmp_path: Path) -> tuple[Path, Path]:
    """A project whose tomograms were moved, and where they are now."""
    data = shutil.copytree(simulated.tomograms.parent, tmp_path / "data")
    project = tmp_path / "project"
    done = cryoal(
        "extract", project, "--tomograms", data / "tomograms.star", "--particles",
        data / "particles.star", "--diameter", DIAMETER, "--contrast", "dark", "-j", 1,
        "--tilt-range", -48, 51,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    now = tmp_path / "archive"
    shutil.move(data / "tomograms", now)
    return project, now


def advice(project: Path) -> str:
    return f"if it has moved, say where: cryoal extract {project} --tomograms NEW"


def test_opening_a_tomogram_says_how_to_mend_it(moved: tuple[Path, Path]) -> None:
    project, _ = moved
    with pytest.raises(CryoalError) as caught:
        Project.open(project).tomograms["TS_001"].load()
    assert advice(project) in str(caught.value)


def test_a_sheet_and_an_extraction_say_how_to_mend_it(moved: tuple[Path, Path]) -> None:
    project, _ = moved
    assert cryoal("select", project, "-n", 5).code == 0
    sheet = cryoal("sheet", project, "-o", project.parent / "sheet.html")
    again = cryoal("extract", project, "-j", 1)
    assert again.code == 2
    assert advice(project) in again.stderr
    assert sheet.code == 0
    assert "5 of them without their tomogram" in sheet.stderr
    assert sheet.stderr.count(advice(project)) == 1


@pytest.mark.parametrize("front", ["", "_isonet2-n2n_"])
def test_naming_the_new_place_mends_it_without_cutting_anew(
    moved: tuple[Path, Path], front: str
) -> None:
    project, now = moved
    for volume in list(now.glob("*.mrc")):
        volume.rename(volume.with_name(front + volume.name))
    stacks = {p: p.stat().st_mtime_ns for p in (project / "subtomograms").glob("*.mrc")}
    before = Project.open(project).tomograms
    done = cryoal("extract", project, "--tomograms", now / "*.mrc", "-j", 1)
    assert done.code == 0, done.stderr
    assert "Nothing to do" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in stacks} == stacks
    after = Project.open(project).tomograms
    assert list(after) == list(before)
    for name, tomogram in after.items():
        assert tomogram.load().shape == before[name].shape
        assert tomogram.tilt_range == (-48, 51)
        assert tomogram.columns == before[name].columns
    assert ("is taken for it" in done.stderr) == bool(front)


def test_volumes_that_could_be_of_one_tomogram_are_both_named(moved: tuple[Path, Path]) -> None:
    project, now = moved
    for front in ("a_", "b_"):
        shutil.copy(now / "TS_001.mrc", now / f"{front}TS_001.mrc")
    (now / "TS_001.mrc").unlink()
    done = cryoal("extract", project, "--tomograms", now / "*.mrc", "-j", 1)
    assert done.code == 2
    assert "'a_TS_001' or 'b_TS_001'" in done.stderr
