"""How good is it, and is it time to stop? What labels and rounds tell without a truth."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cryoal.core.predictions import Predictions
from cryoal.io.predictions import read_predictions
from cryoal.project.classes import Classes
from cryoal.project.round_inputs import learnt_labels, usable_labels
from cryoal.project.selecting import DISPUTED, Queue

if TYPE_CHECKING:
    from cryoal.project.project import Project

#: Agreement of consecutive models at which more labels of this kind stop changing the answer
#: (Bloodgood and Vijay-Shanker, CoNLL 2009, recommend a kappa of 0.99 over three models).
SETTLED = 0.99

#: Rounds whose random controls are pooled: the newest say most of the classifier of today.
RECENT = 3


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, J. Am. Stat. Assoc. 22, 209, 1927); NaN of none."""
    n, z = count, 1.96
    if not n:
        return float("nan"), float("nan")
    p = hits / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


@dataclass(frozen=True)
class Controls:
    """How the classifier did on particles that were drawn at random and then labelled.

    Attributes
    ----------
    answered, correct : int
    low, high : float
        95 % interval of the accuracy (Wilson score).
    """

    answered: int
    correct: int

    @property
    def accuracy(self) -> float:
        """Share predicted rightly before the answer was known; NaN without answers."""
        return self.correct / self.answered if self.answered else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson score interval of the accuracy."""
        return wilson(self.correct, self.answered)


def control_accuracy(project: "Project") -> Controls:
    """Compare predictions with the answers to the random controls of the newest rounds."""
    labels = project.labels.current()
    today = Classes.read(project.layout.classes).now
    answered = correct = 0
    with_queue = [r for r in project.layout.existing_rounds() if r.queries.exists()]
    for here in with_queue[-RECENT:]:
        queue = Queue.read(here.queries)
        assert queue is not None
        rows = queue.table[queue.table["cryoalControl"] == "1"]
        for name, guess in zip(rows["cryoalId"], rows["cryoalPrediction"], strict=True):
            if guess != "none" and name in labels:
                answered += 1
                correct += labels[name] == today(guess)
    return Controls(answered, correct)


def kappa(first: Predictions, second: Predictions) -> float:
    """Cohen's kappa of two models' classes on the particles that both predicted."""
    rows = second.rows(first.ids)
    both = rows >= 0
    if not both.any():
        return float("nan")
    one = np.array(first.classes)[first.teacher[both].argmax(1)]
    other = np.array(second.classes)[second.teacher[rows[both]].argmax(1)]
    found = cohens_kappa(one, other)
    return 1.0 if np.isnan(found) else found


def cohens_kappa(one: NDArray[np.str_], other: NDArray[np.str_]) -> float:
    """Agreement of two lists of names beyond chance, (n,) each; NaN where both give one name."""
    agree = float((one == other).mean())
    chance = sum(_share(one, name) * _share(other, name) for name in set(one) | set(other))
    return float("nan") if chance == 1 else (agree - chance) / (1 - chance)


def _share(words: NDArray[np.str_], name: str) -> float:
    return float((words == name).mean())


def agreement(project: "Project") -> list[float]:
    """Kappa of each pair of consecutive rounds, oldest first."""
    paths = [r.predictions for r in project.rounds if r.predictions.exists()]
    today = Classes.read(project.layout.classes).now
    predictions = [read_predictions(path)[0].called(today) for path in paths[-RECENT - 1 :]]
    return [kappa(a, b) for a, b in itertools.pairwise(predictions)]


def learnt_from_weak_alone(project: "Project") -> bool:
    """Whether the newest round learnt from weak labels, for want of people's of two classes."""
    learnt = learnt_labels(project.rounds[-1]) if project.rounds else None
    return learnt is not None and len(set(learnt.values())) < 2


def behind(project: "Project") -> str:
    """What the newest round does not know yet, in one sentence; empty where it knows all."""
    if not project.rounds:
        return ""
    here = project.rounds[-1]
    news = []
    learnt = learnt_labels(here)
    if learnt is not None:
        said, known = usable_labels(project).items(), learnt.items()
        news.append((len(said - known) or len(known - said), "label"))
    predictions = project.predictions
    predicted = set() if predictions is None else set(map(str, predictions.ids))
    news.append((len(set(project.subtomograms.ids) - predicted), "particle"))
    parts = [f"{n} {what}{'' if n == 1 else 's'}" for n, what in news if n]
    if not parts:
        return ""
    return f"Round {here.number} does not know {' and '.join(parts)} of today yet"


def advice(project: "Project") -> str:
    """One sentence on whether more labels are worth it, and the next command."""
    root = project.layout.root
    queue = project.queue
    if queue is None:
        return f"Nothing asked yet. Next: cryoal select {root}"
    if not len(project.subtomograms):
        return f"No particle was extracted: {project.layout.left_out} says why"
    if not len(queue):
        return f"There is nobody left to ask about. Next: cryoal export {root}"
    answered = project.labels.book().answers().keys()
    waiting = sum(name not in answered for name in queue.ids)
    if queue.acquisition == DISPUTED:
        waiting = len(project.labels.book().disputed().keys() & set(queue.ids))
    if waiting:
        return (
            f"{waiting} of {len(queue)} particles in the queue wait for an answer. Next: "
            f"cryoal annotate {root}, or cryoal sheet {root}, or cryoal label {root} --from FILE"
        )
    agreed = agreement(project)
    if len(agreed) >= RECENT - 1 and min(agreed[-(RECENT - 1) :]) >= SETTLED:
        return (
            f"The last rounds changed next to nothing (kappa {agreed[-1]:.3f}): time to stop. "
            f"Next: cryoal export {root}"
        )
    return f"The queue is answered. Next: cryoal select {root}"
