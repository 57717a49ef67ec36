"""The hand-made faults of ``tests/mutants`` still fit the program; ``run.py`` there tries them."""

import shutil
from pathlib import Path

import pytest
from mutants import run

PATCHES = sorted(run.HERE.glob("*.patch"))


@pytest.mark.skipif(shutil.which("git") is None, reason="patches are applied by git")
@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_fault_can_be_put_in_and_names_the_tests_that_should_notice(patch: Path) -> None:
    assert run.said(patch).endswith(".")
    tests = run.tests_of(patch)
    assert tests
    assert all((run.ROOT / test).exists() for test in tests)
    assert run.applies(patch, run.ROOT, check=True), "put it in anew, and write git diff -U1 of it"
