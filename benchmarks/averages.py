"""What averages are worth beside heads, those that labels name beside the classes', and places.

    python benchmarks/averages.py PROJECT --truth truth.tsv [--labels 50 100 250] [--draws 1]
        [--first cold_start] [--with all classes centre heads]

The default training (``all``); with one average a class and none that labels name (``classes``);
with particles looked for nowhere but in the centre of their boxes (``centre``); without averages
(``heads``). Labels are random, or, with ``--first cold_start``, what ``cryoal select`` asks for
first. Accuracy and macro-F1 on the particles without a label, the share of particles that
were found in the centre, and the seconds that training and prediction took.
"""

import argparse
import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np

from cryoal import Project
from cryoal.core.predictions import Predictions
from cryoal.io import read_tsv
from cryoal.learn import averaging
from cryoal.learn.metrics import accuracy, macro_f1
from cryoal.models.shape import Shape
from cryoal.project import settling
from cryoal.project.selecting import COLD_START, find, make_pool
from cryoal.project.settings import TrainSettings
from cryoal.project.settling import unlearned_embedding
from cryoal.project.sight import Sight, look
from cryoal.project.training import predict_pair, train_pair


@contextlib.contextmanager
def trained(way: str) -> Iterator[None]:
    """The training without some of its parts."""
    whole = settling.average
    with contextlib.ExitStack() as stack:
        if way == "heads":
            stack.enter_context(patch.object(settling, "average", lambda *_, **__: None))
        elif way == "centre":
            stack.enter_context(patch.object(averaging, "MOVED", 10**9))
        elif way == "classes":
            stack.enter_context(
                patch.object(
                    settling, "average", lambda *a, **kw: whole(*a, **(kw | {"embedded": None}))
                )
            )
        yield


def first(
    project: Project, sight: Sight, settings: TrainSettings, n: int, draw: int, how: str
) -> np.ndarray:
    """Rows of the n particles that are labelled."""
    rng = np.random.default_rng([draw, 77])
    ids = project.subtomograms.ids
    if how == "random":
        return np.sort(rng.permutation(len(ids))[:n])
    blank = Predictions(ids, (), {}, unlearned_embedding(sight, settings))
    rows = project.particles.rows(ids)
    pool = make_pool(project.particles[rows], blank, {}, set(), project.diameter, None, rng)
    return np.sort(find(COLD_START)[1](pool, n, rng).rows)


def main() -> None:
    """Draw, train each way, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 250])
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--first", choices=("random", COLD_START), default="random")
    parser.add_argument("--with", dest="ways", nargs="+", default=["all", "classes"])
    options = parser.parse_args()
    logging.disable(logging.INFO)
    project = Project.open(options.project)
    store, settings = project.subtomograms, project.settings.train
    table = read_tsv(options.truth, required=("id", "label"))
    known = dict(zip(table["id"], table["label"], strict=True))
    truth = np.array([known[str(name)] for name in store.ids])
    names = sorted(set(truth))
    sight = look(store, settings.device)
    print("labels\tdraw\twith\taccuracy\tmacro-F1\tin the centre\tseconds")
    for n in options.labels:
        for draw in range(options.draws):
            seeded = settings.model_copy(update={"seed": draw})
            told = first(project, sight, seeded, n, draw, options.first)
            rest = np.setdiff1d(np.arange(len(truth)), told)
            for way in options.ways:
                began = time.monotonic()
                with trained(way):
                    pair = train_pair(sight, told, truth[told].tolist(), seeded)
                called = predict_pair(pair, sight, seeded).teacher.argmax(1)
                said = np.array([names.index(pair.classes[c]) for c in called[rest]])
                right = np.array([names.index(name) for name in truth[rest]])
                averages = pair.teacher.averages if isinstance(pair.teacher, Shape) else []
                centre = " ".join(f"{float(some.lies[0]):.2f}" for some in averages)
                print(
                    f"{n}\t{draw}\t{way}\t{accuracy(right, said):.3f}\t"
                    f"{macro_f1(right, said, len(names)):.3f}\t{centre}\t"
                    f"{time.monotonic() - began:.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
