"""One strategy with one seed: ask, learn, measure, choose, and again."""

import time

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.acquire.base import Pool
from cryoal.core.labels import UNSURE
from cryoal.core.predictions import Predictions
from cryoal.core.registry import named_by_person
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.learn.device import one_thread
from cryoal.project.bench import Bench, set_up
from cryoal.project.measuring import COLUMNS, SCORE_COLUMNS, measure
from cryoal.project.oracle import HumanLike, Truth
from cryoal.project.plan import FULL, Plan
from cryoal.project.selecting import COLD_START, find, make_pool
from cryoal.project.settling import unlearned_embedding
from cryoal.project.supplying import needs_of, supplied
from cryoal.project.training import Pair, predict_pair, train_pair


def run_chain(plan: Plan, acquisition: str, seed: int, way: str = "project") -> None:
    """Measure one strategy with one seed, round by round, writing each row when it is known.

    What the chain's files hold is not measured again.
    """
    with one_thread(), named_by_person(*plan.named):
        _run_chain(plan, acquisition, seed, way)


def _run_chain(plan: Plan, acquisition: str, seed: int, way: str) -> None:
    table, scores, asked = _kept(plan, acquisition, seed, way)
    last = 0 if acquisition == FULL else plan.rounds
    if len(table) > last:
        return
    bench = set_up(plan, seed, way)
    if not len(asked):
        asked = _answers(plan, bench, _first(plan, bench, acquisition, seed), 0, seed)
        write_tsv(plan.labels_file(acquisition, seed, way), asked)
    before: Predictions | None = None
    pair: Pair | None = None
    number = int(asked["round"].astype(int).max())
    while True:
        if before is None and number > 0:
            before, pair = _before(plan, bench, asked, number)
        began = time.monotonic()
        predictions, pair = _learn(plan, bench, asked, acquisition, before, pair)
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
                "steps": pair.history.steps,
                "converged": int(pair.history.converged or not pair.history.steps),
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


def _before(
    plan: Plan, bench: Bench, asked: pd.DataFrame, number: int
) -> tuple[Predictions | None, Pair | None]:
    """What the round before an interruption knew: learnt once more from its labels.

    Where each round starts from the one before, all of them are.
    """
    predictions: Predictions | None = None
    pair: Pair | None = None
    first = 0 if bench.settings.start == "previous" else number - 1
    for earlier in range(first, number):
        told = asked[asked["round"].astype(int) <= earlier]
        predictions, pair = _learn(plan, bench, told, "random", None, pair)
    return predictions, pair


def _learn(
    plan: Plan,
    bench: Bench,
    asked: pd.DataFrame,
    acquisition: str,
    before: Predictions | None,
    earlier: Pair | None,
) -> tuple[Predictions, Pair]:
    """Train on the answers so far, and predict every particle."""
    needs = () if acquisition == FULL else needs_of(acquisition)
    sure = asked[asked["label"] != UNSURE]
    rows = bench.project.subtomograms.rows(sure["id"].to_numpy(dtype=str))
    pair = train_pair(
        bench.sight,
        rows,
        sure["label"].tolist(),
        bench.settings,
        pool=bench.train,  # the test particles are not even seen
        schedule=plan.schedule_of(bench.settings),
        earlier=earlier,
    )
    predictions = predict_pair(pair, bench.sight, bench.settings, needs=needs)
    also = ["average"] if bench.settings.student_is == "average" else []
    if before is not None:
        also.append("previous")
    return supplied(predictions, [*needs, *also], bench.settings, before, scored=True), pair


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
        diameters=project.diameters,
    )
