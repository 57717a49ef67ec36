"""Labels that do not count because people name a particle differently, and how to decide them."""

import time
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.labels import UNSURE, LabelBook
from cryoal.io.files import locked
from cryoal.project import journal
from cryoal.project.selecting import DISPUTED, Queue
from cryoal.project.stopping import cohens_kappa

if TYPE_CHECKING:
    from cryoal.project.project import Project

#: Ids that a sentence names; ``status --json`` and the queue have all.
SHOWN = 5


def disputed(project: "Project") -> dict[str, dict[str, str]]:
    """``{id: {annotator: label}}`` of particles that are here and have no name ahead."""
    known = set(map(str, project.particles.id))
    found = project.labels.book().disputed()
    return {name: words for name, words in sorted(found.items()) if name in known}


def sentence(found: Mapping[str, Mapping[str, str]], project: object) -> str:
    """Who names what differently, what that means, and what to do; empty where nobody does."""
    if not found:
        return ""
    people = sorted({who for words in found.values() for who in words})
    shown = [
        f"{name} ({', '.join(f'{who}: {word}' for who, word in sorted(words.items()))})"
        for name, words in list(found.items())[:SHOWN]
    ]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    one = len(found) == 1
    return (
        f"{len(found)} particle{'' if one else 's'} that {' and '.join(people)} name differently "
        f"do{'es' if one else ''} not count: {', '.join(shown)}{more}. To decide: cryoal select "
        f"{project} --acquisition {DISPUTED}; or, if two names are one class, rename it for all"
    )


def between_annotators(book: LabelBook) -> list[dict[str, Any]]:
    """How far each two people agree on particles that both named.

    Returns
    -------
    list of {"annotators": [a, b], "both": n, "same": n, "kappa": float or None}
        Cohen's kappa is agreement beyond chance; None where both gave one name to all.
    """
    words: dict[str, dict[str, str]] = {}
    for particle, said in book.answers().items():
        for who, word in said.items():
            if word != UNSURE:
                words.setdefault(who, {})[particle] = word
    found: list[dict[str, Any]] = []
    for one, other in combinations(sorted(words), 2):
        both = sorted(words[one].keys() & words[other].keys())
        if not both:
            continue
        first, second = (np.array([words[who][name] for name in both]) for who in (one, other))
        kappa = cohens_kappa(first, second)
        found.append(
            {
                "annotators": [one, other],
                "both": len(both),
                "same": int((first == second).sum()),
                "kappa": None if np.isnan(kappa) else round(kappa, 4),
            }
        )
    return found


def ask_disputed(project: "Project", n: int | None) -> Queue:
    """Make a queue of the disputed particles, those that most people looked at first.

    It stands in a round of its own, so that everybody is asked again, also who answered before.

    Raises
    ------
    CryoalError
        Nobody disagrees about a particle that has a box.
    """
    began = time.monotonic()
    boxes = set(map(str, project.subtomograms.ids))
    found = {name: words for name, words in disputed(project).items() if name in boxes}
    if not found:
        raise CryoalError(
            f"{project.layout.root}: no particle with a box has labels that differ; next: cryoal "
            f"select {project.layout.root}"
        )
    ids = sorted(found, key=lambda name: (-len(found[name]), name))[:n]
    before = project.queue
    here = project.layout.round(max(project.newest_queue_number, 0))
    if before is not None and before.acquisition == DISPUTED:
        if set(ids) <= set(before.ids) and set(before.ids) <= set(found):
            return before
    else:
        here = project.layout.next_round
    queue = Queue(_table(project, ids, found), DISPUTED, 0)
    with locked(project.layout.lock):
        queue.write(here.queries)
        facts = {"round": here.number, "acquisition": DISPUTED, "n": len(ids)}
        journal.write(project.layout, "select", facts, began)
    return queue


def _table(
    project: "Project", ids: list[str], found: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """Rows of ``queries.star``: the share of votes against the most frequent name as the score."""
    guesses: dict[str, tuple[str, float]] = {}
    predictions = project.predictions
    if predictions is not None:
        rows = predictions.rows(np.array(ids))
        for name, row in zip(ids, rows, strict=True):
            if row >= 0:
                p = predictions.teacher[row]
                guesses[name] = (predictions.classes[int(p.argmax())], float(p.max()))
    scores = []
    for name in ids:
        votes = [word for word in found[name].values() if word != UNSURE]
        scores.append(1 - max(map(votes.count, votes)) / len(votes))
    return pd.DataFrame(
        {
            "cryoalId": ids,
            "cryoalUncertainty": [f"{score:.6g}" for score in scores],
            "cryoalPrediction": [guesses.get(name, ("none", 0.0))[0] for name in ids],
            "cryoalConfidence": [
                f"{guesses[name][1]:.4f}" if name in guesses else "nan" for name in ids
            ],
            "cryoalControl": "0",
        },
        dtype=str,
    )
