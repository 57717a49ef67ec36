"""The page "Add your own" is true: each of its examples is one file that works."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal

from cryoal import Project
from cryoal.acquire.base import acquisitions
from cryoal.core.registry import _module
from cryoal.io.base import formats, recognised
from cryoal.io.content import Content
from cryoal.io.volumes import open_volume, volume_formats
from cryoal.models.base import networks
from cryoal.project.oracle import Truth
from cryoal.simulate.write import SimulationResult

PAGE = Path(__file__).resolve().parents[1] / "docs" / "guide" / "add-your-own.md"
EXAMPLES = {
    found[1]: found[0]
    for found in re.findall(r"```python\n(# cryoal/(\S+)\n.*?)```", PAGE.read_text(), re.DOTALL)
}


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """What the examples register is forgotten again."""
    all_ = (acquisitions, networks, formats, volume_formats)
    for registry in all_:
        registry.names()
    before = [dict(registry._parts) for registry in all_]
    yield
    for registry, parts in zip(all_, before, strict=True):
        registry._parts.clear()
        registry._parts.update(parts)


@pytest.fixture
def example(tmp_path: Path):
    """Write the example of this name to a file of its own."""

    def write(name: str) -> Path:
        path = tmp_path / Path(name).name
        path.write_text(EXAMPLES[name])
        return path

    return write


@pytest.fixture
def labelled(project: Path, simulated: SimulationResult) -> Path:
    """A project in which twelve particles are named."""
    opened = Project.open(project)
    names = [str(name) for name in opened.subtomograms.ids[::5][:12]]
    opened.labels.add(Truth.read(simulated.truth).ask(names), annotator="truth")
    return project


def test_the_page_has_an_example_of_each_part() -> None:
    assert set(EXAMPLES) == {
        "acquire/ratio.py", "models/tiny.py", "io/toy.py", "io/raw_volume.py",
    }  # fmt: skip


def test_an_acquisition_in_one_file_chooses_in_select_and_benchmark(
    example, labelled: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    name = f"{example('acquire/ratio.py')}:ratio"
    outcome = cryoal("select", labelled, "-n", 10, "--acquisition", name)
    assert outcome.code == 0, outcome.stderr
    opened = Project.open(labelled)
    queue, predictions = opened.queue, opened.predictions
    assert queue is not None
    assert predictions is not None
    chosen = [one for one in queue.ids if one not in queue.controls]
    top = np.sort(predictions.teacher[predictions.rows(chosen)], axis=1)
    for one, ratio in zip(chosen, top[:, -2] / top[:, -1], strict=True):
        assert queue.scores[one] == pytest.approx(ratio, rel=1e-4)
    outcome = cryoal(
        "benchmark", labelled, "--truth", simulated.truth, "--acquisitions", f"{name},random",
        "--start", 8, "--step", 4, "--rounds", 1, "--seeds", 1, "--no-full", "-j", 1,
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    assert name in (tmp_path / "out" / "results.tsv").read_text()


def test_an_acquisition_dropped_into_the_package_has_its_short_name(example) -> None:
    _module(str(example("acquire/ratio.py")))
    assert "ratio" in acquisitions.names()


def test_a_network_in_one_file_is_trained_by_name(example, labelled: Path) -> None:
    name = f"{example('models/tiny.py')}:Tiny"
    settings = labelled / "cryoal.toml"
    asked = f'[train]\nnetwork = "{name}"\nstudent = "{name}"\nstart = "scratch"\n'
    settings.write_text(settings.read_text().replace("[train]\n", asked))
    outcome = cryoal("select", labelled, "-n", 5)
    assert outcome.code == 2
    assert f"{settings}: names {name!r}" in outcome.stderr
    outcome = cryoal("select", labelled, "-n", 5, "--network", name)
    assert outcome.code == 0, outcome.stderr
    predictions = Project.open(labelled).predictions
    assert predictions is not None
    assert predictions.embedding is not None
    assert predictions.embedding.shape[1] == 32


def test_a_reader_in_one_file_is_recognised_by_content(example, tmp_path: Path) -> None:
    _module(str(example("io/toy.py")))
    picks = tmp_path / "picks.dat"
    picks.write_text("TOY\nTS_1 10 20 30 0.5\nTS_1 11 21 31 0.7\n")
    content = Content(picks)
    found = recognised(content)
    assert found.name == "toy"
    read = found.read(content, None)
    assert read.xyz.tolist() == [[10, 20, 30], [11, 21, 31]]
    assert read.score is not None
    assert read.score.tolist() == [0.5, 0.7]
    outcome = cryoal("inspect", picks, "--json")
    assert '"toy"' in outcome.stdout


def test_a_file_that_is_not_there_or_not_python_is_said_in_one_line(
    labelled: Path, tmp_path: Path
) -> None:
    outcome = cryoal("select", labelled, "--acquisition", f"{tmp_path / 'none.py'}:vote")
    assert outcome.code == 2
    assert "cannot be imported" in outcome.stderr
    odd = tmp_path / "odd.py"
    odd.write_text("def vote(:\n")
    outcome = cryoal("select", labelled, "--acquisition", f"{odd}:vote")
    assert outcome.code == 2
    assert "file.py:attribute" in outcome.stderr


def test_a_volume_in_a_format_of_ones_own_is_opened(example, tmp_path: Path) -> None:
    _module(str(example("io/raw_volume.py")))
    (tmp_path / "a.raw64").write_bytes(bytes(64**3))
    assert open_volume(tmp_path / "a.raw64").shape == (64, 64, 64)
