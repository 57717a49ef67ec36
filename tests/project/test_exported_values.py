"""The values in an exported row are those of its particle."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import cryoal
from planted import plant

from cryoal.io.star import read_star
from cryoal.io.tsv import read_tsv
from cryoal.project.project import Project

CLASSES = ("groel", "junk", "ribosome")


@pytest.fixture
def mixed(project: Path) -> Path:
    """A teacher and a student that disagree, a queue, and words of people."""
    opened = Project.open(project)
    rng = np.random.default_rng(2)
    n = len(opened.subtomograms)
    old, teacher, student = rng.dirichlet((3, 1, 2), (3, n))
    plant(opened, old, CLASSES, number=1)
    plant(opened, teacher, CLASSES, student=student, number=2)
    opened.select(20, "margin")
    opened.labels.add({str(opened.subtomograms.ids[0]): "groel"}, "kim")
    opened.labels.add({str(opened.subtomograms.ids[1]): "unsure"}, "kim")
    return project


def table_of(project: Path, *options: object) -> pd.DataFrame:
    outcome = cryoal("export", project, "-o", project / "out.star", *options)
    assert outcome.code == 0, outcome.stderr
    return read_star(project / "out.star")["particles"].set_index("cryoalId")


def test_each_row_has_the_newest_teachers_class_and_how_sure_it_is(mixed: Path) -> None:
    found = table_of(mixed)
    made = Project.open(mixed).predictions
    assert made is not None
    named = str(made.ids[0])
    for name, p in zip(map(str, made.ids), made.teacher, strict=True):
        if name == named:
            continue
        assert found.loc[name, "cryoalLabel"] == CLASSES[p.argmax()]
        assert float(found.loc[name, "cryoalConfidence"]) == pytest.approx(p.max(), abs=1e-4)
    newest = np.random.default_rng(2).dirichlet((3, 1, 2), (3, len(made.ids)))[1]
    np.testing.assert_allclose(made.teacher, newest, rtol=1e-5)
    assert tuple(found.loc[named, ["cryoalLabel", "cryoalStatus"]]) == ("groel", "labelled")
    assert float(found.loc[named, "cryoalConfidence"]) == 1


def test_each_row_has_the_score_that_asked_about_it(mixed: Path) -> None:
    found = table_of(mixed)["cryoalUncertainty"].astype(float)
    queue = Project.open(mixed).queue
    assert queue is not None
    asked = {name: score for name, score in queue.scores.items() if np.isfinite(score)}
    assert len(asked) == 18
    assert found[list(asked)].tolist() == pytest.approx(list(asked.values()), rel=1e-4)
    assert found.drop(index=list(asked)).isna().all()


def test_the_legend_counts_the_rows_that_were_written_without_duplicates(mixed: Path) -> None:
    for options in ((), ("--min-distance", 400), ("--min-confidence", 0.7), ("--class", "groel")):
        found = table_of(mixed, *options)
        counted = found[found["cryoalStatus"].isin(["labelled", "predicted"])]
        legend = read_tsv(mixed / "out_classes.tsv").set_index("label")["particles"].astype(int)
        expected = counted["cryoalLabel"].value_counts()
        assert legend.to_dict() == {name: int(expected.get(name, 0)) for name in CLASSES}


def test_a_persons_word_is_certain_enough_for_every_limit(mixed: Path) -> None:
    found = table_of(mixed, "--min-confidence", 1)
    assert found["cryoalStatus"].tolist() == ["labelled"]


def test_who_is_just_certain_enough_stays(project: Path) -> None:
    n = len(Project.open(project).subtomograms)
    p = np.tile([0.5, 0.25, 0.25], (n, 1))
    p[: n // 2] = [0.25, 0.25, 0.5]
    p[0] = [0.375, 0.375, 0.25]
    plant(project, p, CLASSES)
    found = table_of(project, "--min-distance", 0, "--min-confidence", 0.5)
    assert len(found) == n - 1


def test_of_two_that_are_one_the_surer_stays(project: Path) -> None:
    opened = Project.open(project)
    n = len(opened.subtomograms)
    sure = np.random.default_rng(4).permutation(np.linspace(0.4, 0.9, n))
    plant(opened, np.stack([sure, (1 - sure) / 2, (1 - sure) / 2], axis=1), CLASSES)
    reach = 400.0
    found = table_of(project, "--min-distance", reach)
    particles = opened.particles
    for name in found.index[found["cryoalStatus"] == "duplicate"]:
        row = int(particles.rows([name])[0])
        away = np.linalg.norm(particles.position - particles.position[row], axis=1)
        near = particles.id[(away < reach) & (particles.tomogram == particles.tomogram[row])]
        kept = found.loc[[str(i) for i in near if str(i) != name]]
        kept = kept[kept["cryoalStatus"] == "predicted"]
        assert (kept["cryoalConfidence"].astype(float) >= float(
            found.loc[name, "cryoalConfidence"])).any()  # fmt: skip
