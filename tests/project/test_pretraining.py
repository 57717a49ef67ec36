"""A lab's own templates become weights that its rounds start from."""

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import cryoal

from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult


@pytest.mark.slow
def test_a_project_starts_from_weights_of_its_own(
    project: Path, simulated: SimulationResult, testdata: Path
) -> None:
    templates = testdata / "templates" / "polnet_membrane_10A"
    outcome = cryoal("pretrain", project, "--templates", templates, "--scenes", 2, "--workers", 1)
    assert outcome.code == 0, outcome.stderr
    assert "of held-out simulated particles" in outcome.stderr
    written = Project.open(project).layout.pretrained
    assert written.exists()
    pd.read_csv(simulated.truth, sep="\t", dtype=str).head(12).to_csv(
        project.parent / "labels.tsv", sep="\t", index=False
    )
    settings = project / "cryoal.toml"
    settings.write_text(
        settings.read_text().replace("[train]\n", '[train]\nstart = "pretrained"\n')
    )
    assert cryoal("label", project, "--from", project.parent / "labels.tsv").code == 0
    assert cryoal("train", project).code == 0
    written.unlink()  # back to the shipped ones: a round of its own
    assert cryoal("train", project).code == 0
    rounds = Project.open(project).rounds
    assert [r.number for r in rounds] == [1, 2]
    for here in rounds:
        ways = [json.loads(line) for line in here.history.read_text().splitlines()]
        assert {line["head"] for line in ways if "head" in line} == {"pretrained", "invariants"}
    first, second = (here.settings.read_text() for here in rounds)
    assert "\nweights = " in first
    assert "\nweights = " not in second


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--templates", "nowhere"), "no such directory"),
        (("--templates", "nowhere", "--scenes", 1), "--scenes 1: at least 2"),
    ],
)
def test_what_cannot_be_pretrained_on_is_one_line(
    project: Path, arguments: tuple[object, ...], said: str
) -> None:
    outcome = cryoal("pretrain", project, *arguments)
    assert outcome.code == 2
    assert said in outcome.stderr
    assert not Project.open(project).layout.pretrained.exists()
