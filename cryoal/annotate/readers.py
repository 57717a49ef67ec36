"""What napari opens: a project, its queue, a stack of subtomograms, a tomogram.

Nothing here imports Qt or napari; layers are plain tuples of data, attributes and kind
(https://napari.org/stable/plugins/building_a_plugin/guides.html#layer-data-tuples).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.annotate.montage import Montage
from cryoal.annotate.queue import Asked, read_asked
from cryoal.annotate.views import LOW_PASS, contrast_limits
from cryoal.core.errors import CryoalError
from cryoal.core.labels import UNSURE
from cryoal.data.store import INDEX, Index
from cryoal.io.mrc import open_stack, open_volume
from cryoal.io.mrc_header import read_header
from cryoal.project.classes import Classes
from cryoal.project.label_files import is_project
from cryoal.project.project import Project
from cryoal.project.selecting import Queue

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[Any], list[LayerData]]

#: Key of a layer's metadata that holds the folder of its project.
PROJECT = "cryoal_project"

#: Boxes of a stack from which its contrast is taken.
SAMPLE = 16


def read(path: Any) -> Reader | None:
    """Choose what to read a path with; None leaves it to others.

    Parameters
    ----------
    path : str, or list of str when several were dropped to be stacked
    """
    if not isinstance(path, str | Path):
        return None
    place = Path(path)
    if is_project(place):
        return lambda _: read_project(place)
    if place.suffix.lower() == ".star" and not place.is_dir():
        return lambda _: read_queue(place)
    if place.suffix.lower() in (".mrc", ".mrcs") and not place.is_dir():
        return lambda _: [read_stack(place)]
    return None


def read_project(folder: Path) -> list[LayerData]:
    """Open a project's newest queue as one picture, with the particles as points on it.

    Raises
    ------
    CryoalError
        It has no queue yet, or no box of it is left.
    """
    return queue_layers(read_asked(Project.open(folder)))


def read_queue(path: Path) -> list[LayerData]:
    """Layers of a ``queries.star``, which finds its boxes in the project that it lies in.

    Raises
    ------
    CryoalError
        It is none, or lies outside a project.
    """
    root = path.resolve().parents[2] if len(path.resolve().parents) > 2 else path.parent
    if not is_project(root) or not path.resolve().parent.name.isdigit():
        raise CryoalError(
            f"{path}: only a queue in its project (PROJECT/rounds/000/queries.star) can be opened, "
            "since the boxes are there"
        )
    project, queue = Project.open(root), Queue.read(path)
    if queue is None:
        raise CryoalError(f"{path}: no such file")
    ids = tuple(name for name in queue.ids if name in project.subtomograms)
    if not ids:
        raise CryoalError(f"{path}: none of its {len(queue)} particles has a box any more")
    number = int(path.resolve().parent.name)
    return queue_layers(Asked(project, queue, ids, len(queue) - len(ids), number, None))


def queue_layers(asked: Asked) -> list[LayerData]:
    """A queue as an image of central slabs, and points that carry ids and labels as features.

    The squares have the colours of the labels. Features can be edited and saved again
    (``writers.write_points``); what the model thinks is not among them, so as not to anchor.
    """
    project = asked.project
    geometry = project.subtomograms.geometry
    gallery = Montage.of(asked, LOW_PASS).gallery
    labels, unsure = project.labels.current(), project.labels.unsure()
    words = [labels.get(name, UNSURE if name in unsure else "") for name in asked.ids]
    classes = Classes.read(project.layout.classes).with_names(
        sorted({word for word in words if word})
    )
    name = f"{project.layout.root.resolve().name}, round {asked.round}"
    shared = {
        "scale": (geometry.voxel_size,) * 2,
        "units": ("angstrom", "angstrom"),
        "metadata": {PROJECT: str(project.layout.root.resolve())},
    }
    middle = [np.add(gallery.corner(i), (gallery.side - 1) / 2) for i in range(gallery.count)]
    points = {
        **shared,
        "name": f"{name}: particles",
        "features": {
            "id": list(asked.ids),
            "tomogram": [asked.tomogram(particle) for particle in asked.ids],
            "label": words,
        },
        "symbol": "square",
        "size": gallery.side,
        "face_color": "transparent",
        "border_color": [classes.colour(word) if word else "#303439" for word in words],
        "border_width": 0.04,
    }
    image = {
        **shared,
        "name": f"{name}: queue",
        "contrast_limits": (0.0, 1.0),
        "interpolation2d": "linear",
    }
    return [(gallery.picture, image, "image"), (np.array(middle), points, "points")]


def read_stack(path: Path) -> LayerData:
    """Boxes of an MRC volume stack, or a tomogram, memory-mapped, with its scale in Angstrom.

    Returns
    -------
    layer data of an Image: (n, z, y, x), or (z, y, x) where the file is one volume

    Raises
    ------
    CryoalError
        The file is not MRC, is cut short, or is a single image.
    """
    header = read_header(path)
    ids = _ids(path)
    stack = header.volumes > 1 or bool(ids)
    data = open_stack(path) if stack else open_volume(path)
    voxel_size = header.voxel_size
    known = voxel_size > 0
    length = "angstrom" if known else "pixel"
    attributes: dict[str, Any] = {
        "name": path.stem,
        "scale": (*((1.0,) if stack else ()), *(((voxel_size if known else 1.0),) * 3)),
        "units": (*(("pixel",) if stack else ()), *((length,) * 3)),
        "axis_labels": (*(("particle",) if stack else ()), "z", "y", "x"),
        "contrast_limits": contrast_limits(_some_of(data)),
        "interpolation2d": "linear",
        "metadata": {"path": str(path), **({"ids": ids} if ids else {})},
    }
    return data, attributes, "image"


def _some_of(data: NDArray[Any]) -> NDArray[np.float32]:
    """A few boxes or slices: all of a large file would have to be read otherwise."""
    rows = np.unique(np.linspace(0, len(data) - 1, SAMPLE).round().astype(int))
    return np.stack([np.asarray(data[row], dtype=np.float32) for row in rows])


def _ids(path: Path) -> list[str]:
    """Particle ids of a stack in their order, where a project's index stands beside it."""
    if not (path.parent / INDEX).exists():
        return []
    index = Index.read(path.parent)
    if index is None:
        return []
    where = index.boxes["rlnImageName"].str.split("@", n=1, expand=True)
    if not len(where):
        return []
    here = (where[1].str.rsplit("/", n=1).str[-1] == path.name).to_numpy()
    order = np.argsort(where[0][here].astype(int).to_numpy(), kind="stable")
    return [str(name) for name in index.boxes["cryoalId"][here].to_numpy()[order]]
