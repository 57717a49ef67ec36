"""A full disk is one line that says what to do, exit code 1, and no half file."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DIAMETER

from cryoal.cli.common import machine_failure
from cryoal.simulate.write import SimulationResult


def with_files_of_at_most(size: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command whose files may not grow beyond so many bytes: to it the disk is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [sys.executable, "-m", "cryoal", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )


def in_one_line_that_says_what_to_do(done: subprocess.CompletedProcess[str], file: str) -> bool:
    last = done.stderr.rstrip().splitlines()[-1]
    return (
        done.returncode == 1
        and "Traceback" not in done.stderr
        and last.startswith("cryoal: ")
        and file in last
        and "large" in last
    )


def test_a_disk_that_is_full_while_boxes_are_cut(
    simulated: SimulationResult, tmp_path: Path
) -> None:
    project = tmp_path / "p"
    command = [
        "extract", project, "--tomograms", simulated.tomograms, "--particles",
        simulated.particles, "--diameter", DIAMETER, "--contrast", "dark", "-j", 1,
    ]  # fmt: skip
    done = with_files_of_at_most(100_000, *command)
    assert in_one_line_that_says_what_to_do(done, "subtomograms/TS_001.mrc"), done.stderr
    assert list((project / "subtomograms").glob("*.mrc")) == []
    again = with_files_of_at_most(100_000_000, *command)
    assert again.returncode == 0, again.stderr


def test_a_disk_that_is_full_while_labels_are_added(project: Path, tmp_path: Path) -> None:
    from cryoal.project.project import Project

    ids = Project.open(project).particles.id
    labels = tmp_path / "labels.tsv"
    labels.write_text("id\tlabel\n" + "".join(f"{i}\tribosome\n" for i in ids[:20]))
    done = with_files_of_at_most(200, "label", project, "--from", labels, "--annotator", "kim")
    assert in_one_line_that_says_what_to_do(done, "kim.tsv"), done.stderr


def test_a_disk_that_is_full_while_networks_are_trained(project: Path, tmp_path: Path) -> None:
    from cryoal.project.project import Project

    opened = Project.open(project)
    ids = opened.particles.id
    opened.labels.add({i: f"class{n % 2}" for n, i in enumerate(ids[:20])}, "kim")
    done = with_files_of_at_most(60_000, "train", project)
    assert in_one_line_that_says_what_to_do(done, ".safetensors: cannot be written"), done.stderr
    assert not list((project / "rounds" / "001").glob("*.part"))


@pytest.mark.parametrize("bug", [FileNotFoundError(2, "none"), ValueError("x"), KeyError("y")])
def test_a_bug_is_no_failure_of_the_machine(bug: Exception) -> None:
    assert machine_failure(bug) is None
