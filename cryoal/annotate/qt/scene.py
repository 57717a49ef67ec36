"""The pictures of a particle as napari layers: six labelled panes in one canvas.

    xy | xz         | surroundings in the tomogram
    yz | projection | the queue

World units are nm in the first four; the other two are scaled to the same size and say their own.
"""

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryoal.annotate import views
from cryoal.annotate.looking import Seen

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

PANES = ("xy", "xz", "yz", "projection", "tomogram", "queue")
MARKS = "panes"
RING = "particle in its tomogram"
SOLID = "particle in 3-D"
SOLID_PERCENTILES = (85.0, 99.9)
#: Between panes, as a fraction of their side: room for their titles.
GAP = 0.09
TITLE_COLOUR = "#C9D1D9"
RING_COLOUR = "#F0E442"


class Scene:
    """Layers of the viewer that show one particle, made once and then only given new pictures.

    Parameters
    ----------
    viewer : napari Viewer
    side : float, nm
        Of the box.
    voxel_size : float, nm
    diameter : float, nm
    """

    def __init__(
        self, viewer: "ViewerModel", side: float, voxel_size: float, diameter: float
    ) -> None:
        self.viewer = viewer
        self.side, self.voxel_size, self.diameter = side, voxel_size, diameter
        self.contrast, self.inverted = views.PERCENTILES[0], False
        self.seen: Seen | None = None
        self.layers: dict[str, Layer] = {}
        box = round(side / voxel_size)
        with viewer.layers.batched_update():
            for name in PANES:
                shape = (box, box, 3) if name == "queue" else (box, box)
                dtype = np.uint8 if name == "queue" else np.float32
                self.layers[name] = self._image(np.zeros(shape, dtype), name)
            self.layers[MARKS] = self._marks()
            self.layers[RING] = self._ring()
        self._was = {
            "bar": viewer.canvas.overlays.scale_bar.visible,
            "corner": viewer.canvas.overlays.scale_bar.position,
            "text": viewer.canvas.overlays.text.visible,
        }
        viewer.canvas.overlays.scale_bar.visible = True
        viewer.canvas.overlays.scale_bar.position = "bottom_left"
        viewer.layers.selection.active = self.layers[MARKS]
        self.fit()

    @property
    def sizes(self) -> tuple[float, float, float]:
        """Side of the box, voxel and diameter, nm."""
        return self.side, self.voxel_size, self.diameter

    @property
    def whole(self) -> bool:
        """Whether all our layers are there: a person may remove any."""
        return all(layer in self.viewer.layers for layer in self.layers.values())

    def show(self, seen: Seen) -> None:
        """Put another particle into every pane."""
        self.seen = seen
        for name, picture in zip(PANES[:3], seen.slabs, strict=True):
            self._draw(name, picture, seen.slabs)
        self._draw("projection", seen.projection)
        around = seen.surroundings
        self._draw("tomogram", np.zeros((2, 2), np.float32) if around is None else around)
        self._title(seen)
        self._show_ring(seen)
        if SOLID in self.layers:
            self._draw(SOLID, seen.volume)

    def clear(self) -> None:
        """Show no particle."""
        self.seen = None
        for name in PANES[:5]:
            self._give(name, np.zeros_like(self.layers[name].data))
        if SOLID in self.layers:
            self._give(SOLID, np.zeros_like(self.layers[SOLID].data))

    def show_queue(self, picture: NDArray[np.uint8]) -> None:
        """Put the queue's montage into its pane: (y, x, 3)."""
        self._give("queue", picture)

    def settle(self) -> None:
        """Draw the thumbnails of the layer list, which no one waits for."""
        for name in PANES:
            self.layers[name].refresh(data_displayed=False, highlight=False, extent=False)

    def queue_pixel(self, world: Any) -> tuple[float, float]:
        """Pixel (y, x) of the montage under a place on the canvas."""
        y, x = self.layers["queue"].world_to_data(tuple(world)[-2:])
        return float(y), float(x)

    def set_contrast(self, percentile: float, inverted: bool) -> None:
        """Draw black what lies below this percentile, white above its counterpart."""
        self.contrast, self.inverted = percentile, inverted
        for name in PANES[:5]:
            self._as_image(name).colormap = "gray_r" if inverted else "gray"
        if self.seen is not None:
            self.show(self.seen)

    def set_solid(self, solid: bool) -> None:
        """Show the box as a rendered volume, or as flat pictures."""
        if solid == (SOLID in self.layers):
            return
        if solid:
            box = round(self.side / self.voxel_size)
            volume = np.zeros((box,) * 3, np.float32)
            self.layers[SOLID] = self.viewer.add_image(
                volume, name=SOLID, scale=(self.voxel_size,) * 3, units="nm", rendering="mip",
                interpolation3d="linear", contrast_limits=(0, 1),
            )  # fmt: skip
            if self.seen is not None:
                self._draw(SOLID, self.seen.volume)
        else:
            with contextlib.suppress(ValueError):  # the person may have removed it
                self.viewer.layers.remove(self.layers.pop(SOLID))
        for name in (*PANES, MARKS, RING):
            self.layers[name].visible = not solid
        self.viewer.dims.ndisplay = 3 if solid else 2
        self.viewer.layers.selection.active = self.layers[SOLID if solid else MARKS]
        self.fit()

    def fit(self) -> None:
        """Move the camera so that all of it is seen, as large as may be."""
        solid = [self.layers[SOLID]] if SOLID in self.layers else None
        self.viewer.fit_to_view(layers=solid, margin=0.02)
        self._fitted = self._camera()

    def follow_size(self) -> None:
        """Fit again when the canvas got another size, unless the person zoomed or moved."""
        if self._camera() == self._fitted:
            self.fit()

    def _camera(self) -> tuple[float, ...]:
        camera = self.viewer.scene.camera
        return (float(camera.zoom), *(float(value) for value in camera.center))

    def remove(self) -> None:
        """Take our layers away, and leave the viewer as it was."""
        self.viewer.dims.ndisplay = 2
        with self.viewer.layers.batched_update():
            for layer in self.layers.values():
                if layer in self.viewer.layers:
                    self.viewer.layers.remove(layer)
        self.layers.clear()
        self.viewer.canvas.overlays.scale_bar.visible = self._was["bar"]
        self.viewer.canvas.overlays.scale_bar.position = self._was["corner"]
        self.viewer.canvas.overlays.text.visible = self._was["text"]

    def _corner(self, name: str) -> tuple[float, float]:
        """Upper left (y, x) of a pane, nm."""
        at = PANES.index(name)
        column = at % 2 if at < 4 else 2
        row = at // 2 if at < 4 else at - 4
        step = self.side * (1 + GAP)
        return row * step, column * step

    def _image(self, picture: NDArray[Any], name: str) -> "Image":
        return self.viewer.add_image(
            picture, name=name, scale=(self.voxel_size,) * 2, translate=self._corner(name),
            units="nm", interpolation2d="nearest" if name == "queue" else "linear",
            rgb=name == "queue", **({} if name == "queue" else {"contrast_limits": (0, 1)}),
        )  # fmt: skip

    def _as_image(self, name: str) -> "Image":
        layer: Any = self.layers[name]
        return layer

    def _draw(
        self, name: str, picture: NDArray[np.float32], like: NDArray[np.float32] | None = None
    ) -> None:
        """Give a layer a picture from 0 to 1: its limits then stay, which saves most of the time.

        Parameters
        ----------
        like : array, optional
            What to take the contrast of, so that several pictures share one.
        """
        # What is brightest along a line of sight is drawn: most of the noise must be black.
        ends = SOLID_PERCENTILES if name == SOLID else (self.contrast, 100 - self.contrast)
        low, high = views.contrast_limits(picture if like is None else like, ends)
        drawn = np.clip((picture - low) / (high - low), 0, 1)
        self._give(name, np.nan_to_num(drawn, nan=float(self.inverted)).astype(np.float32))

    def _give(self, name: str, picture: NDArray[Any]) -> None:
        """Put a picture into its layer; where its size stays, nothing else is worked out anew."""
        layer = self.layers[name]
        if layer.data.shape == picture.shape:
            layer.data[...] = picture
            layer.refresh(thumbnail=False, highlight=False, extent=False)
            return
        layer.data = picture
        if name in PANES:
            self._place(name, picture.shape[:2])

    def _place(self, name: str, shape: tuple[int, ...]) -> None:
        """Scale a picture of any size into its pane, its middle in the pane's."""
        pixel = self.side / max(shape)
        layer = self.layers[name]
        layer.scale = (pixel, pixel)
        corner = self._corner(name)
        layer.translate = [
            c + (self.side - n * pixel) / 2 + (pixel - self.voxel_size) / 2
            for c, n in zip(corner, shape, strict=True)
        ]

    def _marks(self) -> "Layer":
        """Titles above the panes."""
        edge = self.voxel_size / 2
        corners = np.array([self._corner(name) for name in PANES]) - [edge, edge]
        return self.viewer.add_points(
            corners, name=MARKS, size=self.side / 1000, face_color="transparent",
            border_width=0, features={"title": list(PANES)}, units="nm",
            text={"string": "{title}", "anchor": "upper_left", "color": TITLE_COLOUR, "size": 10},
        )  # fmt: skip

    def _ring(self) -> "Layer":
        """Circle of the particle's diameter in the middle of its surroundings."""
        middle = np.array(self._corner("tomogram")) + (self.side - self.voxel_size) / 2
        return self.viewer.add_points(
            middle[None], name=RING, size=self.diameter, face_color="transparent",
            border_color=RING_COLOUR, border_width=self.side / 150,
            border_width_is_relative=False, units="nm", visible=False,
        )  # fmt: skip

    def _show_ring(self, seen: Seen) -> None:
        ring: Any = self.layers[RING]
        size = self.diameter * self.side / (seen.width / 10)
        if not np.isclose(ring.size[0], size):
            ring.size = size
        shown = seen.surroundings is not None and SOLID not in self.layers
        if ring.visible != shown:
            ring.visible = shown

    def _title(self, seen: Seen) -> None:
        if seen.surroundings is None:
            words = "no tomogram"
        else:
            words = f"tomogram, {seen.width / 10:.0f} nm wide"
        layer: Any = self.layers[MARKS]
        titles = [words if name == "tomogram" else name for name in PANES]
        if list(layer.features["title"]) != titles:
            layer.features = {"title": titles}
