"""One HTML file that holds everything it shows: it opens from a mail, offline, years later."""

import base64
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import pandas as pd
from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing

_DOTS_PER_INCH = 160


@dataclass(frozen=True)
class Card:
    """A key number: what it is, its value as shown, and a line of explanation."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Attributes
    ----------
    title : str
    text : str
        Paragraphs parted by blank lines; ``backticks`` mark commands and names.
    table : DataFrame, optional
        Shown with its index when the index has a name.
    figures : sequence of (Figure, caption)
    """

    title: str
    text: str = ""
    table: pd.DataFrame | None = None
    figures: Sequence[tuple[Figure, str]] = ()


def page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    cards: Sequence[Card] = (),
    footer: str = "",
) -> str:
    """Render a page that loads nothing: styles, tables and figures are inside.

    Names of classes, tomograms and files are escaped wherever they stand.

    Parameters
    ----------
    title, subtitle, footer : str
    sections : sequence of Section
        In reading order.
    cards : sequence of Card
        Key numbers, on top.

    Returns
    -------
    str, a complete HTML document
    """
    return _template().render(
        title=title, subtitle=subtitle, cards=cards, sections=sections, footer=footer
    )


def write_page(
    path: Path | str,
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    cards: Sequence[Card] = (),
    footer: str = "",
) -> None:
    """Write :func:`page` to a file, whole or not at all.

    Raises
    ------
    CryoalError
        The file cannot be written.
    """
    text = page(title, sections, subtitle=subtitle, cards=cards, footer=footer)
    try:
        with replacing(Path(path)) as file:
            file.write(text)
    except OSError as problem:
        raise CryoalError(
            f"{path}: the report cannot be written ({problem.strerror}); "
            "give a folder that exists and is yours"
        ) from problem


def data_uri(figure: Figure) -> str:
    """Figure as a ``data:`` address: PNG when it holds pictures, else SVG, sharp at any zoom."""
    kind = "png" if any(axes.images for axes in figure.axes) else "svg"
    buffer = io.BytesIO()
    # A fixed salt and no date make the same figure the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "cryoal", "svg.fonttype": "path"}):
        dateless = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=_DOTS_PER_INCH, metadata=dateless)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{'svg+xml' if kind == 'svg' else 'png'};base64,{encoded}"


def width_in_pixels(figure: Figure) -> int:
    """Width at which 9 points are read as 9 points: 96 pixels to the inch."""
    return round(figure.get_figwidth() * 96)


def paragraphs(text: str) -> list[Markup]:
    """Split text at blank lines; `backticks` become code, everything else is escaped."""
    parts = (part.strip() for part in re.split(r"\n\s*\n", text))
    return [
        Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part))))
        for part in parts
        if part
    ]


def cell(value: object) -> str:
    """Value as a table shows it: four significant digits, an en dash for what is not there."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True)
class _Column:
    name: str
    numeric: bool


def _rows(table: pd.DataFrame) -> list[list[str]]:
    return [[cell(v) for v in row] for row in _flat(table).itertuples(index=False)]


def _columns(table: pd.DataFrame) -> list[_Column]:
    flat = _flat(table)
    return [
        _Column(str(name), pd.api.types.is_numeric_dtype(dtype))
        for name, dtype in zip(flat.columns, flat.dtypes, strict=True)
    ]


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index() if any(table.index.names) else table


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("cryoal.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        data_uri=data_uri,
        pixels=width_in_pixels,
        paragraphs=paragraphs,
        rows=_rows,
        columns=_columns,
    )
    return environment.get_template("page.html.jinja")
