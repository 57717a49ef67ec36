"""How many particles a settled head names rightly, by labels and by what it is settled on.

    python benchmarks/settled.py PROJECT --truth truth.tsv

Random labels, eight draws each, scored on all other particles, which are in the pool as they are
in a project. Heads settled on the invariants by the labels alone, on the invariants by labels
and pool, and on the pretrained layers and the invariants by labels and pool (the default); on the
latter also the nearest mean of a class (prototypes) and logistic regression, by labels alone;
these need scikit-learn.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression

from cryoal import Project
from cryoal.io import read_tsv
from cryoal.learn.discriminant import settle
from cryoal.learn.predict import predict
from cryoal.models.base import build
from cryoal.models.pretrained import start_from_weights
from cryoal.models.shape import LEARNT, Shape
from cryoal.project.sight import look

#: Takes points of all particles, the rows of labelled ones and their classes; names every row.
Way = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def by_head(
    seen: np.ndarray,
    told: np.ndarray,
    own: np.ndarray,
    *,
    weight: np.ndarray | float = 1.0,
    pool: bool = True,
) -> np.ndarray:
    """Names by a settled head."""
    known, at = (seen, told) if pool else (seen[told], np.arange(len(told)))
    found = settle(known, at, own, own.max() + 1, weight)
    named: np.ndarray = (seen @ found.weight.T + found.bias).argmax(1)
    return named


def by_means(seen: np.ndarray, told: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Names by the nearest mean of a class."""
    means = np.stack([seen[told[own == kind]].mean(0) for kind in range(own.max() + 1)])
    named: np.ndarray = cdist(seen, means).argmin(1)
    return named


def by_logistic(seen: np.ndarray, told: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Names by logistic regression on the labels."""
    named: np.ndarray = LogisticRegression(max_iter=1000).fit(seen[told], own).predict(seen)
    return named


def main() -> None:
    """Embed, settle, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[25, 50, 100, 250, 600])
    parser.add_argument("--weights", type=Path, help="instead of the shipped ones")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument(
        "--emphasis", type=float, nargs="+", default=[1.5], help="of the pretrained layers"
    )
    options = parser.parse_args()
    store = Project.open(options.project).subtomograms
    table = read_tsv(options.truth, required=("id", "label"))
    truth = dict(zip(table["id"], table["label"], strict=True))
    _, targets = np.unique([truth[str(i)] for i in store.ids], return_inverse=True)
    sight = look(store, "auto")
    network = build("shape", 2, store.geometry.network_box)
    assert isinstance(network, Shape)
    network.standard.settle(network.standard.mean.new_tensor(sight.invariants))
    start_from_weights(network, options.weights)
    _, points = predict(network, sight.invariants)
    invariants = points[:, LEARNT:]
    print("head", *options.labels, sep="\t")
    ways: list[tuple[str, np.ndarray, Way]] = [
        ("invariants, labels", invariants, partial(by_head, pool=False)),
        ("invariants", invariants, by_head),
    ]
    for emphasis in options.emphasis:
        weight = np.where(np.arange(points.shape[1]) < LEARNT, emphasis, 1.0)
        weighed = (weight * points).astype(np.float32)
        ways += [
            (f"pretrained {emphasis:g}", points, partial(by_head, weight=weight)),
            (f"nearest mean {emphasis:g}", weighed, by_means),
            (f"logistic {emphasis:g}", weighed, by_logistic),
        ]
    for name, seen, way in ways:
        line = []
        for n in options.labels:
            right = []
            for draw in range(options.draws):
                order = np.random.default_rng(draw).permutation(len(targets))
                told, rest = order[:n], order[n:]
                known, own = np.unique(targets[told], return_inverse=True)
                right.append((known[way(seen, told, own)[rest]] == targets[rest]).mean())
            line.append(f"{np.mean(right):.3f}")
        print(name, *line, sep="\t", flush=True)


if __name__ == "__main__":
    main()
