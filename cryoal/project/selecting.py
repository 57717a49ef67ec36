"""From predictions to a queue: the pool an acquisition function sees, controls, the file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cryoal.acquire.base import Acquisition, Pool, acquisitions, take_in_order
from cryoal.core.duplicates import distances_apart
from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.io.columns import Columns
from cryoal.io.star import read_star, simple, write_star

#: What ``default`` stands for: what measured best (docs/decisions.md).
DEFAULT_ACQUISITION = "explore"

#: Chosen without any label, in round 0.
COLD_START = "cold_start"


#: ``--acquisition disputed`` asks about the particles that people name differently.
DISPUTED = "disputed"


@dataclass(frozen=True)
class Queue:
    """Particles to ask about, in the order in which to ask.

    Attributes
    ----------
    table : DataFrame
        cryoalId, cryoalUncertainty, cryoalPrediction, cryoalConfidence, cryoalControl.
    acquisition : str
    seed : int
    """

    table: pd.DataFrame
    acquisition: str
    seed: int

    COLUMNS = (
        "cryoalId",
        "cryoalUncertainty",
        "cryoalPrediction",
        "cryoalConfidence",
        "cryoalControl",
    )

    @property
    def ids(self) -> list[str]:
        """Particle ids in the order in which to ask."""
        return [str(name) for name in self.table["cryoalId"]]

    @property
    def controls(self) -> list[str]:
        """The random control items among them."""
        return [str(name) for name in self.table["cryoalId"][self.table["cryoalControl"] == "1"]]

    @property
    def scores(self) -> dict[str, float]:
        """``{id: score of the acquisition function}``."""
        return dict(zip(self.ids, self.table["cryoalUncertainty"].astype(float), strict=True))

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def read(cls, path: Path) -> "Queue | None":
        """Read ``queries.star``; None where there is none.

        Raises
        ------
        CryoalError
            It is damaged: names the block, the row, and what was expected there.
        """
        if not path.exists():
            return None
        blocks, remedy = read_star(path), "delete it and run cryoal select again"
        facts = Columns.of_block(blocks, "queue", path, remedy)
        queries = Columns.of_block(blocks, "queries", path, remedy)
        facts.first_row()
        name, seed = facts.text("cryoalAcquisition")[0], facts.whole("cryoalSeed", 0, 2**53)[0]
        if len(queries):
            queries.names("cryoalId")
            queries.text("cryoalPrediction")
            queries.numbers("cryoalUncertainty", -np.inf, np.inf, missing=True)
            queries.numbers("cryoalConfidence", 0, 1, missing=True)
            queries.whole("cryoalControl", 0, 1)
        for column in cls.COLUMNS:
            queries.text(column)
        return cls(queries.table[list(cls.COLUMNS)], name, int(seed))

    def write(self, path: Path) -> None:
        """Write ``queries.star``, all or nothing."""
        facts = simple(cryoalAcquisition=self.acquisition, cryoalSeed=str(self.seed))
        write_star(path, {"queue": facts, "queries": self.table})


def find(name: str) -> tuple[str, Acquisition]:
    """Acquisition function of this name; ``default`` is the one that measured best."""
    real = DEFAULT_ACQUISITION if name == "default" else name
    return real, acquisitions.get(real)


def make_pool(
    particles: ParticleSet,
    predictions: Predictions,
    labels: dict[str, str],
    excluded: set[str],
    diameter: float,
    subpool: int | None,
    rng: np.random.Generator,
    *,
    weak: Mapping[str, str] | None = None,
    diameters: Mapping[str, float] | None = None,
) -> Pool:
    """Everything an acquisition function may see, in the rows of ``predictions``.

    Parameters
    ----------
    particles : ParticleSet
        Those of ``predictions.ids``, in their order.
    labels : {id: class}
    excluded : set of id
        Never candidates: answered "unsure", or in the queue already.
    diameter : float, Angstrom
        Of every class but those in ``diameters``.
    subpool : int, optional
        Draw this many candidates at random first, the same for every strategy.
    weak : {id: class}, optional
        Particles of one list that differ in it count as of different lists.
    diameters : {class: Angstrom}, optional
    """
    classes = {name: number for number, name in enumerate(predictions.classes)}
    # A label of a class that the networks do not know yet still makes its particle no candidate.
    known = np.array(
        [
            classes.get(labels[i], len(classes)) if i in labels else -1
            for i in map(str, particles.id)
        ],
        dtype=np.intp,
    )
    candidates = np.flatnonzero(
        [known[row] < 0 and str(i) not in excluded for row, i in enumerate(particles.id)]
    )
    if subpool is not None and subpool < len(candidates):
        candidates = np.sort(rng.choice(candidates, subpool, replace=False))
    source = np.full(len(particles), "") if particles.source is None else particles.source
    if weak:
        source = np.array(
            [
                f"{name}: {weak.get(str(i), '')}"
                for name, i in zip(source, particles.id, strict=True)
            ]
        )
    kind, apart = _kinds(particles, predictions, labels, diameter, diameters)
    return Pool(
        predictions=predictions,
        labels=known,
        candidates=candidates,
        tomogram=particles.tomogram,
        source=source,
        position=particles.position,
        score_rank=score_rank(particles),
        min_distance=diameter / 2,
        kind=kind,
        apart=apart,
    )


def _kinds(
    particles: ParticleSet,
    predictions: Predictions,
    labels: Mapping[str, str],
    diameter: float,
    diameters: Mapping[str, float] | None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """What each particle is called by a person, else by the teacher, and how close two may lie."""
    here = [labels.get(name, "") for name in map(str, particles.id)]
    classes = [*predictions.classes, *sorted(set(here) - {"", *predictions.classes})]
    kind = np.full(len(particles), len(classes), dtype=np.intp)
    if "teacher" in predictions.probabilities:
        kind = predictions.teacher.argmax(1)
    number = {name: at for at, name in enumerate(classes)}
    for row, name in enumerate(here):
        if name:
            kind[row] = number[name]
    return kind, distances_apart(classes, diameter, diameters)


def score_rank(particles: ParticleSet) -> NDArray[np.float64]:
    """Rank of the picker's score within tomogram and source, 0 worst to 1 best: (N,)."""
    rank = np.full(len(particles), np.nan)
    if particles.score is None:
        return rank
    source = np.full(len(particles), "") if particles.source is None else particles.source
    groups = pd.DataFrame({"tomogram": particles.tomogram, "source": source})
    for group in groups.groupby(["tomogram", "source"]).indices.values():
        rows = np.asarray(group)
        scored = rows[np.isfinite(particles.score[rows])]
        if len(scored) > 1:
            rank[scored] = (rankdata(particles.score[scored]) - 1) / (len(scored) - 1)
    return rank


def choose(
    pool: Pool, n: int, acquisition: str, controls: float, seed: int, *, before: Queue | None = None
) -> Queue:
    """Choose n particles, the random controls among them, and mix them.

    Parameters
    ----------
    controls : float
        Fraction of the n that is drawn at random, whatever the scores: what the classifier's
        accuracy and the class counts can be estimated from without bias.
    before : Queue, optional
        Extend this one: its particles stay where they are.
    """
    name, function = find(acquisition)
    rng = np.random.default_rng([seed, 0 if before is None else len(before)])
    if before is not None:
        asked = np.isin(pool.predictions.ids, before.ids)
        pool = _with_asked(pool, np.flatnonzero(asked))
    wanted = min(n, len(pool.candidates))
    drawn = take_in_order(pool, rng.permutation(pool.candidates), round(controls * wanted))
    pick = function(_with_asked(pool, drawn), wanted - len(drawn), rng)
    rows = np.concatenate([pick.rows, drawn])
    scores = np.full(len(pool.labels), np.nan)
    scores[pool.candidates] = pick.scores[pool.candidates]
    order = rng.permutation(len(rows))
    table = queue_table(pool.predictions, rows, scores, set(drawn.tolist())).iloc[order]
    if before is not None:
        table = pd.concat([before.table, table])
    return Queue(table.reset_index(drop=True), name, seed)


def _with_asked(pool: Pool, rows: NDArray[np.intp]) -> Pool:
    """The pool in which these rows count as labelled, so that their twins are not asked."""
    labels = pool.labels.copy()
    labels[rows] = len(pool.predictions.classes)
    return replace(pool, labels=labels, candidates=np.setdiff1d(pool.candidates, rows))


def queue_table(
    predictions: Predictions,
    rows: NDArray[np.intp],
    scores: NDArray[np.float64],
    controls: set[int],
) -> pd.DataFrame:
    """Columns of ``queries.star`` for these rows."""
    guess, confidence = np.full(len(rows), "none", dtype=object), np.full(len(rows), np.nan)
    if "teacher" in predictions.probabilities:
        p = predictions.teacher[rows]
        guess = np.array(predictions.classes, dtype=object)[p.argmax(1)]
        confidence = p.max(1)
    return pd.DataFrame(
        {
            "cryoalId": predictions.ids[rows],
            "cryoalUncertainty": [f"{value:.6g}" for value in scores[rows]],
            "cryoalPrediction": guess,
            "cryoalConfidence": [f"{value:.4f}" for value in confidence],
            "cryoalControl": ["1" if row in controls else "0" for row in rows.tolist()],
        },
        dtype=str,
    )
