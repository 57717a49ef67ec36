"""A project that can only be read shows what it has, and exports to elsewhere."""

import json
from pathlib import Path

import pytest
from conftest import cryoal
from mounts import read_only

from cryoal.project.project import Project


@pytest.fixture
def labelled(project: Path) -> Path:
    """A project with a trained round, predictions and a queue."""
    opened = Project.open(project)
    names = opened.subtomograms.ids[:12]
    opened.labels.add({str(n): f"class{i % 2}" for i, n in enumerate(names)}, "kim")
    opened.select(6)
    return project


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_queue_that_is_current_is_shown(labelled: Path) -> None:
    asked = Project.open(labelled).queue
    assert asked is not None
    before = contents(labelled)
    with read_only(labelled):
        done = cryoal("select", labelled, "-n", 6, "--json")
        assert done.code == 0, done.stderr
        assert json.loads(done.stdout)["ids"] == asked.ids
        assert Project.open(labelled).select(6).ids == asked.ids
        for verb in ("train", "predict"):
            done = cryoal(verb, labelled)
            assert done.code == 0, done.stderr
    assert contents(labelled) == before


def test_a_first_queue_without_labels_is_shown(project: Path) -> None:
    asked = Project.open(project).select(5)
    (project / "subtomograms" / "descriptions.safetensors").unlink()
    (project / ".lock").unlink()
    with read_only(project):
        assert Project.open(project).select(5).ids == asked.ids


def test_it_is_exported_elsewhere_and_the_log_is_said_to_stay(
    labelled: Path, tmp_path: Path
) -> None:
    with read_only(labelled):
        done = cryoal("export", labelled, "-o", tmp_path / "out" / "particles.star")
        sheet = cryoal("sheet", labelled, "-o", tmp_path / "sheet.html")
    assert done.code == 0, done.stderr
    assert "log.jsonl: can only be read" in done.stderr
    assert (tmp_path / "out" / "particles.star").exists()
    assert sheet.code == 0, sheet.stderr


def test_its_state_and_its_report_are_shown(labelled: Path, tmp_path: Path) -> None:
    with read_only(labelled):
        status = cryoal("status", labelled, "--json")
        report = cryoal("report", labelled, "-o", tmp_path / "report.html")
        refused = cryoal("report", labelled)
    assert status.code == 0, status.stderr
    assert json.loads(status.stdout)["labels"] == 12
    assert report.code == 0, report.stderr
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert refused.code == 2
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", ["export", "select", "extract", "label"])
def test_what_has_to_be_written_there_is_refused_in_one_line(
    labelled: Path, tmp_path: Path, verb: str
) -> None:
    said = tmp_path / "said.tsv"
    said.write_text(f"id\tlabel\n{Project.open(labelled).subtomograms.ids[20]}\tclass1\n")
    arguments = {
        "export": [],
        "select": ["-n", 20],
        "extract": ["--contrast", "bright", "-j", 1],
        "label": ["--from", said, "--annotator", "ben"],
    }
    before = contents(labelled)
    with read_only(labelled):
        done = cryoal(verb, labelled, *arguments[verb])
    assert done.code == 1, done.stderr
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.startswith("cryoal: ")
    assert "read-only" in last.lower()
    assert contents(labelled) == before
