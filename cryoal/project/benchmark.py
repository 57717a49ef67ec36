"""How many labels buy how much accuracy: strategies against a known truth, on equal terms.

Within a seed every strategy has the same test particles (whole tomograms, or blocks with a gap),
the same first labels, the same sub-pool and the same training; only the choice differs. The test
particles are never seen in training, never asked about, and decide nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.labels import UNSURE
from cryoal.core.predictions import Predictions
from cryoal.data.split import split
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.learn import metrics
from cryoal.learn.fit import Schedule
from cryoal.project.oracle import HumanLike, Truth
from cryoal.project.project import Project
from cryoal.project.selecting import find, make_pool
from cryoal.project.settings import TrainSettings
from cryoal.project.training import predict_pair, train_pair, views_of
from cryoal.project.workers import executor

#: Share of the particles set aside for testing.
TEST_SHARE = 0.3

COLUMNS = (
    "acquisition",
    "seed",
    "round",
    "labels",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "seconds",
    "spearman",
    "auroc",
    "steps",
)

#: Columns that count something.
WHOLE = ("seed", "round", "labels", "steps")


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes
    ----------
    project : Path
    truth : Path
        TSV with id, label.
    out : Path
    acquisitions : sequence of str
        ``default`` stands for the default; ``full`` trains once on every label.
    start, step, rounds, seeds : int
        First labels, labels a round, rounds after the first, paired repetitions.
    oracle_error : float
        Mean share of wrong answers, on the particles of smallest margin.
    schedule : Schedule, optional
        Of every training; default the project's.
    """

    project: Path
    truth: Path
    out: Path
    acquisitions: Sequence[str] = ("default", "random")
    start: int = 50
    step: int = 50
    rounds: int = 4
    seeds: int = 3
    oracle_error: float = 0.0
    schedule: Schedule | None = None

    def chain_file(self, acquisition: str, seed: int) -> Path:
        """Rows of one strategy and seed; a chain goes on from what its files hold."""
        safe = acquisition.replace(":", "_")
        return self.out / "chains" / f"{safe}-{seed}.tsv"


def run(
    plan: Plan, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Run every strategy and seed, in processes, and write ``results.tsv``.

    Interrupted and started again with the same plan, it goes on to the same table.

    Returns
    -------
    DataFrame with the columns of ``results.tsv``, sorted
    """
    for name in plan.acquisitions:
        if name != "full":
            find(name)  # a typo is better found now than in an hour
    chains = [(name, seed) for seed in range(plan.seeds) for name in plan.acquisitions]
    with executor(workers, len(chains)) as pool:
        jobs = [pool.submit(run_chain, plan, *chain) for chain in chains]
        for done, job in enumerate(jobs, 1):
            job.result()
            if progress is not None:
                progress(done, len(jobs))
    return collect(plan)


def collect(plan: Plan) -> pd.DataFrame:
    """Unite the chains' rows into ``results.tsv``."""
    parts = [
        read_tsv(plan.chain_file(name, seed), required=COLUMNS)
        for seed in range(plan.seeds)
        for name in plan.acquisitions
    ]
    table = pd.concat(parts, ignore_index=True)
    write_tsv(plan.out / "results.tsv", table)
    return numbers(table)


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its numbers as numbers."""
    typed = table.copy()
    for column in typed.columns.drop("acquisition"):
        typed[column] = typed[column].astype(int if column in WHOLE else float)
    return typed


@dataclass(frozen=True)
class Bench:
    """Everything the rounds of one chain share."""

    project: Project
    settings: TrainSettings
    truth: NDArray[np.str_]
    boxes: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def set_up(plan: Plan, seed: int) -> Bench:
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
    return Bench(
        project,
        project.settings.train.model_copy(update={"seed": seed}),
        truth,
        store.read(np.arange(len(store))),
        views_of(store.index, store.tomogram),
        train,
        test,
    )


def run_chain(plan: Plan, acquisition: str, seed: int) -> None:
    """Measure one strategy with one seed, round by round, writing each row when it is known."""
    torch.set_num_threads(1)
    path = plan.chain_file(acquisition, seed)
    labels_path = path.with_name(f"{path.stem}-labels.tsv")
    table = pd.DataFrame(columns=list(COLUMNS), dtype=str)
    asked = pd.DataFrame(columns=["round", "id", "label"], dtype=str)
    if path.exists() and labels_path.exists():
        table, asked = read_tsv(path, required=COLUMNS), read_tsv(labels_path)
    last_round = 0 if acquisition == "full" else plan.rounds
    if len(table) == last_round + 1:
        return
    bench = set_up(plan, seed)
    ids = bench.project.subtomograms.ids
    if not len(asked):
        asked = _answers(plan, bench, _first(plan, bench, acquisition, seed), 0, seed, None)
        write_tsv(labels_path, asked)
    while True:
        number = int(asked["round"].astype(int).max())
        began = time.monotonic()
        predictions, steps = _learn(plan, bench, asked)
        if number >= len(table):
            row: dict[str, object] = {
                "acquisition": acquisition,
                "seed": seed,
                "round": number,
                "labels": int((asked["label"] != UNSURE).sum()),
                "steps": steps,
                **_measure(bench, predictions, acquisition, seed),
                "seconds": round(time.monotonic() - began, 2),
            }
            line = pd.DataFrame([{name: str(row[name]) for name in COLUMNS}])
            table = pd.concat([table, line], ignore_index=True)
            write_tsv(path, table)
        if number >= last_round:
            return
        rows = _choose(plan, bench, predictions, asked, acquisition, seed, number + 1)
        answers = _answers(plan, bench, ids[rows], number + 1, seed, predictions)
        asked = pd.concat([asked, answers], ignore_index=True)
        write_tsv(labels_path, asked)


def _first(plan: Plan, bench: Bench, acquisition: str, seed: int) -> NDArray[np.str_]:
    """The first particles: at random, the same for every strategy of a seed."""
    ids: NDArray[np.str_] = bench.project.subtomograms.ids
    if acquisition == "full":
        return np.asarray(ids[bench.train])
    order = np.random.default_rng([seed, 2]).permutation(bench.train)
    # Every class must stand among them at least once, or there is nothing to compare: draw on.
    first = order[: plan.start]
    if len(set(bench.truth[first])) < 2:
        other = order[bench.truth[order] != bench.truth[first[0]]][:1]
        first = np.r_[first[:-1], other]
    return np.asarray(ids[first])


def _answers(
    plan: Plan,
    bench: Bench,
    ids: NDArray[np.str_],
    number: int,
    seed: int,
    predictions: Predictions | None,
) -> pd.DataFrame:
    """What the oracle says of these particles."""
    everyone = bench.project.subtomograms.ids
    truth = Truth(dict(zip(map(str, everyone), map(str, bench.truth), strict=True)))
    names = [str(name) for name in ids]
    answers = truth.ask(names)
    if plan.oracle_error > 0:
        margin = None if predictions is None else margins(predictions)
        answers = HumanLike(truth, plan.oracle_error, 0.0, margin, seed).ask(names)
    return pd.DataFrame(
        {"round": str(number), "id": names, "label": [answers[name] for name in names]}, dtype=str
    )


def margins(predictions: Predictions) -> dict[str, float]:
    """Largest minus second largest probability of every particle."""
    top = np.sort(predictions.teacher, axis=1)
    return dict(zip(map(str, predictions.ids), (top[:, -1] - top[:, -2]).tolist(), strict=True))


def _learn(plan: Plan, bench: Bench, asked: pd.DataFrame) -> tuple[Predictions, int]:
    sure = asked[asked["label"] != UNSURE]
    store = bench.project.subtomograms
    rows = store.rows(sure["id"].to_numpy(dtype=str))
    pair = train_pair(
        bench.boxes[rows],
        sure["label"].tolist(),
        store.geometry.network_box,
        store.geometry.shift,
        bench.allowed[rows],
        bench.settings,
        schedule=plan.schedule,
    )
    predictions = predict_pair(
        pair, store.ids, lambda: iter([bench.boxes]), bench.allowed, bench.settings
    )
    return predictions, pair.history.steps


def _choose(
    plan: Plan,
    bench: Bench,
    predictions: Predictions,
    asked: pd.DataFrame,
    acquisition: str,
    seed: int,
    number: int,
) -> NDArray[np.intp]:
    project = bench.project
    labels = dict(zip(asked["id"], asked["label"], strict=True))
    aside = set(predictions.ids) - set(predictions.ids[bench.train])
    pool = make_pool(
        project.particles[project.particles.rows(predictions.ids)],
        predictions,
        labels,
        aside,
        project.diameter,
        project.settings.select.subpool,
        np.random.default_rng([seed, 3, number]),
    )
    _, function = find(acquisition)
    return function(pool, plan.step, np.random.default_rng([seed, 4, number])).rows


def _measure(
    bench: Bench, predictions: Predictions, acquisition: str, seed: int
) -> dict[str, float]:
    """Accuracy on the test particles, and how well the score finds the teacher's errors there."""
    classes = sorted(set(bench.truth) | set(predictions.classes))
    number = {name: at for at, name in enumerate(classes)}
    truth = np.array([number[name] for name in bench.truth[bench.test]])
    own = np.array([number[name] for name in predictions.classes])
    p = np.zeros((len(truth), len(classes)), dtype=np.float32)
    p[:, own] = predictions.teacher[bench.test]
    guess = p.argmax(1)
    spearman = auroc = float("nan")
    if acquisition != "full":
        project = bench.project
        here = predictions.select(bench.test)
        pool = make_pool(
            project.particles[project.particles.rows(here.ids)],
            here,
            {},
            set(),
            0.0,
            None,
            np.random.default_rng(seed),
        )
        scores = find(acquisition)[1](pool, 1, np.random.default_rng([seed, 5])).scores
        spearman = metrics.spearman(scores, metrics.log_loss(truth, p))
        auroc = metrics.error_auroc(scores, guess != truth)
    return {
        "accuracy": round(metrics.accuracy(truth, guess), 4),
        "balanced_accuracy": round(metrics.balanced_accuracy(truth, guess, len(classes)), 4),
        "macro_f1": round(metrics.macro_f1(truth, guess, len(classes)), 4),
        "spearman": round(spearman, 4),
        "auroc": round(auroc, 4),
    }
