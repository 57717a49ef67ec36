import re

import numpy as np
import pandas as pd
import pytest

from cryoal.core.errors import CryoalError
from cryoal.report import figures
from cryoal.report.montage import class_montage, montage
from cryoal.report.page import Card, Section, cell, data_uri, page, paragraphs, write_page

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def everything() -> str:
    table = pd.DataFrame({EVIL: [1.0]}, index=pd.Index([EVIL], name="class"))
    counts = pd.DataFrame({EVIL: [3]}, index=[EVIL])
    drawn = [(figures.class_counts(counts), EVIL)]
    sections = [Section(EVIL, f"{EVIL}\n\n`{EVIL}`", table, drawn)]
    return page(EVIL, sections, subtitle=EVIL, cards=[Card(EVIL, EVIL, EVIL)], footer=EVIL)


def test_a_class_name_cannot_run_as_a_script(everything):
    assert EVIL not in everything
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in everything


def test_a_page_loads_nothing(everything):
    assert re.findall(r'(?:src|data)\s*=\s*"(?!data:)', everything) == []
    assert re.findall(r'<link[^>]+href|@import|url\(\s*["\']?(?!data:)', everything) == []
    assert re.findall(r'(?:src|href)\s*=\s*"(?:https?:)?//', everything) == []


def test_the_same_figure_is_the_same_bytes():
    counts = pd.DataFrame({"a": [3], "b": [1]}, index=["TS_01"])
    first, second = (data_uri(figures.class_counts(counts)) for _ in range(2))
    assert first == second
    assert first.startswith("data:image/svg+xml;base64,")


def test_pictures_are_png():
    boxes = np.zeros((2, 8, 8, 8), np.float32)
    assert data_uri(montage(boxes, ["a", "b"])).startswith("data:image/png;base64,")


def test_backticks_become_code_and_blank_lines_paragraphs():
    assert paragraphs("run `cryoal select`\n\nthen label") == [
        "run <code>cryoal select</code>",
        "then label",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "yes"), (None, "–"), (float("nan"), "–"), (0.123456, "0.1235"), (1200, "1,200")],
)
def test_a_cell_shows_four_digits_and_a_dash_for_nothing(value, shown):
    assert cell(value) == shown


def test_a_place_that_takes_no_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CryoalError, match="the report cannot be written"):
        write_page(tmp_path / "file" / "report.html", "t", [])


def texts(figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize(
    "figure",
    [
        lambda: figures.learning_curve(pd.DataFrame()),
        lambda: figures.rounds_history(pd.DataFrame()),
        lambda: figures.reliability(np.ones((2, 2)) / 2, [-1, -1]),
        lambda: figures.confusion([], [], ["a", "b"]),
        lambda: figures.class_counts(pd.DataFrame()),
        lambda: figures.uncertainty_histogram([np.nan]),
        lambda: montage(np.zeros((0, 8, 8, 8), np.float32), []),
        lambda: class_montage(np.zeros((0, 8, 8, 8), np.float32), []),
    ],
)
def test_nothing_to_draw_is_said_in_words(figure):
    assert re.search(r"\b(no|yet)\b", texts(figure()))


def test_a_curve_goes_through_the_means_of_its_seeds():
    rows = [("margin", s, r, 10 * (r + 1), 0.5 + 0.1 * s + 0.1 * r) for s in (0, 1) for r in (0, 1)]
    table = pd.DataFrame(rows, columns=["acquisition", "seed", "round", "labels", "accuracy"])
    (axes,) = figures.learning_curve(table).axes
    mean = next(line for line in axes.lines if str(line.get_label()).startswith("margin"))
    np.testing.assert_allclose(mean.get_xdata(), [10, 20])
    np.testing.assert_allclose(mean.get_ydata(), [0.55, 0.65])


def test_bars_are_as_long_as_the_counts():
    counts = pd.DataFrame({"a": [3, 0], "b": [1, 2]}, index=["TS_01", "TS_02"])
    (axes,) = figures.class_counts(counts).axes
    assert [bar.get_width() for bar in axes.patches] == [3, 0, 1, 2]


def test_a_confusion_cell_holds_its_count_and_its_share():
    figure = figures.confusion([0, 0, 0, 0, 1, -1], [0, 0, 0, 1, 1, 1], ["a", "b"])
    assert "75%\n3" in texts(figure)
    assert "25%\n1" in texts(figure)
    assert "100%\n1" in texts(figure)
