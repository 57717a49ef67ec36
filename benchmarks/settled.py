"""How many particles a settled head names rightly, by labels and by the weight of the maps.

    python benchmarks/settled.py PROJECT --truth truth.tsv

No gradient step: descriptors and the pretrained maps of every particle are computed once, then a
linear discriminant is settled on random labels, eight draws each, and scored on all other
particles. Emphasis 0 leaves the maps out.
"""

import argparse
from pathlib import Path

import numpy as np

from cryoal import Project
from cryoal.io import read_tsv
from cryoal.learn.discriminant import discriminant
from cryoal.learn.predict import predict
from cryoal.models.base import build
from cryoal.models.pretrained import start_from_weights
from cryoal.project.training import views_of


def main() -> None:
    """Embed, settle, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[25, 50, 100, 250, 600])
    parser.add_argument("--emphasis", type=float, nargs="+", default=[0, 0.1, 0.15, 0.3, 1])
    parser.add_argument("--draws", type=int, default=8)
    options = parser.parse_args()
    store = Project.open(options.project).subtomograms
    table = read_tsv(options.truth, required=("id", "label"))
    truth = dict(zip(table["id"], table["label"], strict=True))
    classes, targets = np.unique([truth[str(i)] for i in store.ids], return_inverse=True)
    network = build("hybrid", len(classes), store.geometry.network_box)
    start_from_weights(network)
    views = views_of(store.index, store.tomogram)
    _, points = predict(network, (boxes for _, boxes in store.batches()), views=views)
    maps = network.emphasis.numpy() < 1
    print("emphasis", *options.labels, sep="\t")
    for emphasis in options.emphasis:
        used = points if emphasis else points[:, ~maps]
        scale = np.where(maps, emphasis, 1.0) if emphasis else np.ones(used.shape[1])
        line = []
        for n in options.labels:
            right = []
            for draw in range(options.draws):
                order = np.random.default_rng(draw).permutation(len(targets))
                told, rest = order[:n], order[n:]
                weight, bias = discriminant(used[told], targets[told], len(classes), scale)
                logits = used[rest] @ weight.T + bias
                logits[:, ~np.isin(np.arange(len(classes)), targets[told])] = -np.inf
                right.append((logits.argmax(1) == targets[rest]).mean())
            line.append(f"{np.mean(right):.3f}")
        print(emphasis, *line, sep="\t", flush=True)


if __name__ == "__main__":
    main()
