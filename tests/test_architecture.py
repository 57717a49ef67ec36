import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cryoal
from cryoal.acquire.base import acquisitions
from cryoal.models.base import networks

PACKAGE = Path(cryoal.__file__).parent
HEAVY = ("torch", "pandas", "pydantic", "napari", "qtpy", "matplotlib")
#: Modules of a registry's package that hold no part but what parts are made of.
HELPERS = {
    "acquire": {"__init__", "base", "strata"},
    "models": {"__init__", "base", "carry", "drawing", "checkpoint", "layers", "pretrained"}
    | {"harmonics", "invariants", "places", "turning", "averages"},
}


def test_imports_go_down_the_layers():
    linter = Path(sys.executable).with_name("lint-imports")
    program = str(linter) if linter.exists() else shutil.which("lint-imports")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("import-linter is not installed: pip install -e '.[dev]'")
        pytest.skip("import-linter is not installed: pip install -e '.[dev]'")
    done = subprocess.run(
        [program, "--no-cache"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "statement",
    ["import cryoal.cli", "import sys; sys.argv = ['cryoal', '--help']; cryoal.cli.main()"],
    ids=["import", "help"],
)
def test_help_loads_nothing_heavy(statement):
    program = f"""
import sys, cryoal.cli
try:
    {statement}
except SystemExit as end:
    assert not end.code, end.code
loaded = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"loaded: {{loaded}}" if loaded else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("folder", "registry"),
    [("acquire", acquisitions), ("models", networks)],
    ids=["acquire", "models"],
)
def test_every_module_of_a_registry_registers_something(folder, registry):
    homes = set()
    for name in registry.names():
        part = registry.get(name)
        homes.add(part.__module__.rpartition(".")[2])
    modules = {path.stem for path in (PACKAGE / folder).glob("*.py")}
    assert modules - HELPERS[folder] - homes == set()


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
