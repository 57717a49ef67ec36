"""What every test may use."""

import contextlib
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Workers side by side, each with a thread for every core, take one and a half times as long. Said
# before torch and numpy are loaded, and to the processes that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from cryoal.cli import main
from cryoal.simulate.write import SimulationResult
from cryoal.simulate.write import simulate as write_simulation


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Third-party files, outside the project: see MANIFEST.tsv there."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CRYOAL_TESTDATA", beside))
    if not (folder / "MANIFEST.tsv").exists():
        pytest.skip(f"no third-party files at {folder}; set CRYOAL_TESTDATA to their folder")
    return folder


@dataclass(frozen=True)
class Outcome:
    """What a command left on its streams, and its exit code."""

    code: int
    stdout: str
    stderr: str


def cryoal(*arguments: object) -> Outcome:
    """Run the command line in this process: the same entry point, without starting Python."""
    stdout, stderr = io.StringIO(), io.StringIO()
    log = logging.getLogger("cryoal")
    before = (log.handlers[:], log.propagate, log.level, sys.argv)
    sys.argv = ["cryoal", *map(str, arguments)]
    code = None
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        log.handlers[:], log.propagate, sys.argv = before[0], before[1], before[3]
        log.setLevel(before[2])
    return Outcome(int(code or 0), stdout.getvalue(), stderr.getvalue())


def cryoal_process(
    *arguments: object, environment: Mapping[str, str] | None = None, **options: object
) -> subprocess.Popen[str]:
    """Start the command line as a process of its own, with one thread."""
    return subprocess.Popen(
        [sys.executable, "-m", "cryoal", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        **options,  # type: ignore[call-overload]
    )


#: Python tells a program of the files that it opens, makes and renames (its "audit events"):
#: imported by the command and its workers as they start, this lets a power cut come between two
#: of them, at the same place on every machine.
POWER_CUT = """
import os, pathlib, signal, sys
def cut(event, arguments):
    if event in ("open", "os.mkdir", "os.rename"):
        if any(pathlib.Path(os.environ["CUT_IN"]).glob(os.environ["CUT_AFTER"])):
            os.killpg(0, signal.SIGKILL)
sys.addaudithook(cut)
"""


def cut_after(folder: Path, pattern: str, *arguments: object) -> None:
    """Run a command until its next step with a file after such a file is there: a power cut."""
    with tempfile.TemporaryDirectory() as start:
        (Path(start) / "sitecustomize.py").write_text(POWER_CUT)
        cut = {"PYTHONPATH": start, "CUT_IN": str(folder), "CUT_AFTER": pattern}
        process = cryoal_process(*arguments, environment=cut, start_new_session=True)
        process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"


#: Voxels of 20 A keep boxes at 18 voxels, the smallest there are.
SMALL = {"tomograms": 3, "per_tomogram": 24, "classes": 3, "voxel_size": 20.0, "largest": 200.0}
DIAMETER = 190


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulationResult:
    """Three small tomograms of three complexes and some junk; read only."""
    folder = tmp_path_factory.mktemp("simulated")
    return write_simulation(folder / "data", junk=0.1, snr=0.5, seed=0, **SMALL)


@pytest.fixture(scope="session")
def extracted(simulated: SimulationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of them, with short trainings, made by command line; read only."""
    folder = tmp_path_factory.mktemp("extracted") / "project"
    outcome = cryoal(
        "extract", folder, "--tomograms", simulated.tomograms, "--particles", simulated.particles,
        "--diameter", DIAMETER, "--contrast", "dark", "-j", 1,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    settings = folder / "cryoal.toml"
    short = "[train]\nmax_steps = 20\nstudent_steps = 5\n"
    settings.write_text(settings.read_text().replace("[train]\n", short))
    return folder


@pytest.fixture
def project(extracted: Path, tmp_path: Path) -> Path:
    """A copy of the extracted project, to do with as one likes."""
    return Path(shutil.copytree(extracted, tmp_path / "project"))
