"""What a window needs is named before Qt ends the program."""

import pytest
from conftest import cryoal

from cryoal.annotate import display

X = {"DISPLAY": ":0"}


@pytest.fixture(autouse=True)
def linux_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(display, "_qt6", lambda: True)
    monkeypatch.setattr(display, "CURSOR", "no-such-library")


@pytest.mark.parametrize("environment", [X, X | {"QT_QPA_PLATFORM": "xcb"}])
def test_an_x_display_without_its_cursor_library_names_the_package(environment) -> None:
    assert "libxcb-cursor0" in (display.missing_for_window(environment) or "")


@pytest.mark.parametrize("environment", [{}, {"QT_QPA_PLATFORM": "xcb"}, {"DISPLAY": ""}])
def test_no_display_at_all_is_named(environment) -> None:
    assert "DISPLAY is not set" in (display.missing_for_window(environment) or "")


@pytest.mark.parametrize(
    "environment",
    [
        {"QT_QPA_PLATFORM": "offscreen"},
        {"QT_QPA_PLATFORM": "wayland;xcb"},
        {"WAYLAND_DISPLAY": "wayland-0"},
        X | {"WAYLAND_DISPLAY": "wayland-0"},
    ],
)
def test_wayland_and_offscreen_need_no_library_of_x(environment) -> None:
    assert display.missing_for_window(environment) is None


def test_a_library_that_is_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "CURSOR", "c")
    assert display.missing_for_window(X) is None


def test_doctor_says_what_a_window_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "missing_for_window", lambda: "the library is missing")
    assert "window: the library is missing" in cryoal("doctor").stdout
