"""Pictures of subtomograms: central slabs in a grid."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryoal.report.style import INK, PAGE_WIDTH, class_colours, new_figure, nothing_yet, short


def central_slab(box: NDArray[np.floating], half_thickness: int = 2) -> NDArray[np.float32]:
    """Mean over z of the slices within ``half_thickness`` of the centre: (b, b), y down, x right.

    One slice of a noisy subtomogram shows noise; a slab of five shows the particle.
    """
    middle = box.shape[0] // 2
    slab = box[max(0, middle - half_thickness) : middle + half_thickness + 1]
    return np.asarray(slab.mean(axis=0, dtype=np.float64), dtype=np.float32)


def montage(
    boxes: NDArray[np.float32],
    captions: Sequence[str],
    colours: Sequence[str] | None = None,
    *,
    columns: int = 8,
) -> Figure:
    """Central slabs of subtomograms in a grid, each under its caption.

    Parameters
    ----------
    boxes : (n, b, b, b) float32, zyx
        Protein bright, as stored in a project. Each is shown between its 1st and 99th percentile.
    captions : n str
        For example the class, or class and confidence; give them sorted to keep classes together.
    colours : n str, optional
        Frame of each picture; none gives each distinct caption its own.
    columns : int
    """
    if not len(boxes):
        return nothing_yet("no subtomograms to show yet")
    if colours is None:
        by_caption = class_colours(list(dict.fromkeys(captions)))
        colours = [by_caption[caption] for caption in captions]
    columns = min(columns, len(boxes))
    rows = -(-len(boxes) // columns)
    side = PAGE_WIDTH / max(columns, 4)
    figure = new_figure(rows * (side + 0.17), columns * side)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, box, caption, colour in zip(panels, boxes, captions, colours, strict=False):
        show_slab(axes, box, colour)
        axes.set_title(short(caption, 18), fontsize=8, color=INK, pad=3)
    return figure


def class_montage(
    boxes: NDArray[np.float32],
    classes: Sequence[str],
    *,
    order: Sequence[str] | None = None,
    columns: int = 8,
) -> Figure:
    """Central slabs of subtomograms, a row a class, in the order given, ``columns`` at most.

    Parameters
    ----------
    boxes : (n, b, b, b) float32, zyx
    classes : n str
    order : sequence of str, optional
        Every class of the page, so that each keeps its colour from figure to figure.
    """
    if not len(boxes):
        return nothing_yet("no subtomograms to show yet")
    names = list(dict.fromkeys(classes))
    colours = class_colours(list(order or names))
    members = {name: [i for i, c in enumerate(classes) if c == name][:columns] for name in names}
    side = (PAGE_WIDTH - 1.2) / columns
    figure = new_figure(len(names) * (side + 0.03), PAGE_WIDTH)
    panels = figure.subplots(
        len(names), columns + 1, squeeze=False, width_ratios=[1.2 / side] + [1] * columns
    )
    for axes in panels.ravel():
        axes.set_axis_off()
    for row, name in zip(panels, names, strict=True):
        row[0].text(1, 0.5, short(name, 18), ha="right", va="center", fontsize=9, color=INK)
        for axes, i in zip(row[1:], members[name], strict=False):
            show_slab(axes, boxes[i], colours[name])
    return figure


def show_slab(axes: Axes, box: NDArray[np.floating], colour: str) -> None:
    """Draw one box's central slab in a frame of this colour."""
    picture = central_slab(box)
    low, high = np.percentile(picture, (1, 99))
    axes.set_axis_on()
    axes.imshow(picture, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), origin="lower")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=2)
