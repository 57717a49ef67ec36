"""A small project with everything in it that a project can hold."""

import shutil
from pathlib import Path

import pandas as pd
from conftest import cryoal

from cryoal.project.project import Project

#: Boxes of 18 voxels, the smallest there are.
SIMULATE = (
    "--tomograms",
    2,
    "--per-tomogram",
    14,
    "--classes",
    2,
    "--snr",
    0.5,
    "--voxel-size",
    28,
)
DIAMETER = 270


def ran(*arguments: object) -> None:
    """Run a command to its good end."""
    outcome = cryoal(*arguments)
    assert outcome.code == 0, outcome.stderr


def extract_command(project: Path, data: Path) -> list[object]:
    """How the project is made of what was simulated."""
    return ["extract", project, "--tomograms", data / "tomograms.star", "--particles",
            data / "particles.star", "--diameter", DIAMETER, "--contrast", "dark",
            "-j", 1]  # fmt: skip


def finished_project(folder: Path) -> Path:
    """Two annotators, weak labels, two rounds, an export; what it was made of lies beside it.

    Beside ``project``: ``data`` (the simulation), ``fresh`` (extracted, without labels), ``other``
    (the same with labels of lee) and ``answers.tsv`` (some labels).
    """
    data, fresh, project = folder / "data", folder / "fresh", folder / "project"
    ran("simulate", data, *SIMULATE, "--seed", 0)
    ran(*extract_command(fresh, data))
    shutil.copytree(fresh, project)
    truth = pd.read_csv(data / "truth.tsv", sep="\t", dtype=str)
    truth = truth[truth["id"].isin(Project.open(fresh).subtomograms.ids)]
    answers = folder / "answers.tsv"
    for who, rows in (("kim", slice(0, None, 3)), ("anna", slice(1, None, 4))):
        truth.iloc[rows].to_csv(answers, sep="\t", index=False)
        ran("label", project, "--from", answers, "--annotator", who)
    ran("label", project, "--from", answers, "--weak")
    ran("select", project, "-n", 4)
    truth.iloc[2::5].to_csv(answers, sep="\t", index=False)
    ran("label", project, "--from", answers, "--annotator", "kim")
    ran("select", project, "-n", 6)
    shutil.copytree(fresh, folder / "other")
    ran("label", folder / "other", "--from", answers, "--annotator", "lee")
    ran("export", project)
    ran("sheet", project, "-o", project / "sheet.html")
    (project / "rounds" / "002" / "training.safetensors").write_bytes(
        (project / "rounds" / "002" / "teacher.safetensors").read_bytes()
    )
    truth.iloc[::2].to_csv(answers, sep="\t", index=False)
    return project
