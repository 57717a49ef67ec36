"""How many labels buy how much accuracy: strategies against a known truth, on equal terms.

Within a seed every strategy and every recipe has the same test particles (whole tomograms, or
blocks with a gap), the same first labels and the same sub-pool; only the choice, or the training,
differs. The test particles are never seen in training, never asked about, and decide nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.registry import named_by_person
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.project.bench import difficulty, set_up
from cryoal.project.chain import run_chain
from cryoal.project.lesson_plan import check_settings, starts_pretrained
from cryoal.project.measuring import COLUMNS, SCORE_COLUMNS
from cryoal.project.oracle import Truth
from cryoal.project.plan import FULL, Chain, Plan, claim
from cryoal.project.project import Project
from cryoal.project.sight import boxes_digest, look
from cryoal.project.supplying import has_scores, needs_of
from cryoal.project.workers import executor

__all__ = [
    "COLUMNS",
    "Plan",
    "collect",
    "full_rows",
    "numbers",
    "run",
    "run_chain",
    "score_rows",
    "set_up",
]

log = logging.getLogger(__name__)

#: Columns that count something.
WHOLE = ("seed", "round", "labels", "steps", "asked", "converged")

#: Columns of names.
TEXT = ("acquisition", "recipe", "score")


def run(
    plan: Plan, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Run every strategy, recipe and seed, and write the tables.

    Interrupted and started again with the same plan, it goes on to the same tables.

    Parameters
    ----------
    plan : Plan
    workers : int, optional
        Processes; 1 is this one, the default one a core.
    progress : callable (chains done, chains), optional

    Returns
    -------
    DataFrame with the columns of ``results.tsv``, sorted
    """
    with named_by_person(*plan.named):
        return _run(plan, workers, progress)


def _run(
    plan: Plan, workers: int | None, progress: Callable[[int, int], None] | None
) -> pd.DataFrame:
    plan = feasible(plan)
    chains = chains_of(plan)
    calls = [(c.acquisition, c.seed, c.recipe) for c in chains]
    tell = progress or (lambda _done, _total: None)
    if workers == 1:
        for seed in range(plan.seeds if plan.errs else 0):
            difficulty(plan, seed)
        for done, call in enumerate(calls, 1):
            run_chain(plan, *call)
            tell(done, len(calls))
        return collect(plan)
    with executor(workers, len(calls)) as pool:
        for job in [pool.submit(difficulty, plan, s) for s in range(plan.seeds) if plan.errs]:
            job.result()
        for done, job in enumerate([pool.submit(run_chain, plan, *call) for call in calls], 1):
            job.result()
            tell(done, len(calls))
    return collect(plan)


def feasible(plan: Plan) -> Plan:
    """The plan without what this project cannot give, everything else checked.

    Raises
    ------
    CryoalError
        An unknown name, a setting that cannot be, a truth that does not know every particle, a
        folder with another benchmark's results, or nothing left to measure.
    """
    project = Project.open(plan.project)
    store = project.subtomograms
    needs = {name: needs_of(name) for name in plan.acquisitions if name != FULL}
    truth = Truth.read(plan.truth).ask(list(store.ids))
    settings = [plan.settings(way, 0, project.settings.train) for way in plan.recipes]
    n_classes, box = max(2, len(set(truth.values()))), store.geometry.network_box
    for one in settings:
        check_settings(one, n_classes, box, project.layout.settings)
    if not has_scores(project):
        for name in [name for name, wanted in needs.items() if "score" in wanted]:
            log.warning("%s: the picks have no score, so %r is left out", plan.project, name)
            plan = replace(plan, acquisitions=[a for a in plan.acquisitions if a != name])
    chains = chains_of(plan)
    for chain in (c for c in plan.chains if c.seed == 0 and c not in chains):
        log.warning(
            "%s with recipe %s is left out: its student is no moving average",
            *(chain.acquisition, chain.recipe),
        )
    if not chains:
        raise CryoalError(f"{plan.project}: no acquisition is left that could be measured")
    set_up(plan, 0)
    claim(plan, project.settings.train, boxes_digest(store))
    # Described once, with all cores, before several processes need it.
    sight = look(store, project.settings.train.device)
    if any(map(starts_pretrained, settings)):
        _ = sight.beside
    return plan


def chains_of(plan: Plan) -> list[Chain]:
    """The plan's chains, less those whose training lacks what the acquisition needs."""
    base = Project.open(plan.project).settings.train
    averaged = {way for way in plan.recipes if plan.settings(way, 0, base).student_is == "average"}
    return [
        chain
        for chain in plan.chains
        if chain.acquisition == FULL
        or "average" not in needs_of(chain.acquisition)
        or chain.recipe in averaged
    ]


def collect(plan: Plan) -> pd.DataFrame:
    """Unite the chains' rows into ``results.tsv``, ``full.tsv`` and ``scores.tsv``."""
    chains = chains_of(plan)
    table = _united(
        [read_tsv(plan.chain_file(c.acquisition, c.seed, c.recipe), COLUMNS) for c in chains]
    )
    table = table[table["round"].astype(int) <= plan.rounds]
    scores = _united(
        [read_tsv(plan.scores_file(c.acquisition, c.seed, c.recipe), SCORE_COLUMNS) for c in chains]
    )
    recalls = sorted(set(table.columns) - set(COLUMNS))
    table = table[[*COLUMNS, *recalls]].fillna("nan")
    write_tsv(plan.out / "scores.tsv", scores)
    full = table["acquisition"] == FULL
    if full.any():
        write_tsv(plan.out / "full.tsv", table[full])
    asked_for = table if FULL in plan.acquisitions else table[~full]
    write_tsv(plan.out / "results.tsv", asked_for)
    return numbers(asked_for.reset_index(drop=True))


def full_rows(plan: Plan) -> pd.DataFrame | None:
    """``full.tsv``, numbers as numbers; None where nothing was trained on every label."""
    path = plan.out / "full.tsv"
    return numbers(read_tsv(path, COLUMNS)) if path.exists() else None


def score_rows(plan: Plan) -> pd.DataFrame:
    """``scores.tsv``, numbers as numbers."""
    return numbers(read_tsv(plan.out / "scores.tsv", SCORE_COLUMNS))


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its numbers as numbers."""
    typed = table.copy()
    for column in typed.columns:
        if column not in TEXT:
            typed[column] = (
                typed[column].replace("", "nan").astype(int if column in WHOLE else float)
            )
    return typed


def _united(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)
