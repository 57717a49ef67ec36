"""The label sheet: a queue as one HTML page that needs no other file, no network and no server."""

import base64
import hashlib
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from cryoal.annotate.classes import PALETTE, Classes
from cryoal.annotate.context import context, contrasts, display_box
from cryoal.annotate.queue import Asked, Guesses, read_asked
from cryoal.annotate.views import LOW_PASS, band_pass, orthogonal, stretched
from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre
from cryoal.core.labels import JUNK, UNSURE
from cryoal.core.version import __version__
from cryoal.data.extract import BoxGeometry
from cryoal.io.files import replacing
from cryoal.project.project import Project

#: Thickness of the slabs to choose from, in particle radii, and what they are called.
SLABS = ((0.5, "half a radius"), (1.0, "one radius"), (2.0, "whole particle"))
FIRST_SLAB = 1

#: Width of the picture of the surroundings, in diameters, and its thickness, in radii.
CONTEXT_DIAMETERS = 5.0
CONTEXT_RADII = 1.0

#: Pixels at most of either kind of picture; larger ones are made smaller, so that a sheet of large
#: boxes stays a few megabytes. With a low-pass of 40 A nothing is lost in most cases.
LARGEST_SLAB, LARGEST_CONTEXT = 72, 200

#: JPEG quality of what is smooth, and of what is noise anyway: a third less for the same look.
QUALITY, QUALITY_OF_NOISE = 85, 70
QUALITIES = (QUALITY, QUALITY_OF_NOISE)

#: How many of the model's guesses are shown when asked.
GUESSES = 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sheet:
    """What ``write_sheet`` wrote.

    Attributes
    ----------
    path : Path
    particles : int
    bytes : int
        Size of the file.
    without_context : int
        Particles whose tomogram could not be read, so that they stand alone.
    gone : int
        Particles of the queue that have no box any more and are not in the sheet.
    """

    path: Path
    particles: int
    bytes: int
    without_context: int
    gone: int


def write_sheet(
    project: Project,
    path: Path,
    *,
    annotator: str = "",
    with_context: bool = True,
    progress: Progress | None = None,
) -> Sheet:
    """Write the newest queue as a page on which to answer, whole or not at all.

    Parameters
    ----------
    project : Project
    path : Path
    annotator : str
        Name to begin with; it can be changed on the page. What this person answered already is on
        the page, and can be changed or taken back there.
    with_context : bool
        Show each particle in its tomogram as well.
    progress : callable (done, total), optional

    Raises
    ------
    CryoalError
        There is no queue, none of its boxes is left, or the file cannot be written.
    """
    asked = read_asked(project)
    if not asked.ids:
        raise CryoalError(
            f"{project.layout.round(asked.round).queries}: an empty queue; ask for more with "
            f"cryoal select {project.layout.root}"
        )
    guesses = Guesses(project)
    classes = _classes(project, guesses)
    items = _items(asked, guesses, classes, with_context, progress)
    box = project.subtomograms.geometry.box
    denoised = any(len(item["pictures"][0]) > len(QUALITIES) for item in items)
    data = {
        "key": _key(project.layout.root),
        "project": project.layout.root.resolve().name,
        "round": asked.round,
        "annotator": annotator,
        "statements": _said(asked, annotator) if annotator else [],
        "classes": list(classes.names),
        "colours": {name: classes.colour(name) for name in (*classes.names, JUNK, UNSURE)},
        "palette": list(PALETTE),
        "slabs": _slab_names(project),
        "slab": FIRST_SLAB,
        "filters": [f"{LOW_PASS:g} Å low-pass", "none", *(["denoised"] if denoised else [])],
        "radius": project.diameter / 2 / _extent(project),
        "middle": (box_centre(box) + 0.5) / box,
        "span": f"{CONTEXT_DIAMETERS * project.diameter / 10:.0f} nm wide",
        "items": items,
    }
    text = render(data)
    try:
        with replacing(path) as file:
            file.write(text)
    except OSError as problem:
        raise CryoalError(
            f"{path}: the sheet cannot be written ({problem.strerror}); give a place that is yours"
        ) from problem
    alone = sum(item["context"] is None for item in items) if with_context else 0
    return Sheet(path, len(items), len(text.encode()), alone, asked.gone)


def render(data: dict[str, Any]) -> str:
    """Page with these data in it; every name stays text wherever it stands.

    The page's policy lets run the one script and apply the one style whose hashes it names, and
    load nothing at all (https://www.w3.org/TR/CSP3/).
    """
    here = files("cryoal.annotate")
    style = here.joinpath("sheet.css").read_text(encoding="utf-8")
    script = here.joinpath("sheet.js").read_text(encoding="utf-8")
    environment = Environment(loader=PackageLoader("cryoal.annotate", ""), autoescape=True)
    return environment.get_template("sheet.html.jinja").render(
        project=data["project"],
        round=data["round"],
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(inert_json(data)),
    )


def inert_json(value: Any) -> str:
    """JSON that no HTML parser can take for markup, whatever its strings hold.

    Examples
    --------
    >>> "<" in inert_json("</script><b>"), json.loads(inert_json("</script><b>"))
    (False, '</script><b>')
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _items(
    asked: Asked,
    guesses: Guesses,
    classes: Classes,
    with_context: bool,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """One entry a particle, in the order in which to ask."""
    project = asked.project
    controls = set(asked.queue.controls)
    kinds, geometry = contrasts(project), project.subtomograms.geometry
    items = []
    for done, name in enumerate(asked.ids, 1):
        z, y, x = (f"{value:.3f}" for value in asked.position(name))
        guess = guesses.of(name, GUESSES) or asked.guess(name)
        items.append(
            {
                "id": name,
                "tomogram": asked.tomogram(name),
                **{"x": x, "y": y, "z": z},
                "control": int(name in controls),
                "guess": [
                    (classes.now(w), round(p, 4) if math.isfinite(p) else None) for w, p in guess
                ],
                "pictures": slab_pictures(
                    project.subtomograms[[name]][0], _denoised(asked, name, kinds), geometry
                ),
                "context": _context(asked, name, kinds) if with_context else None,
            }
        )
        if progress is not None:
            progress(done, len(asked.ids))
    return items


def slab_pictures(
    box: NDArray[np.float32], denoised: NDArray[np.float32] | None, geometry: BoxGeometry
) -> list[list[str]]:
    """JPEG in base64 of each slab and filter: xy, xz and yz side by side, one grey scale.

    Parameters
    ----------
    box : (box, box, box) float32
    denoised : (box, box, box) float32, optional
        The same place in the volume made for looking at.
    geometry : BoxGeometry
    """
    radius = geometry.diameter / geometry.voxel_size / 2
    volumes = [band_pass(box, geometry.voxel_size, LOW_PASS), box]
    qualities = list(QUALITIES)
    if denoised is not None:
        volumes.append(denoised)
        qualities.append(QUALITY)
    return [
        [
            _jpeg(_side_by_side(orthogonal(volume, radii * radius)), quality)
            for volume, quality in zip(volumes, qualities, strict=True)
        ]
        for radii, _ in SLABS
    ]


def _denoised(asked: Asked, particle: str, kinds: dict[str, str]) -> NDArray[np.float32] | None:
    """Box of the volume made for looking at; None where there is none, or it is gone."""
    project, name = asked.project, asked.tomogram(particle)
    tomogram = project.tomograms.get(name)
    if tomogram is None or tomogram.load_display is None:
        return None
    try:
        geometry = project.subtomograms.geometry
        return display_box(tomogram, asked.position(particle), geometry, contrast=kinds.get(name))
    except CryoalError:
        return None


def _context(asked: Asked, particle: str, kinds: dict[str, str]) -> dict[str, Any] | None:
    """The particle in its tomogram; None where the tomogram is gone."""
    project, name = asked.project, asked.tomogram(particle)
    tomogram = project.tomograms.get(name)
    if tomogram is None:
        return None
    tomogram = tomogram.shown
    try:
        picture, (y, x) = context(
            tomogram,
            asked.position(particle),
            CONTEXT_DIAMETERS * project.diameter,
            CONTEXT_RADII * project.diameter / 2,
            contrast=kinds.get(name),
        )
    except CryoalError:
        return None
    scale = min(1.0, LARGEST_CONTEXT / max(picture.shape))
    smooth = band_pass(picture[None], tomogram.voxel_size, LOW_PASS)[0]
    small = _smaller(_grey(smooth), LARGEST_CONTEXT)
    across = small.shape[0] / picture.shape[0], small.shape[1] / picture.shape[1]
    return {
        "source": _jpeg(small),
        "y": round((y + 0.5) * across[0] - 0.5, 2),
        "x": round((x + 0.5) * across[1] - 0.5, 2),
        "radius": round(project.diameter / 2 / tomogram.voxel_size * scale, 2),
    }


def _said(asked: Asked, annotator: str) -> list[dict[str, str]]:
    """What an annotator has in the ledger about the particles of a queue, undos included."""
    known = set(asked.ids)
    book = asked.project.labels.book()
    ledger = asked.project.layout.ledger(annotator).stem
    mine = [s for s in book.statements if s.annotator == ledger and not s.repeat]
    names = {s.statement for s in mine if s.id in known}
    return [
        {
            "statement": s.statement,
            "when": s.when,
            "id": s.id,
            "label": s.label,
            "revokes": s.revokes,
        }
        for s in sorted(mine)
        if s.statement in names and (not s.revokes or s.revokes in names)
    ]


def _classes(project: Project, guesses: Guesses) -> Classes:
    """Classes with the keys and colours that the plugin gives them."""
    kept = Classes.read(project.layout.classes)
    words = project.labels.book().answers().values()
    said = {word for answers in words for word in answers.values()}
    names = {*said, *(kept.now(name) for name in guesses.classes)} - {JUNK, UNSURE}
    return kept.with_names(sorted(names))


def _slab_names(project: Project) -> list[str]:
    voxel_size, radius = project.subtomograms.geometry.voxel_size, project.diameter / 2
    thickness = [
        (2 * math.floor(radii * radius / voxel_size / 2) + 1) * voxel_size for radii, _ in SLABS
    ]
    return [f"{name}, {a:.0f} Å" for (_, name), a in zip(SLABS, thickness, strict=True)]


def _extent(project: Project) -> float:
    """Width of a box, Angstrom."""
    geometry = project.subtomograms.geometry
    return geometry.box * geometry.voxel_size


def _key(root: Path) -> str:
    """What the answers are kept under in the browser: another project has another."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _side_by_side(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pictures (n, b, b) in a row, on one grey scale."""
    grey = _grey(pictures)
    return np.hstack([_smaller(picture, LARGEST_SLAB) for picture in grey])


def _grey(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(stretched(picture) * 255).astype(np.uint8)


def _smaller(picture: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    """Scale down to this many pixels at most, without aliasing."""
    scale = largest / max(picture.shape)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _jpeg(picture: NDArray[np.uint8], quality: int = QUALITY) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
