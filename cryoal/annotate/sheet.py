"""The label sheet: a queue as one HTML page that needs no other file, no network and no server."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryoal.annotate.context import contrasts
from cryoal.annotate.queue import Asked, Guesses, read_asked
from cryoal.annotate.schedule import Item, schedule
from cryoal.annotate.sheet_page import render
from cryoal.annotate.sheet_pictures import (
    CONTEXT_DIAMETERS,
    FIRST_SLAB,
    QUALITIES,
    denoised_box,
    slab_names,
    slab_pictures,
    surroundings,
)
from cryoal.annotate.views import LOW_PASS
from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre
from cryoal.core.labels import JUNK, UNSURE
from cryoal.io.files import replacing
from cryoal.project.classes import PALETTE, Classes
from cryoal.project.layout import refuse_own
from cryoal.project.project import Project

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
    trouble : str
        Why the first volume that could not be read could not, and what mends it.
    """

    path: Path
    particles: int
    bytes: int
    without_context: int
    gone: int
    trouble: str = ""


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
    refuse_own(project.layout, path)
    troubles: list[str] = []
    items = _items(asked, guesses, classes, with_context, progress, troubles)
    # The name as a ledger has it, so that the window asks the same person the same questions.
    ledger = project.layout.ledger(annotator).stem if annotator else ""
    questions = schedule(asked.ids, asked.round, ledger)
    rows = {name: row for row, name in enumerate(asked.ids)}
    box = project.subtomograms.geometry.box
    denoised = any(len(item["pictures"][0]) > len(QUALITIES) for item in items)
    data = {
        "key": _key(project.layout.root),
        "project": project.layout.root.resolve().name,
        "round": asked.round,
        "annotator": annotator,
        "statements": _said(asked, questions, annotator) if annotator else [],
        "order": [(rows[item.id], int(item.repeat)) for item in questions],
        "classes": list(classes.names),
        "colours": {name: classes.colour(name) for name in (*classes.names, JUNK, UNSURE)},
        "palette": list(PALETTE),
        "slabs": slab_names(project.subtomograms.geometry),
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
    trouble = troubles[0] if troubles else ""
    return Sheet(path, len(items), len(text.encode()), alone, asked.gone, trouble)


def _items(
    asked: Asked,
    guesses: Guesses,
    classes: Classes,
    with_context: bool,
    progress: Progress | None,
    troubles: list[str],
) -> list[dict[str, Any]]:
    """One entry a particle, in the order in which to ask; adds what could not be read."""
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
                    project.subtomograms[[name]][0],
                    denoised_box(asked, name, kinds, troubles),
                    geometry,
                ),
                "context": surroundings(asked, name, kinds, troubles) if with_context else None,
            }
        )
        if progress is not None:
            progress(done, len(asked.ids))
    return items


def _said(asked: Asked, questions: Sequence[Item], annotator: str) -> list[dict[str, str]]:
    """What an annotator has in the ledger about the particles of a queue, undos included."""
    known = {(item.id, item.repeat) for item in questions}
    book = asked.project.labels.book()
    ledger = asked.project.layout.ledger(annotator).stem
    mine = [s for s in book.statements if s.annotator == ledger]
    mine = [s for s in mine if not s.repeat or s.round == asked.round]
    names = {s.statement for s in mine if (s.id, s.repeat) in known}
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


def _extent(project: Project) -> float:
    """Width of a box, Angstrom."""
    geometry = project.subtomograms.geometry
    return geometry.box * geometry.voxel_size


def _key(root: Path) -> str:
    """What the answers are kept under in the browser: another project has another."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
