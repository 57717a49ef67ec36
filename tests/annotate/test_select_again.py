"""Training beside labelling: what comes back, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

from cryoal.annotate.select_again import select_again
from cryoal.annotate.session import AnnotationSession
from cryoal.project.project import Project


def silent(done: int, total: int) -> None:
    assert done <= total


def batch(folder: Path, size: int) -> None:
    settings = folder / "cryoal.toml"
    settings.write_text(settings.read_text().replace("[select]\n", f"[select]\nbatch = {size}\n"))


def test_a_project_without_a_queue_gets_one(project: Path) -> None:
    batch(project, 7)
    assert select_again(project, silent) == {"asked": 7, "new": 7}
    assert select_again(project, silent) == {"asked": 7, "new": 0}


def test_a_queue_in_which_all_is_answered_grows_although_nothing_can_be_learnt(
    project: Path,
) -> None:
    batch(project, 7)
    select_again(project, silent)
    session = AnnotationSession(project, "anna")
    while session.current is not None:
        session.unsure()
    assert select_again(project, silent) == {"asked": 14, "new": 7}
    session.refresh()
    assert session.remaining == 7


def test_labels_of_one_class_change_nothing_until_the_queue_is_answered(project: Path) -> None:
    batch(project, 7)
    select_again(project, silent)
    session = AnnotationSession(project, "anna", repeat_every=0)
    session.answer("junk")
    assert select_again(project, silent) == {"asked": 7, "new": 0}
    while session.current is not None:
        session.answer("junk")
    assert select_again(project, silent) == {"asked": 14, "new": 7}


def test_the_process_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cryoal.annotate.select_again", str(tmp_path)],
        stdin=subprocess.PIPE,  # stays open: the process ends with whoever started it
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    process.communicate(timeout=100)
    assert "not a cryoal project" in json.loads(said)["problem"]


def test_the_process_ends_with_whoever_started_it(queued: Path) -> None:
    Project(queued).labels.add(
        dict(zip(AnnotationSession(queued).ids, "ab" * 9, strict=False)), "x"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "cryoal.annotate.select_again", str(queued)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 1
