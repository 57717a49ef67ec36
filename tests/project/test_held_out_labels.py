"""What held-out labels say of a classifier is not called its accuracy."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import cryoal

from cryoal.learn.discriminant import Settled
from cryoal.project.project import Project
from cryoal.project.round import chosen_head
from cryoal.simulate.write import SimulationResult


def head(agreement: float) -> Settled:
    return Settled(np.zeros((2, 3)), np.zeros(2), agreement, 0.4, np.zeros((4, 2)))


def test_the_head_that_was_taken_is_named_with_what_its_number_is() -> None:
    said = chosen_head({"averages": head(0.92), "invariants": head(0.805)})
    assert said == (
        "Classifier: averages. Agreement with held-out labels: averages 92%, invariants 80% (they "
        "chose it and are no random sample: how right it is, random controls tell)"
    )
    assert chosen_head({"invariants": head(np.nan)}) == (
        "Classifier: invariants (too few labels to hold any out)"
    )


def test_a_round_claims_no_accuracy_for_labels_that_were_chosen(
    project: Path, simulated: SimulationResult
) -> None:
    settings = project / "cryoal.toml"
    settings.write_text(settings.read_text().replace("max_steps = 20\n", ""))
    truth = pd.read_csv(simulated.truth, sep="\t", dtype=str).head(36)
    opened = Project.open(project)
    opened.labels.add(dict(zip(truth["id"], truth["label"], strict=True)), "kim")
    outcome = cryoal("select", project, "-n", 5)
    assert outcome.code == 0, outcome.stderr
    assert "Agreement with held-out labels: " in outcome.stderr
    assert "accuracy" not in outcome.stderr.lower()
    lines = opened.rounds[-1].history.read_text().splitlines()
    heads = [line for line in map(json.loads, lines) if "head" in line]
    assert heads
    assert all({"held_out_agreement", "held_out_log_loss"} <= set(line) for line in heads)
    assert not any("accuracy" in line for line in heads)
