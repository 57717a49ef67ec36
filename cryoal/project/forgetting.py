"""After picks have changed: what rounds still say of particles that are no longer there."""

import numpy as np
from numpy.typing import NDArray

from cryoal.core.particles import ParticleSet
from cryoal.io.predictions import read_predictions, write_predictions
from cryoal.project.layout import Layout
from cryoal.project.selecting import Queue


def moved_away(old: ParticleSet, new: ParticleSet, distance: float) -> set[str]:
    """Ids that are gone, or that another particle has taken.

    Parameters
    ----------
    distance : float, Angstrom
        How far a particle may move and still be itself.
    """
    at = {str(name): row for row, name in enumerate(new.id)}
    rows = np.array([at.get(str(name), -1) for name in old.id], dtype=np.intp)
    here = rows >= 0
    same = np.zeros(len(old), dtype=bool)
    away = np.linalg.norm(old.position[here] - new.position[rows[here]], axis=1)
    same[here] = (old.tomogram[here] == new.tomogram[rows[here]]) & (away <= distance)
    return set(map(str, old.id[~same]))


def forget(layout: Layout, gone: set[str]) -> None:
    """Take these ids out of every round's predictions and queue; all of it can be made again.

    A control that was drawn under such an id would be compared with another particle's label.
    """
    for here in layout.existing_rounds():
        queue = Queue.read(here.queries)
        if queue is not None and len(queue):
            kept = ~np.isin(queue.ids, list(gone))
            if not kept.any():
                here.queries.unlink()
            elif not kept.all():
                Queue(queue.table[kept], queue.acquisition, queue.seed).write(here.queries)
        if here.predictions.exists():
            predictions, made_from = read_predictions(here.predictions)
            rows: NDArray[np.intp] = np.flatnonzero(~np.isin(predictions.ids, list(gone)))
            if len(rows) < len(predictions):
                write_predictions(here.predictions, predictions.select(rows), made_from)
