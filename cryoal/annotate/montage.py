"""The queue as one picture, each particle framed in the colour of its label."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cryoal.annotate import views
from cryoal.annotate.views import Gallery
from cryoal.core.geometry import box_centre

if TYPE_CHECKING:
    from cryoal.annotate.queue import Asked

GAP = 6
FRAME = 2
#: Side of a thumbnail, in diameters of the particle: its noise is seen elsewhere.
MARGIN = 1.25
#: Frames of what has no answer yet, and of what is asked.
UNANSWERED, ASKED_NOW = "#24282D", "#FFFFFF"


class _Boxes:
    """Filtered boxes one after another: a long queue need not fit in memory."""

    def __init__(self, asked: "Asked", low_pass: float | None) -> None:
        self._asked, self._low_pass = asked, low_pass
        geometry = asked.project.subtomograms.geometry
        side = min(geometry.box, round(MARGIN * geometry.diameter / geometry.voxel_size))
        first = box_centre(geometry.box) - box_centre(side)
        self._middle = (slice(first, first + side),) * 3
        self.shape = (len(asked.ids), side, side, side)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        store = self._asked.project.subtomograms
        for name in self._asked.ids:
            box = views.band_pass(store[[name]][0], store.geometry.voxel_size, self._low_pass)
            yield box[self._middle]


@dataclass(frozen=True)
class Montage:
    """Thumbnails with room for frames.

    Attributes
    ----------
    ids : tuple of str
    gallery : Gallery
    """

    ids: tuple[str, ...]
    gallery: Gallery

    @classmethod
    def empty(cls, asked: "Asked") -> "Montage":
        """Make room for a queue that is still being drawn."""
        columns = max(1, int(np.ceil(np.sqrt(len(asked.ids)))))
        return cls(asked.ids, views.gallery(np.zeros((len(asked.ids), 8, 8, 8)), columns, 1, GAP))

    @classmethod
    def of(cls, asked: "Asked", low_pass: float | None) -> "Montage":
        """Draw the queue, as square as may be."""
        geometry = asked.project.subtomograms.geometry
        radius = geometry.diameter / geometry.voxel_size / 2
        columns = max(1, int(np.ceil(np.sqrt(len(asked.ids)))))
        boxes = _Boxes(asked, low_pass)
        return cls(asked.ids, views.gallery(boxes, columns, radius, GAP))  # type: ignore[arg-type]

    def coloured(self, colours: Sequence[str], current: str | None) -> NDArray[np.uint8]:
        """Draw the picture with frames.

        Parameters
        ----------
        colours : "#rrggbb" of each particle
        current : id, optional
            Framed in white, twice as wide.

        Returns
        -------
        (y, x, 3) uint8
        """
        inner = (self.gallery.picture * 255).astype(np.uint8)
        inner = np.pad(inner, GAP)
        picture = np.repeat(inner[..., None], 3, axis=2)
        for index, colour in enumerate(colours):
            wide = self.ids[index] == current
            self._frame(picture, index, ASKED_NOW if wide else colour, FRAME * (2 if wide else 1))
        return picture

    def at(self, y: float, x: float) -> str | None:
        """Id of the particle under a pixel of the picture."""
        index = self.gallery.index_at(y - GAP, x - GAP)
        return None if index is None else self.ids[index]

    def _frame(self, picture: NDArray[np.uint8], index: int, colour: str, width: int) -> None:
        y, x = (first + GAP for first in self.gallery.corner(index))
        side = self.gallery.side
        rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        for low, high in ((-width, 0), (side, side + width)):
            picture[y + low : y + high, x - width : x + side + width] = rgb
            picture[y - width : y + side + width, x + low : x + high] = rgb
