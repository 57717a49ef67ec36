"""``cryoal benchmark`` as scripts rely on it: the tables, and going on after a kill."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import cryoal, cut_after

from cryoal.simulate.write import SimulationResult

PROMISED = (
    "acquisition seed round labels accuracy balanced_accuracy macro_f1 seconds spearman auroc"
)


def arguments(project: Path, truth: Path, out: Path) -> list[object]:
    return [
        "benchmark", project, "--truth", truth, "--acquisitions", "default,discrepancy",
        "--start", 8, "--step", 4, "--rounds", 2, "--seeds", 1,
        "--max-steps", 5, "--oracle-error", 0.1, "-j", 1, "-o", out,
    ]  # fmt: skip


def table(path: Path) -> pd.DataFrame:
    """Everything but what no two runs share: the seconds."""
    return pd.read_csv(path, sep="\t", dtype=str).drop(columns="seconds", errors="ignore")


@pytest.mark.slow
def test_a_killed_benchmark_goes_on_to_the_very_same_tables(
    extracted: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    outcome = cryoal(*arguments(extracted, simulated.truth, whole))
    assert outcome.code == 0, outcome.stderr
    chain = "chains/discrepancy-project-0.tsv"
    cut_after(killed, chain, *arguments(extracted, simulated.truth, killed))
    assert (killed / chain).is_file()
    assert not (killed / "results.tsv").exists()
    outcome = cryoal(*arguments(extracted, simulated.truth, killed))
    assert outcome.code == 0, outcome.stderr
    for name in ("results.tsv", "full.tsv", "scores.tsv"):
        pd.testing.assert_frame_equal(table(killed / name), table(whole / name))
    first, second = (table(folder / "summary.tsv") for folder in (whole, killed))
    pd.testing.assert_frame_equal(first, second)
    columns = pd.read_csv(whole / "results.tsv", sep="\t").columns
    assert list(columns[:10]) == PROMISED.split()
    assert "Labels saved" in (whole / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--recipes", "scrach", "There are: project, pretrained, scratch"),
        ("--acquisitions", "margn", "did you mean 'margin'"),
        ("--acquisitions", ",", "no acquisition is left"),
        ("--start", "7000", "--start 7000"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_written(
    extracted: Path, simulated: SimulationResult, tmp_path: Path, option: str, value: str, says: str
) -> None:
    given = [
        "benchmark", extracted, "--truth", simulated.truth, "--no-full", option, value,
        "-o", tmp_path / "out",
    ]  # fmt: skip
    outcome = cryoal(*given)
    assert outcome.code == 2
    assert says in outcome.stderr
    assert not (tmp_path / "out").exists()
