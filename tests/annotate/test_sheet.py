"""A sheet is one file that holds all it shows, and nothing in it can become markup."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cryoal.annotate.schedule import schedule
from cryoal.annotate.sheet import write_sheet
from cryoal.annotate.sheet_page import inert_json, render
from cryoal.annotate.sheet_pictures import _side_by_side, slab_pictures
from cryoal.core.errors import CryoalError
from cryoal.project.project import Project


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def decoded(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))


@pytest.fixture(scope="module")
def page(asked: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sheet") / "sheet.html"
    write_sheet(Project(asked), path, annotator="kim")
    return path.read_text(encoding="utf-8")


def test_the_page_names_no_other_file_and_no_server(page):
    assert not re.search(r"""https?:|["'(=]//""", page)
    assert not re.search(r"<(link|iframe|object|embed|base)\b|\bsrc=|@import|url\(", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy[1]


def test_every_particle_of_the_queue_is_asked_in_its_order(page, asked):
    project = Project(asked)
    data = data_of(page)
    assert [item["id"] for item in data["items"]] == project.queue.ids
    assert data["annotator"] == "kim"
    assert data["round"] == 0
    for item in data["items"]:
        row = project.particles.rows([item["id"]])[0]
        assert item["tomogram"] == project.particles.tomogram[row]
        where = [float(item[axis]) for axis in "zyx"]
        np.testing.assert_allclose(where, project.particles.position[row], atol=1e-3)


def test_repeats_are_those_of_the_window_and_cost_no_pictures(page, asked):
    data = data_of(page)
    queue = Project(asked).queue
    questions = [(queue.ids[row], bool(again)) for row, again in data["order"]]
    assert questions == [(item.id, item.repeat) for item in schedule(queue.ids, 0, "kim")]
    assert len(questions) == 31
    assert len(data["items"]) == 30


def test_the_pictures_are_the_slabs_and_the_surroundings(page, asked):
    project = Project(asked)
    item = data_of(page)["items"][3]
    geometry = project.subtomograms.geometry
    boxes = project.subtomograms[[item["id"]]]
    assert item["pictures"] == slab_pictures(boxes[0], None, geometry)
    box = geometry.box
    for slab in item["pictures"]:
        for source in slab:
            picture = decoded(source)
            assert picture.shape == (box, 3 * box)
            assert picture.std() > 20
    around = decoded(item["context"]["source"])
    assert -0.5 <= item["context"]["y"] <= around.shape[0] - 0.5
    assert -0.5 <= item["context"]["x"] <= around.shape[1] - 0.5


@pytest.mark.parametrize(("side", "drawn"), [(48, 48), (72, 72), (128, 72)])
def test_large_boxes_make_no_large_sheet(side, drawn):
    y, x = np.indices((side, side), dtype=np.float32)
    pictures = np.stack([x, y, x + y])
    shown = _side_by_side(pictures)
    assert shown.shape == (drawn, 3 * drawn)
    first = shown[:, :drawn].astype(int)
    assert (np.diff(first.mean(axis=0)) >= 0).all()
    assert shown.max() == 255


@given(st.recursive(st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part)))
def test_no_text_leaves_the_data(value):
    text = inert_json(value)
    assert not set("<>&") & set(text)
    assert text.isascii()
    assert json.loads(text) == value


def test_names_are_text_wherever_they_stand(page):
    data = {**data_of(page), "project": "</title><script>alert(1)</script>\"'&"}
    shown = render(data)
    assert "<script>alert" not in shown
    assert shown.count("<script") == 2
    assert shown.count("</script") == 2
    assert data_of(shown) == data


def test_the_denoised_volume_is_one_more_choice(asked, tmp_path):
    project = Project(asked)
    project.__dict__["tomograms"] = {
        name: replace(tomogram, load_display=tomogram.load) if name == "TS_002" else tomogram
        for name, tomogram in project.tomograms.items()
    }
    write_sheet(project, tmp_path / "sheet.html")
    data = data_of((tmp_path / "sheet.html").read_text())
    assert data["filters"] == ["40 Å low-pass", "none", "denoised"]
    for item in data["items"]:
        _, raw, *denoised = item["pictures"][1]
        assert len(denoised) == (item["tomogram"] == "TS_002")
        if denoised:  # here the tomogram itself
            seen, expected = decoded(denoised[0]).astype(float), decoded(raw).astype(float)
            assert np.corrcoef(seen.ravel(), expected.ravel())[0, 1] > 0.95


def test_a_tomogram_that_is_gone_is_left_out_and_said(queued):
    project = Project(queued)
    stars = queued / "tomograms.star"
    stars.write_text(re.sub(r"\S*/TS_001\.mrc", str(queued / "gone.mrc"), stars.read_text()))
    written = write_sheet(project, queued / "sheet.html")
    data = data_of(written.path.read_text())
    alone = [item["id"] for item in data["items"] if item["context"] is None]
    assert written.without_context == len(alone) > 0
    assert all(name.startswith("TS_001") for name in alone)
    assert all(item["pictures"] for item in data["items"])


def test_the_command_says_how_large_it_is_and_what_comes_next(asked, tmp_path):
    path = tmp_path / "sheet.html"
    outcome = cryoal("sheet", asked, "-o", path, "--no-context")
    assert outcome.code == 0, outcome.stderr
    megabytes = f"{path.stat().st_size / 1e6:.1f} MB"
    assert f"30 particles, {megabytes}" in outcome.stderr
    assert outcome.stderr.rstrip().endswith(f"cryoal label {asked} --from FILE")
    assert path.stat().st_size < 30 * 25_000 + 50_000


def test_particles_that_lost_their_box_are_counted(queued, tmp_path):
    path = queued / "rounds" / "000" / "queries.star"
    path.write_text(path.read_text().replace("TS_001/", "TS_009/", 1))
    outcome = cryoal("sheet", queued, "-o", tmp_path / "sheet.html", "--no-context")
    assert outcome.code == 0, outcome.stderr
    assert "29 particles, 1 more have no box any more" in outcome.stderr


def test_without_a_queue_there_is_nothing_to_ask(project, tmp_path):
    outcome = cryoal("sheet", project, "-o", tmp_path / "sheet.html")
    assert outcome.code == 2
    assert "run cryoal select" in outcome.stderr
    assert not (tmp_path / "sheet.html").exists()


def test_a_place_that_takes_no_file_is_named(asked, tmp_path):
    with pytest.raises(CryoalError, match="is a folder; name a file"):
        write_sheet(Project(asked), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CryoalError, match="the sheet cannot be written"):
        write_sheet(Project(asked), tmp_path / "file" / "sheet.html")
