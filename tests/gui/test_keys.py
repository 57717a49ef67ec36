"""Every key labels, whichever layer is active, and none does once the panel is closed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui.driving import book, press, spin

pytestmark = pytest.mark.gui


def activate(viewer: Any, kind: str) -> Any:
    """Add a layer of this kind and make it the active one, as a person who draws has it."""
    add = {
        "Image": lambda: viewer.add_image(np.zeros((8, 8))),
        "Points": lambda: viewer.add_points(np.ones((3, 2))),
        "Labels": lambda: viewer.add_labels(np.zeros((8, 8), int)),
    }
    layer = add[kind]()
    viewer.layers.selection.active = layer
    spin()
    return layer


@pytest.mark.parametrize("kind", ["Image", "Points", "Labels"])
def test_every_key_does_its_work_whichever_layer_is_active(
    kind: str, viewer: Any, canvas: Any, panel: Any, queued: Path
) -> None:
    session = panel.session
    for number in range(1, 10):
        panel.add_class(f"c{number}")
    layer = activate(viewer, kind)
    before = (getattr(layer, "mode", None), len(viewer.layers), viewer.dims.ndisplay)
    expected = {}
    answers = {**{str(k): f"c{k}" for k in range(1, 10)}, "0": "junk", "J": "junk", "U": "unsure"}
    for key, word in answers.items():
        expected[session.current] = word
        press(canvas, key)
        assert book(queued) == expected
    for keys in (["Backspace"], ["Z"]):
        expected.pop(list(expected)[-1])
        press(canvas, *keys, modifier="ControlModifier" if keys == ["Z"] else "NoModifier")
        assert book(queued) == expected
        assert session.current not in expected
    here = session.index
    for key, step in {"N": 1, "Right": 1, "Down": 1, "P": -1, "Left": -1, "Up": -1}.items():
        press(canvas, key)
        here += step
        assert session.index == here
    press(canvas, "S")
    assert (session.skipped, session.index, book(queued)) == (1, here + 1, expected)
    for key in ("Return", "Enter"):
        expected[session.current] = "class7"
        press(canvas, key)
        assert book(queued) == expected
    press(canvas, "M")
    assert panel.form.guess.isVisible()
    press(canvas, "H")
    assert viewer.canvas.overlays.text.visible
    press(canvas, "H", "T", "D")
    assert panel.form.look.turned.isChecked()
    assert (getattr(layer, "mode", None), len(viewer.layers), viewer.dims.ndisplay) == before
    press(canvas, "V")
    assert viewer.dims.ndisplay == 3
    press(canvas, "V", "1")
    assert viewer.dims.ndisplay == 2
    assert len(book(queued)) == len(expected) + 1


def test_keys_are_napari_s_again_when_the_panel_is_closed(
    viewer: Any, canvas: Any, panel: Any, queued: Path
) -> None:
    panel.add_class("a")
    layers, callbacks = len(viewer.layers), len(viewer.mouse_drag_callbacks)
    assert layers
    viewer.window.remove_dock_widget(panel)
    spin(0.05)
    layer = activate(viewer, "Labels")
    press(canvas, "1", "J", "Return")
    assert book(queued) == {}
    assert layer.mode == "erase"
    assert len(viewer.layers) == 1
    assert len(viewer.mouse_drag_callbacks) == callbacks - 1
    assert not viewer.canvas.overlays.scale_bar.visible


def test_keys_are_napari_s_while_the_panel_is_hidden(
    viewer: Any, canvas: Any, panel: Any, queued: Path
) -> None:
    panel.add_class("a")
    panel.parent().hide()
    press(canvas, "1")
    assert book(queued) == {}
    panel.parent().show()
    spin(0.05)
    press(canvas, "1")
    assert list(book(queued).values()) == ["a"]


def test_two_panels_one_after_the_other_answer_once(
    viewer: Any, canvas: Any, open_panel: Callable[..., Any], queued: Path
) -> None:
    viewer.window.remove_dock_widget(open_panel(queued))
    spin(0.05)
    open_panel(queued)
    press(canvas, "J")
    assert len(book(queued)) == 1


def test_a_key_held_down_labels_one_particle(canvas: Any, panel: Any, queued: Path) -> None:
    from qtpy.QtCore import QEvent, Qt
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QApplication

    for repeated in (False, True, True):
        kind, none = QEvent.Type.KeyPress, Qt.KeyboardModifier.NoModifier
        event = QKeyEvent(kind, Qt.Key.Key_J, none, "j", repeated)
        QApplication.sendEvent(canvas, event)
    assert len(book(queued)) == 1


def test_what_is_typed_into_a_field_is_text(canvas: Any, panel: Any, queued: Path) -> None:
    from qtpy.QtTest import QTest

    field = panel.form.classes.new
    QTest.keyClicks(field, "1jusp 0")
    press(field, "Backspace", "Left", "Right")
    assert (field.text(), book(queued), panel.session.index) == ("1jusp ", {}, 0)
    press(field, "Return")
    assert panel.session.classes.names == ("1jusp",)
    assert book(queued) == {}
    length = panel.form.look.low_pass
    length.selectAll()
    QTest.keyClicks(length, "65")
    press(length, "Return")
    assert (panel.form.look.look.low_pass, book(queued)) == (65, {})
    press(canvas, "1")
    assert list(book(queued).values()) == ["1jusp"]


def test_a_key_of_no_class_says_how_to_get_one(canvas: Any, panel: Any, queued: Path) -> None:
    press(canvas, "4")
    assert "no class has key 4 yet" in panel.form.status.text()
    assert (book(queued), panel.session.index) == ({}, 0)


def test_keys_work_wherever_the_focus_is(viewer: Any, panel: Any, queued: Path) -> None:
    targets = [
        viewer.window._qt_viewer.layers,
        viewer.window._qt_window,
        panel.form.classes.names["junk"],
        panel,
    ]
    for number, target in enumerate(targets, 1):
        press(target, "J")
        assert len(book(queued)) == number
