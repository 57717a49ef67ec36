"""What it is worth to look for particles beside the centre of their boxes.

    python benchmarks/places.py PROJECT --truth truth.tsv [--labels 50 100 250] [--draws 1]

Random labels; the default training as it is, and told to look nowhere but in the centre. Accuracy
and macro-F1 on the particles without a label, and the share of particles that were found in the
centre.
"""

import argparse
import logging
from pathlib import Path

import numpy as np

from cryoal import Project
from cryoal.io import read_tsv
from cryoal.learn import averaging
from cryoal.learn.metrics import accuracy, macro_f1
from cryoal.models.shape import Shape
from cryoal.project.sight import look
from cryoal.project.training import predict_pair, train_pair


def main() -> None:
    """Draw, train twice, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 250])
    parser.add_argument("--draws", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    project = Project.open(options.project)
    store, settings = project.subtomograms, project.settings.train
    table = read_tsv(options.truth, required=("id", "label"))
    known = dict(zip(table["id"], table["label"], strict=True))
    truth = np.array([known[str(name)] for name in store.ids])
    names = sorted(set(truth))
    sight = look(store, settings.device)
    moved = averaging.MOVED
    print("labels\tdraw\tlooked\taccuracy\tmacro-F1\tin the centre")
    for n in options.labels:
        for draw in range(options.draws):
            order = np.random.default_rng([draw, 77]).permutation(len(truth))
            told, rest = np.sort(order[:n]), np.sort(order[n:])
            for looked in ("in the centre", "beside it too"):
                averaging.MOVED = moved if looked == "beside it too" else 10**9
                seeded = settings.model_copy(update={"seed": draw})
                pair = train_pair(sight, told, truth[told].tolist(), seeded)
                called = predict_pair(pair, sight, seeded).teacher.argmax(1)
                said = np.array([names.index(pair.classes[c]) for c in called[rest]])
                right = np.array([names.index(name) for name in truth[rest]])
                averages = pair.teacher.averages if isinstance(pair.teacher, Shape) else []
                centre = " ".join(f"{float(some.lies[0]):.2f}" for some in averages)
                print(
                    f"{n}\t{draw}\t{looked}\t{accuracy(right, said):.3f}\t"
                    f"{macro_f1(right, said, len(names)):.3f}\t{centre}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
