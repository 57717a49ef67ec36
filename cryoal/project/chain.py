"""One strategy with one seed: ask, learn, measure, choose, and again."""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cryoal.acquire.base import Pool
from cryoal.core.errors import CryoalError
from cryoal.core.labels import UNSURE
from cryoal.core.predictions import Predictions
from cryoal.data.split import split
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.learn.fit import History
from cryoal.project.measuring import COLUMNS, SCORE_COLUMNS, measure
from cryoal.project.oracle import HumanLike, Truth
from cryoal.project.plan import FULL, Plan
from cryoal.project.project import Project
from cryoal.project.selecting import COLD_START, find, make_pool
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import Sight, look
from cryoal.project.supplying import supplied
from cryoal.project.training import predict_pair, train_pair, unlearned_embedding

#: Share of the particles set aside for testing.
TEST_SHARE = 0.3


@dataclass(frozen=True)
class Bench:
    """Everything the rounds of one chain share.

    Attributes
    ----------
    settings : TrainSettings
        Of this recipe and seed.
    truth : (N,) str
        In the order of the store.
    train, test : rows of the store
    """

    project: Project
    settings: TrainSettings
    truth: NDArray[np.str_]
    sight: Sight
    train: NDArray[np.intp]
    test: NDArray[np.intp]

    @property
    def ids(self) -> NDArray[np.str_]:
        """Every particle of the store."""
        return self.project.subtomograms.ids


def set_up(plan: Plan, seed: int, way: str = "project") -> Bench:
    """Open the project, look up the truth, and set the test particles aside."""
    project = Project.open(plan.project)
    store = project.subtomograms
    truth = np.array(list(Truth.read(plan.truth).ask(list(store.ids)).values()))
    particles = project.particles[project.particles.rows(store.ids)]
    train, test = split(
        particles.tomogram,
        particles.position,
        TEST_SHARE,
        np.random.default_rng([seed, 1]),
        gap=store.geometry.box * store.geometry.voxel_size,
    )
    if plan.start > len(train):
        raise CryoalError(f"--start {plan.start}: only {len(train)} particles can be asked about")
    settings = plan.settings(way, seed, project.settings.train)
    return Bench(project, settings, truth, look(store, settings.device), train, test)


def run_chain(plan: Plan, acquisition: str, seed: int, way: str = "project") -> None:
    """Measure one strategy with one seed, round by round, writing each row when it is known.

    What the chain's files hold is not measured again.
    """
    torch.set_num_threads(1)
    table, scores, asked = _kept(plan, acquisition, seed, way)
    last = 0 if acquisition == FULL else plan.rounds
    if len(table) > last:
        return
    bench = set_up(plan, seed, way)
    if not len(asked):
        asked = _answers(plan, bench, _first(plan, bench, acquisition, seed), 0, seed)
        write_tsv(plan.labels_file(acquisition, seed, way), asked)
    before: Predictions | None = None
    number = int(asked["round"].astype(int).max())
    while True:
        began = time.monotonic()
        predictions, history = _learn(plan, bench, asked, acquisition, before)
        rows = np.array([], dtype=np.intp)
        if number < last:
            rows = _choose(plan, bench, predictions, asked, acquisition, seed, number + 1)
        seconds = time.monotonic() - began
        if number >= len(table):
            here = {"acquisition": acquisition, "recipe": way, "seed": seed, "round": number}
            measured = measure(
                bench.project.particles[bench.project.particles.rows(bench.ids[bench.test])],
                predictions.select(bench.test),
                bench.truth[bench.test],
                sorted(set(map(str, bench.truth))),
                acquisition,
                seed,
            )
            row = {
                **here,
                "labels": int((asked["label"] != UNSURE).sum()),
                "asked": len(asked),
                "steps": history.steps,
                "converged": int(history.converged or not history.steps),
                "seconds": round(seconds, 2),
                **measured.row,
            }
            scores = scores[scores["round"].astype(int) < number]
            scores = _with(scores, [{**here, **score} for score in measured.scores])
            write_tsv(plan.scores_file(acquisition, seed, way), scores)
            recalls = [name for name in row if name not in COLUMNS]
            table = _with(table, [{name: row[name] for name in (*COLUMNS, *recalls)}])
            write_tsv(plan.chain_file(acquisition, seed, way), table)
        if not len(rows):
            return  # all rounds are done, or nobody is left to ask about
        before, number = predictions, number + 1
        asked = pd.concat(
            [asked, _answers(plan, bench, bench.ids[rows], number, seed)], ignore_index=True
        )
        write_tsv(plan.labels_file(acquisition, seed, way), asked)


def difficulty(plan: Plan, seed: int) -> None:
    """How clear each particle is to a classifier that was not trained on it, 0 to 1: a file.

    Margins of two classifiers, each trained on the true labels of one half of the particles, as
    ranks: errors then have exactly the mean rate they should, and every strategy meets the same.
    """
    path = plan.difficulty_file(seed)
    if path.exists():
        return
    torch.set_num_threads(1)
    bench = set_up(plan, seed)
    order = np.random.default_rng([seed, 6]).permutation(bench.train)
    half = len(order) // 2
    margin = np.zeros(len(bench.ids))
    for told, other in ((order[:half], order[half:]), (order[half:], order[:half])):
        pair = train_pair(
            bench.sight,
            told,
            bench.truth[told].tolist(),
            bench.settings,
            pool=bench.train,
            schedule=plan.schedule_of(bench.settings),
        )
        top = np.sort(predict_pair(pair, bench.sight, bench.settings).teacher[other], axis=1)
        margin[other] = top[:, -1] - top[:, -2]
    rank = np.zeros(len(bench.ids))
    rank[bench.train] = margin[bench.train].argsort().argsort() / max(1, len(bench.train) - 1)
    table = pd.DataFrame({"id": bench.ids[bench.train], "clarity": rank[bench.train]})
    write_tsv(path, table)


def _kept(
    plan: Plan, acquisition: str, seed: int, way: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rows, scores and answers of an earlier run, or empty tables."""
    rows = pd.DataFrame(columns=list(COLUMNS), dtype=str)
    scores = pd.DataFrame(columns=list(SCORE_COLUMNS), dtype=str)
    asked = pd.DataFrame(columns=["round", "id", "label"], dtype=str)
    answers = plan.labels_file(acquisition, seed, way)
    if answers.exists():
        asked = read_tsv(answers, required=("round", "id", "label"))
        path = plan.chain_file(acquisition, seed, way)
        if path.exists():
            rows = read_tsv(path, required=COLUMNS)
            scores = read_tsv(plan.scores_file(acquisition, seed, way), required=SCORE_COLUMNS)
    return rows, scores, asked


def _with(table: pd.DataFrame, rows: list[dict[str, object]]) -> pd.DataFrame:
    """A table of text with these rows below."""
    added = pd.DataFrame([{name: str(value) for name, value in row.items()} for row in rows])
    return pd.concat([table, added], ignore_index=True) if len(table) else added


def _first(plan: Plan, bench: Bench, acquisition: str, seed: int) -> NDArray[np.str_]:
    """The first particles, the same for every strategy and recipe of a seed."""
    if acquisition == FULL:
        return np.asarray(bench.ids[bench.train])
    rng = np.random.default_rng([seed, 2])
    order = rng.permutation(bench.train)
    if plan.start_with == COLD_START:
        base = bench.project.settings.train.model_copy(update={"seed": seed})
        blank = Predictions(bench.ids, (), {}, unlearned_embedding(bench.sight, base))
        chosen = find(COLD_START)[1](_pool(bench, blank, {}, None, rng), plan.start, rng).rows
        order = np.r_[chosen, np.setdiff1d(order, chosen)]
    first = order[: plan.start]
    # Two classes must stand among them, or there is nothing to learn.
    if len(set(bench.truth[first])) < 2:
        other = order[bench.truth[order] != bench.truth[first[0]]][:1]
        first = np.r_[first[:-1], other]
    return np.asarray(bench.ids[first])


def _answers(
    plan: Plan, bench: Bench, ids: NDArray[np.str_], number: int, seed: int
) -> pd.DataFrame:
    """What the oracle says of these particles."""
    truth = Truth(dict(zip(map(str, bench.ids), map(str, bench.truth), strict=True)))
    names = [str(name) for name in ids]
    answers = truth.ask(names)
    if plan.errs:
        table = read_tsv(plan.difficulty_file(seed), required=("id", "clarity"))
        clarity = dict(zip(table["id"], table["clarity"].astype(float), strict=True))
        person = HumanLike(truth, plan.oracle_error, plan.oracle_unsure, clarity, seed)
        answers = person.ask(names)
    return pd.DataFrame(
        {"round": str(number), "id": names, "label": [answers[name] for name in names]}, dtype=str
    )


def _learn(
    plan: Plan,
    bench: Bench,
    asked: pd.DataFrame,
    acquisition: str,
    before: Predictions | None,
) -> tuple[Predictions, History]:
    """Train on the answers so far, and predict every particle."""
    needs = () if acquisition == FULL else find(acquisition)[1].needs
    number = asked["round"].astype(int)
    if before is None and "previous" in needs and number.max() > 0:
        before, _ = _learn(plan, bench, asked[number < number.max()], "random", None)
    sure = asked[asked["label"] != UNSURE]
    rows = bench.project.subtomograms.rows(sure["id"].to_numpy(dtype=str))
    pair = train_pair(
        bench.sight,
        rows,
        sure["label"].tolist(),
        bench.settings,
        pool=bench.train,  # the test particles are not even seen
        schedule=plan.schedule_of(bench.settings),
    )
    predictions = predict_pair(pair, bench.sight, bench.settings, needs=needs)
    also = ["average"] if bench.settings.student_is == "average" else []
    if before is not None:
        also.append("previous")
    return supplied(predictions, [*needs, *also], bench.settings, before, scored=True), pair.history


def _choose(
    plan: Plan,
    bench: Bench,
    predictions: Predictions,
    asked: pd.DataFrame,
    acquisition: str,
    seed: int,
    number: int,
) -> NDArray[np.intp]:
    """Rows to ask about next."""
    labels = dict(zip(asked["id"], asked["label"], strict=True))
    size = plan.subpool or bench.project.settings.select.subpool
    pool = _pool(bench, predictions, labels, size, np.random.default_rng([seed, 3, number]))
    _, function = find(acquisition)
    return function(pool, plan.step, np.random.default_rng([seed, 4, number])).rows


def _pool(
    bench: Bench,
    predictions: Predictions,
    labels: dict[str, str],
    size: int | None,
    rng: np.random.Generator,
) -> Pool:
    """Particles to choose from; a sub-pool is the first of an order that all strategies share."""
    project = bench.project
    may = [row for row in rng.permutation(bench.train) if str(bench.ids[row]) not in labels][:size]
    return make_pool(
        project.particles[project.particles.rows(bench.ids)],
        predictions,
        labels,
        set(map(str, np.delete(bench.ids, may))),
        project.diameter,
        None,
        rng,
    )
