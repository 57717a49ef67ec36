"""What an acquisition function needs beyond teacher and student, added to the predictions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.project.settings import TrainSettings


def supplied(
    predictions: Predictions,
    needs: Sequence[str],
    settings: TrainSettings,
    previous: Predictions | None = None,
    *,
    scored: bool = True,
) -> Predictions:
    """Add what needs no network: the round before, the moving average.

    Parameters
    ----------
    predictions : Predictions
    needs : sequence of str
        Of an acquisition function; dropout must be among the predictions already.
    settings : TrainSettings
        Of this round's training.
    previous : Predictions, optional
        Of the round before; without one this round's stand for them.
    scored : bool
        Whether the picks have a score.

    Raises
    ------
    CryoalError
        A need that this training or these picks cannot meet.
    """
    added: dict[str, NDArray[np.float32]] = {}
    if "score" in needs and not scored:
        raise CryoalError(
            "acquisition 'score' ranks by the picker's score, and these picks have none; give a "
            "file that has one, or another --acquisition"
        )
    if "previous" in needs:
        added["previous"] = (
            predictions.teacher if previous is None else aligned(previous, predictions)
        )
    if "average" in needs:
        if settings.student_is != "average":
            raise CryoalError(
                'this acquisition needs the teacher\'s moving average: set student_is = "average", '
                'start = "scratch" and student = network under [train] in cryoal.toml'
            )
        added["average"] = predictions.probabilities["student"]
    return replace(predictions, probabilities={**predictions.probabilities, **added})


def aligned(other: Predictions, like: Predictions) -> NDArray[np.float32]:
    """The teacher's probabilities of another round, in the rows and classes of this one: (N, C).

    A class unknown then had no probability; a particle unknown then keeps the present one.
    """
    rows = other.rows(like.ids)
    p = np.zeros((len(like), len(like.classes)), dtype=np.float32)
    for column, name in enumerate(like.classes):
        if name in other.classes:
            p[:, column] = other.teacher[rows, other.classes.index(name)]
    p[rows < 0] = like.teacher[rows < 0]
    return p
