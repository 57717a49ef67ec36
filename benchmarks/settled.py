"""How many particles a settled head names rightly, by labels and by what it is settled on.

    python benchmarks/settled.py PROJECT --truth truth.tsv

Random labels, eight draws each, scored on all other particles, which are in the pool as they are
in a project. Three heads: of the invariants by the labels alone, of the invariants by labels
and pool, and of the pretrained layers and the invariants by labels and pool (the default).
"""

import argparse
from pathlib import Path

import numpy as np

from cryoal import Project
from cryoal.io import read_tsv
from cryoal.learn.discriminant import settle
from cryoal.learn.predict import predict
from cryoal.models.base import build
from cryoal.models.pretrained import start_from_weights
from cryoal.models.shape import LEARNT, Shape
from cryoal.project.sight import look


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
    ways = [("invariants, labels", invariants, 1.0, False), ("invariants", invariants, 1.0, True)]
    for emphasis in options.emphasis:
        weight = np.where(np.arange(points.shape[1]) < LEARNT, emphasis, 1.0)
        ways.append((f"pretrained {emphasis:g}", points, weight, True))
    for name, seen, weight, pool in ways:
        line = []
        for n in options.labels:
            right = []
            for draw in range(options.draws):
                order = np.random.default_rng(draw).permutation(len(targets))
                told, rest = order[:n], order[n:]
                known, own = np.unique(targets[told], return_inverse=True)
                if pool:
                    found = settle(seen, told, own, len(known), weight)
                else:
                    found = settle(seen[told], np.arange(n), own, len(known), weight)
                logits = seen[rest] @ found.weight.T + found.bias
                right.append((known[logits.argmax(1)] == targets[rest]).mean())
            line.append(f"{np.mean(right):.3f}")
        print(name, *line, sep="\t", flush=True)


if __name__ == "__main__":
    main()
