"""What the chains of a benchmark share: who is set aside, and who is hard to tell."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.registry import named_by_person
from cryoal.data.split import split
from cryoal.io.tsv import write_tsv
from cryoal.learn.device import one_thread
from cryoal.project.oracle import Truth
from cryoal.project.plan import Plan
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import Sight, look
from cryoal.project.training import predict_pair, train_pair

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


def difficulty(plan: Plan, seed: int) -> None:
    """How clear each particle is to a classifier that was not trained on it, 0 to 1: a file.

    Margins of two classifiers, each trained on the true labels of one half of the particles, as
    ranks: errors then have exactly the mean rate they should, and every strategy meets the same.
    """
    path = plan.difficulty_file(seed)
    if path.exists():
        return
    with one_thread(), named_by_person(*plan.named):
        _write_difficulty(plan, seed, path)


def _write_difficulty(plan: Plan, seed: int, path: Path) -> None:
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
