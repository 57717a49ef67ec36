"""A damaged file of a project is refused in one line that says what to do, or read."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal
from faults.damage import trial

from cryoal.core.errors import CryoalError
from cryoal.data.store import Index, SubtomogramStore
from cryoal.io.predictions import read_predictions, write_predictions
from cryoal.project.inputs import read_particles, read_tomograms
from cryoal.project.layout import Layout
from cryoal.project.project import Project

#: Making the finished project takes half a minute.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", range(4))
def test_no_damage_is_more_than_a_line_and_no_label_is_lost(
    part: int, finished: Path, tmp_path: Path
) -> None:
    for number in range(6):
        rng = np.random.default_rng([part, number])
        for one in trial(finished, tmp_path / "trial", rng):
            assert not one.fault, f"trial {part}.{number}: {one.file}: {one.command}\n{one.fault}"


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "project"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    changed = re.sub(old, new, text, count=1, flags=re.MULTILINE)
    assert changed != text
    path.write_text(changed)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("subtomograms/index.star", r"000003@", "000002@", "stands 2 times"),
        ("subtomograms/index.star", r"000003@", "-3@", "000001@FOLDER/STACK.mrc is expected"),
        ("subtomograms/index.star", r"000003@", "000000@", "are not those from 1 to"),
        ("subtomograms/index.star", r"000003@", "999999@", "are not those from 1 to"),
        ("subtomograms/index.star", r"@subtomograms/", "@../", "is expected"),
        ("subtomograms/index.star", r"^_cryoalBox +\d+", "_cryoalBox -4", "from 2 to 1024"),
        ("subtomograms/index.star", r"^_cryoalBox +\d+", "_cryoalBox 18.5", "whole number"),
        ("subtomograms/index.star", r"^_cryoalVoxelSize.*", "_cryoalVoxelSize nan", "a number"),
        ("subtomograms/index.star", r"TS_001/1\b", "TS_001/2", "stands 2 times"),
        ("subtomograms/index.star", r"^data_left_out", "data_left", "no block data_left_out"),
        ("particles.star", r"TS_001/1\tTS_001\t", "TS_001/2\tTS_001\t", "stands 2 times"),
        ("particles.star", r"^_cryoalX ", "_cryoalXX ", "no column cryoalX"),
        ("particles.star", r"^_cryoalDialect.*", "_cryoalDialect other", "which is none"),
        ("tomograms.star", r"^_cryoalSizeX ", "_sizeX ", "no column cryoalSizeX"),
        ("rounds/002/queries.star", r"^(TS_\S+\t\S+\t\S+\t)\S+", r"\g<1>7", "from 0 to 1"),
        ("rounds/002/queries.star", r"^_cryoalSeed +\S+", "_cryoalSeed -1", "cryoalSeed is '-1'"),
        ("rounds/002/labels.tsv", r"^(TS_\S+)\t\S+\n", r"\g<0>\g<0>", "stands 2 times"),
        ("rounds/002/settings.toml", r"^seed = 0", "seed =", "not the settings of a round"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_what_to_do(
    project: Path, file: str, old: str, new: str, said: str
) -> None:
    change(project / file, old, new)
    command = {"tomograms.star": "export", "rounds/002/settings.toml": "select"}
    outcome = cryoal(command.get(file, "status"), project)
    (line,) = outcome.stderr.strip().splitlines()[-1:]
    assert outcome.code == 2, outcome.stderr
    assert file in line
    assert said in line
    assert "; delete it" in line or "; move it away" in line


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "1_0", "x"])
def test_a_number_that_is_none_is_never_a_place(project: Path, value: str) -> None:
    for file, read in (
        ("particles.star", read_particles),
        ("tomograms.star", read_tomograms),
    ):
        text = (project / file).read_text()
        columns = re.findall(r"^_(\S+) #", text.split("cryoalId")[0] if "x" in file else text, re.M)
        at = columns.index("cryoalX" if file == "particles.star" else "cryoalVoxelSize")
        lines = text.split("\n")
        row = next(n for n in reversed(range(len(lines))) if lines[n].count("\t") > 3)
        cells = lines[row].split("\t")
        cells[at - len(columns)] = value
        lines[row] = "\t".join(cells)
        (project / file).write_text("\n".join(lines))
        with pytest.raises(CryoalError, match=re.escape(repr(value))):
            read(project / file)


@pytest.mark.parametrize("name", ["²", "٣", "-1", "1e3", "07", "0000007", "9" * 30, "temp"])
def test_a_folder_that_is_no_round_is_none(project: Path, name: str) -> None:
    before = [found.number for found in Layout(project).existing_rounds()]
    (project / "rounds" / name).mkdir()
    assert [found.number for found in Layout(project).existing_rounds()] == before
    assert cryoal("status", project).code == 0


def test_a_file_in_the_place_of_a_round_is_refused_and_kept(project: Path) -> None:
    file = project / "rounds" / "003"
    file.write_text("mine")
    outcome = cryoal("select", project)
    assert outcome.code == 2
    assert f"{file}: is a file" in outcome.stderr
    assert file.read_text() == "mine"


def test_predictions_that_are_none_are_not_exported(project: Path) -> None:
    path = Layout(project).round(2).predictions
    whole, inputs = read_predictions(path)
    for wrong in (np.nan, -0.5, 3.0):
        p = whole.teacher.copy()
        p[3, 0] = wrong
        changed = {**whole.probabilities, "teacher": p}
        write_predictions(path, type(whole)(whole.ids, whole.classes, changed), inputs)
        outcome = cryoal("export", project)
        assert outcome.code == 2
        assert "probabilities of teacher" in outcome.stderr
        assert "delete it and run cryoal predict" in outcome.stderr


def test_boxes_that_are_no_numbers_are_not_learnt_from(project: Path) -> None:
    store = SubtomogramStore(project / "subtomograms")
    stack = project / "subtomograms" / "TS_002.mrc"
    raw = bytearray(stack.read_bytes())
    box = np.full(store.geometry.box**3, np.nan, "<f4").tobytes()
    raw[-len(box) :] = box
    stack.write_bytes(raw)
    (project / "subtomograms" / "descriptions.safetensors").unlink()
    Layout(project).round(2).predictions.unlink()
    outcome = cryoal("predict", project)
    assert outcome.code == 2
    assert f"{stack}: holds boxes with values that are not finite" in outcome.stderr


def test_what_was_refused_is_made_again_as_the_line_says(project: Path) -> None:
    before = Index.read(project / "subtomograms")
    (project / "subtomograms" / "index.star").write_text("data_particles\n")
    outcome = cryoal("status", project)
    assert "delete it and run cryoal extract again" in outcome.stderr
    (project / "subtomograms" / "index.star").unlink()
    assert cryoal("extract", project, "-j", 1).code == 0
    after = Index.read(project / "subtomograms")
    assert before is not None
    assert after is not None
    assert after.boxes.equals(before.boxes)
    assert Project.open(project).labels.current()
