"""What an acquisition function needs beyond teacher and student, added to the predictions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.io.predictions import read_predictions
from cryoal.learn.predict import predict_dropout
from cryoal.project.layout import RoundLayout
from cryoal.project.selecting import find
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import look
from cryoal.project.training import load_pair

if TYPE_CHECKING:
    from cryoal.project.project import Project


def needs_of(acquisition: str) -> tuple[str, ...]:
    """What an acquisition function needs; a plain function that names nothing needs nothing."""
    return tuple(getattr(find(acquisition)[1], "needs", ()))


def supplied_round(
    project: "Project", here: RoundLayout, predictions: Predictions, acquisition: str
) -> Predictions:
    """The predictions of a project's round with all that the acquisition function needs."""
    needs, train = needs_of(acquisition), project.settings.train
    if "dropout" in needs:
        teacher = load_pair(here.teacher, here.student).teacher
        sight = look(project.subtomograms, train.device)
        drawn = predict_dropout(
            teacher, sight.blocks(teacher), seed=train.seed, device=train.device
        )
        predictions = replace(
            predictions, probabilities={**predictions.probabilities, "dropout": drawn}
        )
    earlier = [r for r in project.layout.existing_rounds() if 0 < r.number < here.number]
    kept = [r.predictions for r in earlier if r.predictions.exists()]
    previous = read_predictions(kept[-1])[0] if "previous" in needs and kept else None
    return supplied(predictions, needs, train, previous, scored=has_scores(project))


def has_scores(project: "Project") -> bool:
    """Whether any pick has the picker's score."""
    score = project.particles.score
    return score is not None and bool(np.isfinite(score).any())


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
