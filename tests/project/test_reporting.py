"""The report's numbers, of a project whose counts are known."""

import json
from pathlib import Path

import pandas as pd
from conftest import cryoal

from cryoal.project.project import Project
from cryoal.project.selecting import Queue


def test_the_accuracy_is_that_on_random_controls_alone(project: Path) -> None:
    opened = Project.open(project)
    ids = [str(name) for name in opened.subtomograms.ids[:12]]
    control = [k < 4 for k in range(12)]
    table = pd.DataFrame(
        {
            "cryoalId": ids,
            "cryoalUncertainty": "0.5",
            "cryoalPrediction": "a",
            "cryoalConfidence": "0.9",
            "cryoalControl": ["1" if one else "0" for one in control],
        },
        dtype=str,
    )
    Queue(table, "margin", 0).write(opened.layout.round(1).queries)
    # Three of four controls are as predicted, and none of the eight that were chosen.
    said = {name: "a" if k < 3 else "b" for k, name in enumerate(ids)}
    opened.labels.add(said, "kim", round_number=1)
    controls = json.loads(cryoal("status", project, "--json").stdout)["controls"]
    assert (controls["answered"], controls["correct"]) == (4, 3)
    assert "Accuracy on random controls (4): 75%" in cryoal("status", project).stdout
    assert cryoal("report", project).code == 0
    page = (project / "report.html").read_text()
    assert "75%" in page
    assert "on 4 random controls" in page
