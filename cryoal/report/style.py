"""How every figure looks: colours that colour-blind readers can tell apart, quiet axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryoal.core.labels import JUNK

#: Okabe and Ito (2008), "Color universal design", without yellow, which a white page swallows,
#: and without black, which is kept for references.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
GREY = "#8A8F98"
INK = "#1F2933"
GRID = "#E4E7EB"
MARKERS = "osD^vPX"
HATCHES = ("", "////", "....", "xxxx")

#: Inches; the page shows figures at its full width, so that 9 points stay 9 points.
PAGE_WIDTH = 8.0


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """One colour a class, junk grey; they repeat after seven, so hatch what is filled."""
    proper = [name for name in classes if name != JUNK]
    colours = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(proper)}
    return {name: colours.get(name, GREY) for name in classes}


def class_hatches(classes: Sequence[str]) -> dict[str, str]:
    """Fill pattern of each class: plain for the first seven, then other patterns."""
    proper = [name for name in classes if name != JUNK]
    hatches = {name: HATCHES[i // len(PALETTE) % len(HATCHES)] for i, name in enumerate(proper)}
    return {name: hatches.get(name, "") for name in classes}


def new_figure(height: float, width: float = PAGE_WIDTH) -> Figure:
    """Blank figure of this size in inches, owned by nobody but its caller."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def quiet(axes: Axes, xlabel: str = "", ylabel: str = "", title: str = "") -> Axes:
    """Give axes the house look: two spines, pale grid, 9 point labels."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(labelsize=9, color=GREY, labelcolor=INK)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel, fontsize=10, color=INK)
    axes.set_ylabel(ylabel, fontsize=10, color=INK)
    if title:
        axes.set_title(title, fontsize=11, color=INK, loc="left")
    return axes


def nothing_yet(why: str) -> Figure:
    """Figure that says in words why there is nothing to draw."""
    figure = new_figure(1.0)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", fontsize=10, color=GREY)
    return figure


def readable_on(shade: float) -> str:
    """Ink for text on a cell whose darkness is ``shade``, 0 white to 1 dark."""
    return "white" if shade > 0.55 else INK


def short(name: object, length: int = 24) -> str:
    """Class or tomogram name that fits beside an axis; the middle gives way, the ends tell."""
    text = str(name).replace("$", r"\$")  # matplotlib would read $...$ as a formula
    if len(text) <= length:
        return text
    head = int(np.ceil((length - 1) / 2))
    return f"{text[:head]}…{text[-(length - 1 - head) :]}"
