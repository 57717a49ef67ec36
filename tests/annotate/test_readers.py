"""What is dropped on napari opens, and what is labelled there can be saved."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal

from cryoal.annotate import samples
from cryoal.annotate.readers import PROJECT, read, read_project, read_queue, read_stack
from cryoal.annotate.writers import write_points
from cryoal.core.errors import CryoalError
from cryoal.io.mrc import write_volume
from cryoal.io.tsv import read_tsv
from cryoal.project.project import Project


def test_a_queue_is_one_picture_with_a_point_on_every_particle(asked):
    (picture, image, kind), (points, marks, kind_of_marks) = read_project(asked)
    project = Project(asked)
    assert (kind, kind_of_marks) == ("image", "points")
    assert marks["features"]["id"] == project.queue.ids
    assert len(points) == len(project.queue) == 30
    assert image["metadata"] == marks["metadata"] == {PROJECT: str(asked.resolve())}
    side = marks["size"]
    assert side * image["scale"][0] >= project.diameter
    for y, x in points:
        low_y, low_x = round(y - (side - 1) / 2), round(x - (side - 1) / 2)
        thumbnail = picture[low_y : low_y + side, low_x : low_x + side]
        assert thumbnail.shape == (side, side)
        assert (thumbnail.min(), thumbnail.max()) == (0, 1)
    assert not {"prediction", "control"} & set(marks["features"])


def test_labels_come_with_the_points_in_their_colours(queued):
    project = Project(queued)
    one, two, three = project.queue.ids[:3]
    project.labels.add({one: "a", two: "junk", three: "unsure"}, annotator="kim")
    _, (_, marks, _) = read_project(queued)
    assert marks["features"]["label"][:4] == ["a", "junk", "unsure", ""]
    assert len(set(marks["border_color"])) == 4


def test_an_older_queue_opens_as_it_was(queued):
    newer = queued / "rounds" / "001"
    newer.mkdir()
    text = (queued / "rounds" / "000" / "queries.star").read_text()
    (newer / "queries.star").write_text(text.rsplit("TS_", 1)[0])
    ids = read_queue(queued / "rounds" / "000" / "queries.star")[1][1]["features"]["id"]
    fewer = read_project(queued)[1][1]["features"]["id"]
    assert len(ids) == 30
    assert fewer == ids[:29]


def test_a_queue_without_its_project_says_what_is_missing(asked, tmp_path):
    alone = Path(shutil.copy(asked / "rounds" / "000" / "queries.star", tmp_path))
    reader = read(str(alone))
    assert reader is not None
    with pytest.raises(CryoalError, match="only a queue in its project"):
        reader(str(alone))


def test_a_project_without_a_queue_says_what_to_do(project):
    with pytest.raises(CryoalError, match="run cryoal select"):
        read_project(project)


def test_a_stack_of_an_extraction_opens_with_its_scale_and_ids(asked):
    project = Project(asked)
    data, attributes, kind = read_stack(asked / "subtomograms" / "TS_002.mrc")
    assert kind == "image"
    assert isinstance(data, np.memmap)
    ids = attributes["metadata"]["ids"]
    np.testing.assert_array_equal(np.asarray(data, np.float32), project.subtomograms[ids])
    assert attributes["scale"] == (1, 20, 20, 20)
    assert attributes["axis_labels"] == ("particle", "z", "y", "x")
    low, high = attributes["contrast_limits"]
    assert data.min() < low < high < data.max()


def test_a_stack_without_an_index_and_a_tomogram_open_as_well(tmp_path, simulated):
    boxes = np.random.default_rng(0).normal(size=(3, 8, 8, 8))
    write_volume(tmp_path / "boxes.mrcs", boxes, 12.0, volume_stack=True)
    data, attributes, _ = read_stack(tmp_path / "boxes.mrcs")
    assert data.shape == (3, 8, 8, 8)
    assert attributes["scale"] == (1, 12, 12, 12)
    volume, attributes, _ = read_stack(simulated.tomograms.parent / "tomograms" / "TS_001.mrc")
    assert volume.ndim == 3
    assert attributes["scale"] == (20, 20, 20)


def test_what_is_not_ours_is_left_to_others(tmp_path):
    (tmp_path / "a.txt").write_text("")
    for path in (tmp_path, tmp_path / "a.txt", tmp_path / "a.tif", [tmp_path, tmp_path]):
        assert read(str(path) if isinstance(path, Path) else path) is None


def test_a_stack_that_is_cut_short_is_named(asked, tmp_path):
    broken = tmp_path / "broken.mrc"
    broken.write_bytes((asked / "subtomograms" / "TS_002.mrc").read_bytes()[:5000])
    with pytest.raises(CryoalError, match=r"broken\.mrc.*bytes"):
        read_stack(broken)


@pytest.mark.parametrize("name", ["labels.tsv", "labels.star"])
def test_saved_labels_go_back_into_the_project(name, queued, tmp_path):
    _, (data, marks, _) = read_project(queued)
    ids = marks["features"]["id"]
    marks["features"]["label"][:3] = ["a", "b", "junk"]
    assert write_points(str(tmp_path / name), data, marks) == [str(tmp_path / name)]
    outcome = cryoal("label", queued, "--from", tmp_path / name, "--annotator", "kim")
    assert outcome.code == 0, outcome.stderr
    expected = dict(zip(ids, ["a", "b", "junk"], strict=False))
    assert Project(queued).labels.current() == expected


def test_points_in_a_tomogram_are_saved_as_positions(tmp_path):
    path = tmp_path / "picks.tsv"
    points = np.array([[1, 2, 3], [4.5, 5, 6]])
    write_points(str(path), points, {"scale": [10, 10, 10], "translate": [0, 0, 5]})
    assert read_tsv(path).astype(float).to_numpy().tolist() == [[35, 20, 10], [65, 50, 45]]


@pytest.mark.parametrize(
    ("name", "points", "features", "words"),
    [
        ("a.star", np.zeros((2, 3)), {}, "'id' and 'label'"),
        ("a.tsv", np.zeros((2, 4)), {}, "4 dimensions"),
        ("a.tsv", np.zeros((2, 2)), {"id": ["a", "b"], "label": ["", " "]}, "no particle"),
        ("no/file/a.tsv", np.zeros((2, 3)), {}, "cannot be written"),
    ],
)
def test_what_cannot_be_saved_says_why(name, points, features, words, tmp_path):
    (tmp_path / "no").write_text("a file")
    with pytest.raises(CryoalError, match=words):
        write_points(str(tmp_path / name), points, {"features": features})


@pytest.fixture
def small_demo(tmp_path, monkeypatch, asked):
    """The demo in a cache of its own, with a project at hand in place of a simulation."""
    monkeypatch.setenv(samples.VARIABLE, str(tmp_path / "cache"))

    def prepare(folder, seed, say):
        say("Simulating ...")
        shutil.copytree(asked, folder / "project")
        (folder / "project" / "rounds" / "000" / "queries.star").unlink()

    monkeypatch.setattr("cryoal.project.demo.prepare", prepare)
    return tmp_path / "cache"


def test_the_demo_is_made_once_and_made_again_after_an_interruption(small_demo):
    said = []
    project = samples.demo_project(said.append)
    assert len(said) == 2
    assert len(Project(project).queue) == samples.ASKED
    queue = project / "rounds" / "000" / "queries.star"
    made = queue.stat().st_mtime_ns
    assert samples.demo_project(said.append) == project
    assert len(said) == 2
    assert queue.stat().st_mtime_ns == made
    queue.unlink()
    (project / "cryoal.toml").unlink()
    samples.demo_project(said.append)
    assert len(said) == 4
    assert queue.exists()


@pytest.fixture
def viewer():
    """A real napari window under Xvfb; in CI a missing display fails."""
    napari = pytest.importorskip("napari", reason="no napari: pip install 'cryoal[napari]'")
    if not os.environ.get("DISPLAY"):
        if os.environ.get("CI") == "true":
            pytest.fail("no display: apt install xvfb")
        pytest.skip("no display, and no Xvfb to make one: apt install xvfb")
    opened = napari.Viewer(show=False)
    yield opened
    opened.close()


@pytest.mark.gui
def test_napari_opens_a_project_its_queue_and_a_stack(viewer, asked):
    for path in (asked, asked / "rounds" / "000" / "queries.star"):
        viewer.layers.clear()
        image, points = viewer.open(str(path), plugin="cryoal")
        assert image.rgb is False
        assert list(points.features["id"]) == Project(asked).queue.ids
        np.testing.assert_allclose(points.scale, image.scale)
    viewer.layers.clear()
    (stack,) = viewer.open(str(asked / "subtomograms" / "TS_001.mrc"), plugin="cryoal")
    assert stack.data.ndim == 4
    np.testing.assert_allclose(stack.scale, (1, 20, 20, 20))
    assert re.search("angstrom", str(stack.units[1]))
    assert viewer.dims.axis_labels[0] == "particle"


@pytest.mark.gui
def test_napari_saves_points_as_labels(viewer, asked, tmp_path):
    _, points = viewer.open(str(asked), plugin="cryoal")
    features = points.features.copy()
    features.loc[1, "label"] = "ribosome"
    points.features = features
    assert points.save(str(tmp_path / "labels.tsv"), plugin="cryoal")
    table = read_tsv(tmp_path / "labels.tsv")
    assert table.to_numpy().tolist() == [[Project(asked).queue.ids[1], "ribosome"]]


@pytest.mark.gui
def test_napari_opens_the_demo_from_its_samples(viewer, small_demo):
    image, points = viewer.open_sample("cryoal", "demo")
    assert len(points.data) == samples.ASKED
    assert image.metadata[PROJECT] == str(next(small_demo.glob("demo-*")) / "project")


@pytest.mark.gui
def test_napari_is_told_in_a_sentence_what_is_wrong(viewer, project):
    with pytest.raises(CryoalError, match="run cryoal select"):
        viewer.open(str(project), plugin="cryoal")
    assert len(viewer.layers) == 0


def test_readers_load_neither_qt_nor_napari():
    program = (
        "import sys, cryoal.annotate.readers, cryoal.annotate.writers, cryoal.annotate.samples;"
        "sys.exit(any(name in sys.modules for name in ('napari', 'qtpy', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
