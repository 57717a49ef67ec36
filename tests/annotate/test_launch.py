"""Where no window can be opened, a sentence says so and names the way that needs none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import cryoal

pytest.importorskip("napari", reason="napari is not installed: pip install -e '.[napari]'")


def test_without_a_display_the_sheet_is_named(queued: Path) -> None:
    away = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {k: v for k, v in os.environ.items() if k not in away}
    if not sys.platform.startswith("linux"):
        pytest.skip("only X11 and Wayland can be missing")
    done = subprocess.run(
        [sys.executable, "-m", "cryoal", "annotate", str(queued)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "there is no display" in done.stderr
    assert "cryoal sheet" in done.stderr


def test_a_folder_that_is_no_project_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    outcome = cryoal("annotate", tmp_path)
    assert outcome.code == 2
    assert "not a cryoal project" in outcome.stderr
