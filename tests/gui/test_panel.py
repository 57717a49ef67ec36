"""What the panel shows and does: pictures, classes, the queue, training, and what goes wrong."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from gui.driving import book, click_at, press, spin, wait, write_queue
from scipy.ndimage import gaussian_filter

from cryoal.io.mrc import open_volume
from cryoal.project import inputs
from cryoal.project.project import Project

pytestmark = pytest.mark.gui


def rendered(viewer: Any) -> np.ndarray:
    """The canvas as it is drawn, grey: (height, width)."""
    spin(0.05)
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].mean(-1)


def pane(panel: Any, picture: np.ndarray, name: str) -> np.ndarray:
    """What is drawn in one of the panes."""
    scene, viewer = panel.pictures.scene, panel.viewer
    y, x = scene._corner(name)
    middle = np.array(picture.shape) / 2
    low = (np.array([y, x]) - viewer.scene.camera.center[-2:]) * viewer.scene.camera.zoom + middle
    high = low + scene.side * viewer.scene.camera.zoom
    (y0, x0), (y1, x1) = low.astype(int) + 4, high.astype(int) - 4
    assert y0 >= 0
    assert x0 >= 0
    assert y1 <= picture.shape[0]
    assert x1 <= picture.shape[1]
    return picture[y0:y1, x0:x1]


def test_six_panes_are_drawn_and_change_with_the_particle(
    viewer: Any, canvas: Any, panel: Any
) -> None:
    wait(lambda: not panel.pictures.drawing)
    before = rendered(viewer)
    press(canvas, "N")

    def changed(name: str, picture: np.ndarray) -> bool:
        return bool((pane(panel, before, name) != pane(panel, picture, name)).mean() > 0.001)

    wait(lambda: changed("queue", rendered(viewer)))  # framed once the particle is on the screen
    after = rendered(viewer)
    for name in ("xy", "xz", "yz", "projection", "tomogram", "queue"):
        assert pane(panel, before, name).std() > 10, name
        assert changed(name, after), name
    corner = after[-60:, :200]
    assert corner.max() > 200  # the scale bar
    assert {str(layer.units[0]) for layer in viewer.layers} == {"nanometer"}


def test_the_panes_fill_the_window_whatever_its_size_until_one_zooms(
    viewer: Any, panel: Any
) -> None:
    window, camera = viewer.window._qt_window, viewer.scene.camera
    before, large = window.size(), camera.zoom
    try:
        window.resize(before.width() - 300, before.height() - 300)
        wait(lambda: camera.zoom < 0.9 * large)
        window.resize(before)
        wait(lambda: camera.zoom > 0.99 * large)
        camera.zoom = chosen = 0.5 * large
        window.resize(before.width() - 300, before.height() - 300)
        spin(0.1)
        assert camera.zoom == chosen
    finally:
        window.resize(before)
        panel.pictures.scene.fit()
        spin(0.05)


def test_the_pane_shows_the_particle_s_own_box(panel: Any) -> None:
    from cryoal.annotate.views import band_pass, orthogonal

    session = panel.session
    store = session.project.subtomograms
    box = band_pass(store[[session.current]][0], store.geometry.voxel_size, 40.0)
    radius = store.geometry.diameter / store.geometry.voxel_size / 2
    expected = orthogonal(box, radius)[0]
    shown = panel.pictures.scene.layers["xy"].data
    inside = (shown > 0) & (shown < 1)
    assert np.corrcoef(shown[inside], expected[inside])[0, 1] > 0.999


def test_how_to_look_changes_the_picture(viewer: Any, canvas: Any, panel: Any) -> None:
    look, xy = panel.form.look, lambda: panel.pictures.scene.layers["xy"].data.copy()
    start = xy()
    look.low_pass.setValue(120)
    smooth = xy()
    assert np.abs(np.diff(smooth)).mean() < 0.7 * np.abs(np.diff(start)).mean()
    look.low_pass.setValue(40)
    assert np.allclose(xy(), start)
    press(canvas, "T")
    assert not np.allclose(xy(), start)
    press(canvas, "T")
    look.contrast.setValue(20)
    assert (xy() == 0).mean() > (start == 0).mean() + 0.1
    look.contrast.setValue(1)
    look.surroundings.setValue(60)
    assert "60 nm" in str(list(panel.pictures.scene.layers["panes"].features["title"]))
    look.inverted.setChecked(True)
    assert panel.pictures.scene.layers["xy"].colormap.name == "gray_r"
    look.low_pass.setValue(0)
    look.high_pass.setValue(10)
    assert panel.form.status.text() != ""
    look.low_pass.setValue(200)
    assert "leave nothing" in panel.form.status.text()
    press(canvas, "J")
    assert "not on the screen" in panel.form.status.text()


def test_three_d_follows_napari_s_own_button(viewer: Any, panel: Any) -> None:
    viewer.dims.ndisplay = 3
    spin(0.05)
    assert panel.form.look.three_d.isChecked()
    assert rendered(viewer).std() > 5
    viewer.dims.ndisplay = 2
    spin()
    assert not panel.form.look.three_d.isChecked()
    assert len(viewer.layers) == 8


def test_a_click_on_the_queue_asks_that_particle_and_frames_tell_labels(
    viewer: Any, canvas: Any, panel: Any, queued: Path
) -> None:
    wait(lambda: not panel.pictures.drawing)
    spin(0.1)
    montage, scene, session = panel.pictures.montage, panel.pictures.scene, panel.session

    def click(index: int) -> None:
        middle = np.array(montage.gallery.corner(index)) + 6 + montage.gallery.side / 2
        click_at(viewer, canvas, scene.layers["queue"].data_to_world(middle))
        spin(0.1)

    click(11)
    assert session.current == session.ids[11]
    panel.add_class("ribosome")
    panel.recolour_class("ribosome", "#12fe34")
    press(canvas, "1")
    spin(0.1)
    assert book(queued) == {session.ids[11]: "ribosome"}
    y, x = montage.gallery.corner(11)
    frame = scene.layers["queue"].data[y + 6 - 1, x + 6]
    assert tuple(frame) == (0x12, 0xFE, 0x34)
    click(11)
    assert session.current == session.ids[11]
    assert "you said 'ribosome'" in panel.form.asked.text()


def test_what_the_model_thinks_is_hidden_again_with_the_next_particle(
    canvas: Any, panel: Any
) -> None:
    guess = panel.form.guess
    assert not guess.isVisible()
    press(canvas, "M")
    assert guess.isVisible()
    assert guess.text() == "class7 70 %"
    press(canvas, "J")
    assert not guess.isVisible()


def test_classes_are_edited_in_place(canvas: Any, panel: Any, queued: Path) -> None:
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QLineEdit

    classes, session = panel.form.classes, panel.session
    for name in ("a", "b"):
        QTest.keyClicks(classes.new, name)
        press(classes.new, "Return")
    ids = [session.current, session.ids[1], session.ids[2]]
    press(canvas, "1", "2")
    classes.names["a"].click()
    assert book(queued) == dict(zip(ids, "aba", strict=True))

    def rename(old: str, new: str) -> None:
        classes.edit_name(old)
        (field,) = [f for f in classes.findChildren(QLineEdit) if f.text() == old]
        field.selectAll()
        QTest.keyClicks(field, new)
        press(field, "Return")
        spin()

    rename("a", "ribosome 70S")
    assert book(queued) == dict(zip(ids, ("ribosome 70S", "b", "ribosome 70S"), strict=True))
    assert session.classes.at_key(1) == "ribosome 70S"
    rename("b", "ribosome 70S")
    assert set(book(queued).values()) == {"ribosome 70S"}
    assert session.classes.names == ("ribosome 70S",)
    press(canvas, "Backspace")
    assert book(queued)[ids[1]] == "b"
    rename("b", "unsure")
    assert "an answer of its own" in panel.form.status.text()
    panel.recolour_class("b", "#00ff00")
    assert session.classes.colour("b") == "#00ff00"
    assert panel.viewer.canvas.overlays.text.visible is False


def test_a_class_is_renamed_for_all_from_its_menu_and_taken_back(
    canvas: Any, panel: Any, queued: Path
) -> None:
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QLineEdit, QToolButton

    classes, first = panel.form.classes, panel.session.current
    Project(queued).labels.add({first: "a"}, "ben")
    QTest.keyClicks(classes.new, "a")
    press(classes.new, "Return")
    (menu,) = [
        tool.menu()
        for tool in classes.names["a"].parentWidget().findChildren(QToolButton)
        if tool.menu() is not None
    ]
    (action,) = [one for one in menu.actions() if one.text() == "Rename for all annotators"]
    action.trigger()
    (field,) = [f for f in classes.findChildren(QLineEdit) if f.text() == "a"]
    field.selectAll()
    QTest.keyClicks(field, "apoferritin")
    press(field, "Return")
    spin()
    assert Project(queued).labels.current() == {first: "apoferritin"}
    assert "1 particle is 'apoferritin' now" in panel.form.status.text()
    press(canvas, "Backspace")
    assert Project(queued).labels.current() == {first: "a"}
    assert "is 'a' again" in panel.form.status.text()


def test_no_name_is_too_long_for_the_panel(panel: Any) -> None:
    panel.add_class("a class with a name that is much longer than any panel is wide " * 2)
    from qtpy.QtWidgets import QScrollArea

    panel.form.say("/a/path/without/a/space" * 20)
    spin(0.05)
    inside = panel.findChild(QScrollArea)
    assert inside.widget().width() <= inside.viewport().width()
    assert panel.form.train.width() > 200


def test_a_new_queue_is_announced_and_comes_with_the_next_answer(
    canvas: Any, panel: Any, queued: Path
) -> None:
    old = panel.session.current
    ids = [str(i) for i in Project(queued).subtomograms.ids if i not in panel.session.ids][:4]
    write_queue(queued, ids, 1)
    wait(lambda: panel.form.news.isVisible())
    assert panel.session.current == old
    press(canvas, "J")
    assert book(queued) == {old: "junk"}
    assert panel.pictures.shown == panel.session.current == ids[0]
    assert not panel.form.news.isVisible()
    press(canvas, "J", "J", "J", "J", "J")
    assert panel.session.current is None
    assert "has its answer" in panel.form.asked.text()
    assert panel.pictures.scene.layers["xy"].data.max() == 0
    write_queue(queued, [old, *ids], 2)
    wait(lambda: panel.pictures.shown == old)


def test_training_goes_on_beside_labelling_and_its_queue_slides_in(
    canvas: Any, open_panel: Callable[..., Any], extracted: Path, tmp_path: Path
) -> None:
    from napari.utils import progress

    folder = Path(shutil.copytree(extracted, tmp_path / "new"))
    panel = open_panel(folder)
    assert "nothing is asked yet" in panel.form.status.text()
    press(canvas, "J")
    assert "no project is open, or it asks nothing yet" in panel.form.status.text()
    panel.form.train.click()
    assert panel.training.running
    assert "Stop" in panel.form.train.text()
    assert [bar for bar in progress._all_instances if "cryoal" in bar.desc]
    wait(lambda: panel.session is not None, 60)
    assert panel.session.round == 0
    panel.add_class("a")
    press(canvas, *"10" * 10)
    panel.train()
    spin(0.3)
    answered = len(book(folder))
    press(canvas, "J")
    assert len(book(folder)) == answered + 1
    wait(lambda: not panel.training.running, 60)
    assert "new particles to look at" in panel.form.status.text()
    assert not progress._all_instances
    press(canvas, "J")
    assert panel.session.round == 1
    assert panel.session.guess()


def test_training_can_be_stopped(canvas: Any, panel: Any, queued: Path) -> None:
    panel.train()
    process = panel.training._process.processId()
    panel.train()
    wait(lambda: not panel.training.running)
    assert "stopped" in panel.form.status.text()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert panel.session.current is not None


def test_what_training_refuses_is_a_sentence(canvas: Any, panel: Any, queued: Path) -> None:
    (queued / "cryoal.toml").unlink()
    panel.train()
    wait(lambda: not panel.training.running, 60)
    assert "not a cryoal project" in panel.form.status.text()
    assert panel.session.current is not None


def test_an_answer_that_cannot_be_written_is_not_counted(
    canvas: Any, panel: Any, queued: Path
) -> None:
    labels = Project(queued).layout.labels
    shutil.rmtree(labels, ignore_errors=True)
    labels.write_text("a file in the way")
    here = panel.session.current
    press(canvas, "J")
    assert "could not be written" in panel.form.status.text()
    assert (panel.session.current, panel.pictures.shown) == (here, here)
    assert "0 of 31" in panel.form.rate.text()
    labels.unlink()
    press(canvas, "J")
    assert book(queued) == {here: "junk"}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder / "rounds"), "nothing is asked yet"),
        (lambda folder: shutil.rmtree(folder / "subtomograms"), "no subtomograms yet"),
        (lambda folder: (folder / "cryoal.toml").unlink(), "not a cryoal project"),
        (lambda folder: (folder / "rounds/000/queries.star").write_text("?"), "queries.star"),
    ],
    ids=["no queue", "no boxes", "no project", "no star file"],
)
def test_a_project_that_cannot_be_labelled_is_a_sentence(
    spoil: Callable[[Path], object], sentence: str, open_panel: Callable[..., Any], queued: Path
) -> None:
    spoil(queued)
    panel = open_panel(queued)
    assert sentence in panel.form.status.text()
    assert panel.session is None


def test_without_its_tomogram_a_particle_can_still_be_named(
    canvas: Any, open_panel: Callable[..., Any], queued: Path
) -> None:
    table = queued / "tomograms.star"
    lines = table.read_text().splitlines()
    moved = [line.replace(".mrc", "_moved.mrc") for line in lines]
    table.write_text("\n".join(moved) + "\n")
    panel = open_panel(queued)
    assert "no tomogram" in list(panel.pictures.scene.layers["panes"].features["title"])
    press(canvas, "J")
    assert len(book(queued)) == 1


def test_layers_that_were_deleted_come_back_before_the_next_answer(
    viewer: Any, canvas: Any, panel: Any, queued: Path
) -> None:
    viewer.layers.clear()
    spin()
    press(canvas, "N")
    assert len(viewer.layers) == 8
    assert panel.pictures.shown == panel.session.current
    press(canvas, "J")
    assert len(book(queued)) == 1


def test_the_denoised_volume_is_shown_where_there_is_one(
    canvas: Any, open_panel: Callable[..., Any], queued: Path
) -> None:
    panel = open_panel(queued)
    press(canvas, "D")
    assert "no denoised volume is known" in panel.form.status.text()
    opened = Project(queued)
    denoised = {}
    for name, tomogram in opened.tomograms.items():
        path = queued / f"{name}_denoised.mrc"
        with mrcfile.new(path) as file:
            file.set_data(gaussian_filter(tomogram.load().astype(np.float32), 1))
        denoised[name] = replace(tomogram, load_display=partial(open_volume, path))
    inputs.write_tomograms(opened.layout.tomograms, denoised)
    panel = open_panel(queued)
    xy = panel.pictures.scene.layers["xy"]
    raw = xy.data.copy()
    press(canvas, "D")
    assert np.corrcoef(xy.data.ravel(), raw.ravel())[0, 1] > 0.5
    assert np.abs(np.diff(xy.data)).mean() < np.abs(np.diff(raw)).mean()
    press(canvas, "D")
    assert np.array_equal(xy.data, raw)


def test_a_project_dropped_on_the_window_is_the_one_the_panel_takes_up(
    viewer: Any, panel: Any, asked: Path
) -> None:
    from cryoal.annotate.qt.widget import dropped_project

    assert dropped_project(viewer) is None
    viewer.open(asked, plugin="cryoal")
    assert dropped_project(viewer) == str(asked.resolve())
