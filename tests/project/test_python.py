"""The Python interface: a plain script works, and says what it needs where it does not."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cryoal
from cryoal import CryoalError, Project
from cryoal.simulate.write import SimulationResult

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "script.py"


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def test_the_example_runs_as_a_plain_script(simulated: SimulationResult, tmp_path: Path) -> None:
    done = run(EXAMPLE, simulated.tomograms.parent, tmp_path / "project")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "project" / "sheet.html").exists()
    assert (tmp_path / "project" / "report.html").exists()
    assert len(Project.open(tmp_path / "project").subtomograms) > 50


def test_several_processes_need_a_guard_and_the_script_is_told_so_in_one_line(
    simulated: SimulationResult, tmp_path: Path
) -> None:
    body = (
        f"Project.extract({str(tmp_path / 'out')!r}, {str(simulated.tomograms)!r}, "
        f"{str(simulated.particles)!r}, diameter=190, workers=2)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(f"from cryoal import Project\n{body}")
    done = run(script)
    assert done.returncode == 1
    assert "multiprocessing" not in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
    guard = 'if __name__ == "__main__":'
    script.write_text(f"from cryoal import Project\n{guard}\n    print(1)\n{body}")
    done = run(script)
    assert done.returncode == 1
    assert "multiprocessing" not in done.stderr, "also where the guard is, and the call outside"
    assert guard in done.stderr.splitlines()[-1]
    script.write_text(f"from cryoal import Project\n{guard}\n    {body}")
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "cryoal.toml").exists()


def test_extract_names_and_types_its_options() -> None:
    parameters = inspect.signature(Project.extract).parameters
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    assert {"diameter", "box", "unit", "tilt_range", "display_tomograms", "workers"} <= set(
        parameters
    )


def test_a_dry_run_of_a_new_project_writes_nothing(
    simulated: SimulationResult, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    Project.extract(out, simulated.tomograms, simulated.particles, diameter=190, dry_run=True)
    assert not out.exists()


def test_public_names_are_listed() -> None:
    assert {"Project", "CryoalError", "ParticleSet", "Tomogram"} <= set(dir(cryoal))


def test_a_model_may_be_named_by_a_string(project: Path, tmp_path: Path) -> None:
    with pytest.raises(CryoalError, match="not a cryoal project"):
        Project.open(project).predict(str(tmp_path / "none"))


def test_status_is_what_the_command_prints(project: Path) -> None:
    opened = Project.open(project)
    assert opened.status()["extracted"] == len(opened.subtomograms)
