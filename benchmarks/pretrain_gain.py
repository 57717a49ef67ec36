"""What the shipped weights gain: accuracy on a project's unlabelled particles, by labels and steps.

    python benchmarks/pretrain_gain.py PROJECT --truth truth.tsv --start scratch pretrained

Random labels, one teacher each; the student is a stand-in, as it does not touch the teacher.
Every row of the table is one training; the same seed labels the same particles, and all are
scored on particles that none of them has labelled.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cryoal.learn.fit import Schedule, fit
from cryoal.learn.predict import predict
from cryoal.models.base import Network, Recipe, build
from cryoal.models.pretrained import start_from_weights
from cryoal.project.project import Project
from cryoal.project.training import views_of


class StandIn(Network):
    """A student that takes no time."""

    def __init__(self, n_classes: int, box: int) -> None:
        super().__init__()
        self.pool = torch.nn.AdaptiveAvgPool3d(2)
        self.head = torch.nn.Linear(8, n_classes)
        self.recipe = Recipe("stand-in", n_classes, box)

    def forward(self, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of eight averages."""
        embedding = self.pool(boxes).flatten(1)
        return self.head(embedding), embedding


def main() -> None:
    """Train and print one line a training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--start", nargs="+", default=["scratch", "pretrained"])
    parser.add_argument("--weights", type=Path, help="others than those shipped")
    parser.add_argument("--labels", type=int, nargs="+", default=[25, 50, 100, 250])
    parser.add_argument("--steps", type=int, nargs="+", default=[300, 600])
    parser.add_argument("--rate", type=float, nargs="+", default=[3e-3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--decay", type=float, default=Schedule.weight_decay)
    parser.add_argument("--descent", type=float, default=Schedule.descent)
    parser.add_argument("--box", type=int, help="what the network sees; default: the project's")
    parser.add_argument("--scored", type=int, help="unlabelled particles scored; default: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, help="append the rows here as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    store = Project.open(options.project).subtomograms
    box, shift = options.box or store.geometry.network_box, store.geometry.shift
    truth = pd.read_csv(options.truth, sep="\t", dtype=str).set_index("id")["label"]
    names = truth.loc[store.ids].to_numpy()
    classes, targets = np.unique(names, return_inverse=True)
    boxes = store.read(np.arange(len(store)))
    allowed = views_of(store.index, store.tomogram)
    columns = "start labels steps rate seed accuracy balanced train_s loss"
    print(columns.replace(" ", "\t"), flush=True)
    for seed in options.seeds:
        order = np.random.default_rng([seed, 77]).permutation(len(targets))
        for n in options.labels:
            labelled = order[:n]
            rest = order[max(options.labels) :][: options.scored]
            for steps in options.steps:
                for start in options.start:
                    for rate in options.rate:
                        row = _one(
                            options, start, steps, rate, seed, box, shift, boxes, targets,
                            allowed, labelled, rest, len(classes),
                        )  # fmt: skip
                        line = "\t".join(map(str, [start, n, steps, rate, seed, *row]))
                        print(line, flush=True)
                        if options.out is not None:
                            with options.out.open("a") as file:
                                file.write(f"{options.project.name}\t{line}\n")


def _one(
    options: argparse.Namespace,
    start: str,
    steps: int,
    rate: float,
    seed: int,
    box: int,
    shift: int,
    boxes: np.ndarray,
    targets: np.ndarray,
    allowed: np.ndarray,
    labelled: np.ndarray,
    rest: np.ndarray,
    n_classes: int,
) -> list[object]:
    torch.manual_seed(seed)
    teacher = build("compact", n_classes, box)
    student = StandIn(n_classes, box)
    if start == "pretrained" and not start_from_weights(teacher, options.weights):
        raise SystemExit("no weights to start from")
    schedule = replace(
        Schedule(),
        learning_rate=rate,
        weight_decay=options.decay,
        descent=options.descent,
        min_steps=steps,
        max_steps=steps,
        student_steps=0,
    )
    began = time.monotonic()
    history = fit(
        teacher, student, boxes[labelled], targets[labelled],
        views=allowed[labelled], shift=shift, schedule=schedule, seed=seed, device="cpu",
    )  # fmt: skip
    seconds = time.monotonic() - began
    probabilities, _ = predict(teacher, boxes[rest], device="cpu")
    right = probabilities.argmax(1) == targets[rest]
    balanced = np.mean([right[targets[rest] == c].mean() for c in np.unique(targets[rest])])
    loss = history.records[-1]["teacher_loss"]
    return [f"{right.mean():.4f}", f"{balanced:.4f}", f"{seconds:.0f}", f"{loss:.3f}"]


if __name__ == "__main__":
    main()
