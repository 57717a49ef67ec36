"""A project deletes and overwrites what it made, and nothing else."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DIAMETER, cryoal

from cryoal.io.mrc import write_volume
from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult


def extract(project: Path) -> None:
    assert cryoal("extract", project, "--workers", 1).code == 0


def test_extracting_again_keeps_files_of_the_user(project: Path) -> None:
    folder = project / "subtomograms"
    write_volume(folder / "mine.mrc", np.ones((4, 4, 4), np.float32), 10.0)
    (folder / ".half.part").write_text("mine")
    (folder / "beside-notes.npy").write_text("mine")
    extract(project)
    next(folder.glob("TS_*.mrc")).unlink()
    extract(project)
    for name in ("mine.mrc", ".half.part", "beside-notes.npy"):
        assert (folder / name).exists(), name


def test_extracting_again_keeps_files_in_a_linked_folder(project: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    shutil.move(project / "subtomograms", scratch)
    (project / "subtomograms").symlink_to(scratch)
    write_volume(scratch / "raw.mrc", np.ones((4, 4, 4), np.float32), 10.0)
    extract(project)
    assert (scratch / "raw.mrc").exists()
    assert (project / "subtomograms").is_symlink()


def test_a_stack_that_no_pick_refers_to_any_more_goes(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    stacks = sorted((project / "subtomograms").glob("*.mrc"))
    text = simulated.particles.read_text().splitlines(keepends=True)
    fewer = tmp_path / simulated.particles.name
    fewer.write_text("".join(line for line in text if not line.startswith(stacks[-1].stem)))
    (project / "subtomograms" / "mine.mrc").write_text("mine")
    done = cryoal("extract", project, "--particles", fewer, "--workers", 1)
    assert done.code == 0, done.stderr
    assert [s.exists() for s in stacks] == [True] * (len(stacks) - 1) + [False]
    assert (project / "subtomograms" / "mine.mrc").exists()


def test_a_raw_tomogram_where_a_stack_would_be_written_is_refused(
    project: Path, simulated: SimulationResult
) -> None:
    stack = project / "subtomograms" / "TS_001.mrc"
    raw = next(simulated.tomograms.parent.rglob("TS_001.mrc"))
    before = raw.read_bytes()
    stack.unlink()
    stack.symlink_to(raw)
    (project / "subtomograms" / "index.star").unlink()
    done = cryoal("extract", project, "--workers", 1)
    assert done.code == 2
    assert "in the way" in done.stderr
    assert raw.read_bytes() == before
    assert stack.is_symlink()


def test_a_stack_that_a_killed_extraction_left_unnamed_is_made_again(project: Path) -> None:
    stack = project / "subtomograms" / "TS_001.mrc"
    before = stack.read_bytes()
    (project / "subtomograms" / "index.star").unlink()
    extract_again = cryoal("extract", project, "--diameter", DIAMETER, "--workers", 1)
    assert extract_again.code == 0, extract_again.stderr
    assert stack.read_bytes() == before


@pytest.mark.parametrize("when", ["nothing to do", "a stack to make again"])
def test_a_select_at_work_keeps_what_it_is_writing(project: Path, when: str) -> None:
    from cryoal.io.files import replacing

    with replacing(project / "subtomograms" / "descriptions.safetensors", "wb") as file:
        file.write(b"half")
        if when != "nothing to do":
            (project / "subtomograms" / "TS_001.mrc").unlink()
        extract(project)
        file.write(b"whole")
    assert (project / "subtomograms" / "descriptions.safetensors").read_bytes() == b"halfwhole"


@pytest.mark.parametrize(
    "name", ["particles.star", "cryoal.toml", "labels/kim.tsv", "subtomograms/TS_001.mrc"]
)
@pytest.mark.parametrize("verb", ["export", "report", "sheet"])
def test_nothing_is_written_over_the_projects_own_files(
    project: Path, name: str, verb: str
) -> None:
    opened = Project.open(project)
    opened.labels.add({str(opened.subtomograms.ids[0]): "class1"}, "kim")
    opened.select(3)
    before = (project / name).read_bytes()
    done = cryoal(verb, project, "-o", project / name)
    assert done.code == 2
    assert "belongs to the project itself" in done.stderr
    assert (project / name).read_bytes() == before


def test_an_export_replaces_an_export_and_nothing_else(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    mine = shutil.copy(simulated.particles, tmp_path / "mine.star")
    raw = next(simulated.tomograms.parent.rglob("TS_001.mrc"))
    notes = tmp_path / "out_classes.tsv"
    notes.write_text("my notes\n")
    for target, words in ((mine, "no export wrote it"), (raw, "its own source")):
        before = target.read_bytes()
        done = cryoal("export", project, "-o", target)
        assert done.code == 2
        assert words in done.stderr
        assert target.read_bytes() == before
    done = cryoal("export", project, "-o", tmp_path / "out.star")
    assert "in the way" in done.stderr
    assert notes.read_text() == "my notes\n"
    notes.unlink()
    for _ in range(2):
        done = cryoal("export", project, "-o", tmp_path / "out.star")
        assert done.code == 0, done.stderr
    notes.unlink()  # killed between the two
    assert cryoal("export", project, "-o", tmp_path / "out.star").code == 0


def test_a_demo_is_made_in_a_new_folder_only(project: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = cryoal("demo", tmp_path)
    assert done.code == 2
    assert "neither empty nor a demo" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_benchmark_keeps_results_that_it_did_not_write(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.tsv").write_text("mine")
    done = cryoal(
        "benchmark", project, "--truth", simulated.truth, "--acquisitions", "random",
        "--start", 10, "--step", 5, "--rounds", 1, "--seeds", 1, "-o", tmp_path / "mine",
    )  # fmt: skip
    assert done.code == 2
    assert "no benchmark wrote it" in done.stderr
    assert (tmp_path / "mine" / "results.tsv").read_text() == "mine"
