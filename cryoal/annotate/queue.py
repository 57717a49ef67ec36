"""The newest queue of a project with all that a person may want to know of its particles."""

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.annotate.statements import signature
from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.project.layout import Layout
from cryoal.project.project import Project
from cryoal.project.selecting import Queue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """A queue of which every particle can be shown.

    Attributes
    ----------
    project : Project
    queue : Queue
    ids : tuple of str
        Those of the queue that have a box, in its order.
    gone : int
        How many have none any more.
    round : int
    signature : object
        Changes when the queue, or the boxes, do.
    """

    project: Project
    queue: Queue
    ids: tuple[str, ...]
    gone: int
    round: int
    signature: object

    def knows(self, particle: str) -> bool:
        """Whether the particle can be shown."""
        return particle in self.project.subtomograms

    def tomogram(self, particle: str) -> str:
        """Name of its tomogram."""
        return str(self.project.particles.tomogram[self._row(particle)])

    def position(self, particle: str) -> NDArray[np.float64]:
        """Where it is: (3,) zyx, Angstrom."""
        where: NDArray[np.float64] = self.project.particles.position[self._row(particle)]
        return where

    def rotation(self, particle: str) -> NDArray[np.float64] | None:
        """Matched pose, (3, 3) acting on xyz; None where the picks have none."""
        poses = self.project.particles.rotation
        return None if poses is None else poses[self._row(particle)].as_matrix()

    def guess(self, particle: str) -> list[tuple[str, float]]:
        """What ``queries.star`` itself says the model thought, where it does."""
        rows = self.queue.table[self.queue.table["cryoalId"] == particle]
        if not len(rows) or rows.iloc[0]["cryoalPrediction"] in ("none", ""):
            return []
        return [(str(rows.iloc[0]["cryoalPrediction"]), float(rows.iloc[0]["cryoalConfidence"]))]

    def _row(self, particle: str) -> int:
        return int(self._rows.get_loc(particle))  # type: ignore[arg-type]

    @cached_property
    def _rows(self) -> pd.Index:
        return pd.Index(self.project.particles.id)


def read_asked(project: Project) -> Asked:
    """Read the newest queue and check that its particles are there.

    Raises
    ------
    CryoalError
        There is no queue, it cannot be read, or none of its particles has a box.
    """
    root = project.layout.root
    now = newest_signature(project.layout)
    number = project.newest_queue_number
    queue = project.queue
    if queue is None:
        raise CryoalError(f"{root}: nothing is asked yet; run cryoal select {root}")
    known = set(map(str, project.particles.id))
    ids = tuple(name for name in queue.ids if name in project.subtomograms and name in known)
    if len(queue) and not ids:
        raise CryoalError(
            f"{project.layout.round(number).queries}: none of its {len(queue)} particles has a box "
            f"any more; run cryoal extract {root}, then cryoal select {root}"
        )
    return Asked(project, queue, ids, len(queue) - len(ids), number, now)


def newest_signature(layout: Layout) -> object:
    """Changes when another queue is the newest, or the boxes were made anew; None for no queue."""
    try:
        queues = [r for r in layout.existing_rounds() if r.queries.exists()]
    except OSError:  # the folder is gone, or its disk: whatever is known stays
        return None
    if not queues:
        return None
    facts = (queues[-1].number, signature(queues[-1].queries))
    return *facts, signature(layout.subtomograms / "index.star"), signature(layout.particles)


class Guesses:
    """What the newest model thinks, read when first asked for."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def of(self, particle: str, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes of a particle, best first; empty without a model."""
        found = self._predictions
        row = -1 if found is None else int(found.rows([particle])[0])
        if found is None or row < 0:
            return []
        best = np.argsort(-found.teacher[row], kind="stable")[:count]
        return [(found.classes[i], float(found.teacher[row, i])) for i in best]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the model knows."""
        return () if self._predictions is None else self._predictions.classes

    @cached_property
    def _predictions(self) -> Predictions | None:
        try:
            found = self._project.predictions
        except CryoalError as problem:
            log.warning("%s", problem)
            return None
        return found if found is not None and "teacher" in found.probabilities else None
