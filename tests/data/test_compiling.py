"""Compiled code, on machines that are not as a developer's."""

import os
import subprocess
import sys
from pathlib import Path

import cryoal.data

CUT = """
import sys
sys.path.insert(0, {where!r})
from cryoal.data.kernels import mirrored
print(mirrored(5, 4), mirrored.stats.cache_path if hasattr(mirrored.stats, "cache_path") else "")
"""


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    return done.stdout.strip()


def test_machine_code_is_kept_for_the_next_process(tmp_path: Path):
    code = CUT.format(where=str(Path(cryoal.data.__file__).parents[2]))
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)).startswith("2")
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*mirrored*.nbc")}
    assert len(kept) == 1
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)).startswith("2")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*mirrored*.nbc")} == kept


def test_without_a_folder_to_keep_it_in_every_process_compiles(tmp_path: Path):
    package = tmp_path / "cryoal" / "data"
    package.mkdir(parents=True)
    here = Path(cryoal.data.__file__).parent
    for name in ("compiling", "lanes", "resample", "kernels"):
        (package / f"{name}.py").write_bytes((here / f"{name}.py").read_bytes())
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "__pycache__").touch()  # a file in its place, so that not even root can write there
    code = CUT.format(where=str(tmp_path))
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "NUMBA_CACHE_DIR": ""}
    assert run(code, **nowhere) == "2 None"


def test_asking_for_help_imports_no_compiler():
    code = "import sys, runpy; sys.argv = ['cryoal', 'extract', '--help']\n"
    code += "try: runpy.run_module('cryoal', run_name='__main__')\n"
    code += "except SystemExit: pass\nprint('numba' in sys.modules)"
    assert run(code).splitlines()[-1] == "False"
