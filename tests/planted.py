"""A round whose predictions are known, without a training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from cryoal.core.predictions import Predictions
from cryoal.io.predictions import write_predictions
from cryoal.project.project import Project
from cryoal.project.sight import boxes_digest


def plant(
    project: Path | Project,
    teacher: ArrayLike,
    classes: Sequence[str] = ("ribosome", "groel", "junk"),
    *,
    student: ArrayLike | None = None,
    number: int = 1,
) -> Predictions:
    """Make a round that predicts this of every box, in the order of the store: (N, C)."""
    opened = project if isinstance(project, Project) else Project.open(project)
    store = opened.subtomograms
    p = np.asarray(teacher, dtype=np.float32)
    q = p[:, ::-1] if student is None else np.asarray(student, dtype=np.float32)
    embedding = np.random.default_rng(0).normal(size=(len(store), 4)).astype(np.float32)
    made = Predictions(store.ids, tuple(classes), {"teacher": p, "student": q}, embedding)
    here = opened.layout.round(number)
    here.predictions.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(here.predictions, made, boxes_digest(store))
    here.teacher.touch()
    return made


def state(settings: Path, section: str, **values: object) -> None:
    """Write these values into a section of ``cryoal.toml``."""
    lines = "".join(f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
                    for name, value in values.items())  # fmt: skip
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{lines}"), encoding="utf-8")
