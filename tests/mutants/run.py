"""Put hand-made faults into a copy of the program, one at a time, and say which no test notices.

    python tests/mutants/run.py [NAME ...] [--all]

A fault is a patch in this folder, ``git diff -U1`` of it, below a first line that says what is
wrong and a line ``Tests:`` with the tests to run (``--all``: the whole fast suite instead). The
tests are run without a fault first: one that fails then would catch everything. Exit code 1 if a
fault survives, or no longer applies or runs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

#: What ``--all`` runs.
WHOLE = ("-m", "not slow", "-n", "2")

#: What pytest's exit codes say of a fault; any other is no verdict of a test.
VERDICTS = {0: "survived", 1: "caught"}


def main() -> int:
    """Try the faults that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true", help="run the whole fast suite each time")
    options = parser.parse_args()
    patches = sorted(HERE.glob("*.patch"))
    unknown = sorted(set(options.names) - {patch.stem for patch in patches})
    if unknown:
        parser.error(f"no fault is called {', '.join(unknown)}")
    patches = [p for p in patches if p.stem in options.names or not options.names]
    verdicts: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "cryoal"
        ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", "site", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=ignored)
        named = sorted({test for patch in patches for test in tests_of(patch)})
        sound = run(copy, WHOLE if options.all else named)
        if sound.returncode:
            print(sound.stdout, sound.stderr, "These tests fail without any fault.", sep="\n")
            return 1
        for patch in patches:
            found = verdict(patch, copy, whole=options.all)
            verdicts.setdefault(found, []).append(patch.stem)
            print(f"{found:16} {patch.stem}: {said(patch)}", flush=True)
    print(", ".join(f"{len(names)} {found}" for found, names in sorted(verdicts.items())))
    return 0 if set(verdicts) <= {"caught"} else 1


def said(patch: Path) -> str:
    """What is wrong in it."""
    return patch.read_text(encoding="utf-8").splitlines()[0]


def tests_of(patch: Path) -> list[str]:
    """The tests that should notice."""
    lines = patch.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("Tests: ")).split()[1:]


def applies(patch: Path, tree: Path, *, reverse: bool = False, check: bool = False) -> bool:
    """Apply a patch, or say whether it could be."""
    words = ["git", "apply", "--unidiff-zero", "--recount", "--whitespace=nowarn", "-p1"]
    words += ["--reverse"] * reverse + ["--check"] * check + [str(patch)]
    alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(words, cwd=tree, capture_output=True, env=alone, check=False)
    return done.returncode == 0


def run(tree: Path, tests: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run tests on a copy of the program, until one fails."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    alone = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=tree, capture_output=True, text=True, env=alone, check=False)


def verdict(patch: Path, tree: Path, *, whole: bool) -> str:
    """ "caught", "survived", "does not apply" or "does not run"."""
    if not applies(patch, tree):
        return "does not apply"
    try:
        done = run(tree, WHOLE if whole else tests_of(patch))
    finally:
        applies(patch, tree, reverse=True)
    return VERDICTS.get(done.returncode, "does not run")


if __name__ == "__main__":
    sys.exit(main())
