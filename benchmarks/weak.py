"""How many particles a round names rightly, with weak labels and without.

    python benchmarks/weak.py PROJECT --truth truth.tsv

Random labels, averages heard as in a project, scored on all particles without a label. Weak labels
are right but for a share of the particles, which are called any other class (flip:SHARE) or always
the same other one (pair:SHARE); or a list of the commonest class, of which that share is wrong
(list:SHARE). The last column is a model of the weak labels alone.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal import Project
from cryoal.io import read_tsv
from cryoal.project import settling
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import look
from cryoal.project.training import predict_pair, train_pair

SETTINGS = TrainSettings()


def weak_labels(kind: str, truth: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.str_]:
    """Say something of every particle, "" where nothing is said: (N,)."""
    what, _, number = kind.partition(":")
    names, own = np.unique(truth, return_inverse=True)
    share = float(number)
    if what == "list":
        commonest = own == np.bincount(own).argmax()
        wrong = round(commonest.sum() * share / (1 - share))
        rest = rng.permutation(np.flatnonzero(~commonest))[:wrong]
        on_it = commonest | np.isin(np.arange(len(own)), rest)
        return np.where(on_it, names[np.bincount(own).argmax()], "")
    step = rng.integers(1, len(names), len(own)) if what == "flip" else np.ones(len(own), int)
    return names[np.where(rng.random(len(own)) < share, (own + step) % len(names), own)]


def main() -> None:
    """Draw, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[25, 50])
    parser.add_argument("--draws", type=int, default=3)
    kinds = ["flip:0.2", "flip:0.5", "pair:0.2", "pair:0.5", "list:0.3"]
    parser.add_argument("--weak", nargs="+", default=kinds)
    parser.add_argument("--heads", action="store_true", help="without averages")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    if options.heads:
        settling.FEWEST = 10**9
    store = Project.open(options.project).subtomograms
    table = read_tsv(options.truth, required=("id", "label"))
    known = dict(zip(table["id"], table["label"], strict=True))
    truth = np.array([known[str(i)] for i in store.ids])
    sight = look(store, "auto")
    everyone = np.arange(len(truth))

    def right(rows: NDArray[np.intp], said: NDArray[np.str_], weak: NDArray[np.str_] | None):
        told = None if weak is None else weak.tolist()
        pair = train_pair(sight, rows, said.tolist(), SETTINGS, weak=told)
        predictions = predict_pair(pair, sight, SETTINGS)
        found = np.array(predictions.classes)[predictions.teacher.argmax(1)]
        return (found == truth)[rest].mean()

    print("labels", "draw", "weak", "without", "with", "weak alone", sep="\t")
    for n in options.labels:
        for draw in range(options.draws):
            order = np.random.default_rng([draw, n]).permutation(everyone)
            rows, rest = np.sort(order[:n]), np.sort(order[n:])
            without = right(rows, truth[rows], None)
            for kind in options.weak:
                weak = weak_labels(kind, truth, np.random.default_rng([draw, 99]))
                scores = [without, right(rows, truth[rows], weak)]
                if kind.startswith(("flip", "pair")):
                    scores.append(right(everyone, weak, None))
                print(n, draw, kind, *(f"{s:.3f}" for s in scores), sep="\t", flush=True)


if __name__ == "__main__":
    main()
