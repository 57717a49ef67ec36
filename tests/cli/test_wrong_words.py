"""What is not there is said at once, with what was perhaps meant."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import cryoal

from cryoal.cli import COMMANDS


@pytest.mark.parametrize(
    ("typed", "meant"), [("selct", "select"), ("exprot", "export"), ("Status", "status")]
)
def test_a_misspelt_command_is_answered_with_a_guess(typed: str, meant: str) -> None:
    outcome = cryoal(typed, "project")
    assert outcome.code == 2
    assert f"did you mean '{meant}'?" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "typed", "meant"),
    [("select", "--aquisition", "--acquisition"), ("status", "--jsn", "--json")],
)
def test_a_misspelt_option_is_answered_with_a_guess(command: str, typed: str, meant: str) -> None:
    outcome = cryoal(command, "project", typed)
    assert outcome.code == 2
    assert meant in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_a_word_like_no_command_is_answered_with_the_list() -> None:
    outcome = cryoal("xyzzy")
    assert outcome.code == 2
    assert all(name in outcome.stderr for name in COMMANDS)


VERBS = {
    "status": [], "report": [], "select": [], "train": [], "predict": [], "export": [],
    "sheet": [], "annotate": [], "pretrain": ["--templates", "."],
    "label": ["--from", "labels.tsv"], "benchmark": ["--truth", "labels.tsv", "-o", "out"],
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_a_project_that_is_not_there_is_said_before_anything_large_is_loaded(
    verb: str, tmp_path: Path
) -> None:
    (tmp_path / "labels.tsv").write_text("id\tlabel\n")
    command = (
        "import sys\nfrom cryoal.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'pandas', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "    sys.stdout.write(' '.join(sorted(heavy)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, verb, "nosuch", *VERBS[verb]],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("cryoal: nosuch: not a cryoal project")
    assert done.stdout == ""
