"""What this machine lacks for a window, told before Qt ends the program over it."""

import ctypes
import ctypes.util
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

#: The library that Qt 6.5 and newer need beside an X display, and which package holds it.
CURSOR = "xcb-cursor"
PACKAGES = (
    "sudo apt install libxcb-cursor0 (Debian, Ubuntu), sudo dnf install xcb-util-cursor (Fedora, "
    "Rocky) or conda install -c conda-forge xcb-util-cursor"
)


def missing_for_window(environment: Mapping[str, str] = os.environ) -> str | None:
    """Say in one sentence what keeps a window from opening here; None where nothing does.

    Only Linux is asked. Wayland and platforms without a screen, such as offscreen, need neither an
    X display nor its cursor library.
    """
    if not sys.platform.startswith("linux"):
        return None
    platform = environment.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    if platform not in ("", "xcb") or (not platform and environment.get("WAYLAND_DISPLAY")):
        return None
    if not environment.get("DISPLAY"):
        return (
            "there is no display (DISPLAY is not set): sit at the machine or use a remote desktop "
            "such as VirtualGL or NoMachine"
        )
    if _qt6() and not _has_library(CURSOR):
        return f"the system library libxcb-cursor.so.0, which Qt needs, is missing: {PACKAGES}"
    return None


def _qt6() -> bool:
    return any(importlib.util.find_spec(name) for name in ("PySide6", "PyQt6"))


def _has_library(name: str) -> bool:
    """Whether the loader finds it; find_library alone misses conda's."""
    if ctypes.util.find_library(name) or (Path(sys.prefix) / "lib" / f"lib{name}.so.0").exists():
        return True
    try:
        ctypes.CDLL(f"lib{name}.so.0")
    except OSError:
        return False
    return True
