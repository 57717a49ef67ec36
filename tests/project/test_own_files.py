"""A project deletes and overwrites what it made, and nothing else."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DIAMETER, cryoal

from cryoal.io.mrc import write_volume
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
