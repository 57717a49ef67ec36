"""What several averages a class are worth that labels name, against one of a given name.

    python benchmarks/components.py PROJECT --truth truth.tsv [--labels 50] [--draws 0 1]

A trial of what `cryoal.learn.averaging` does not do. One average a class, begun with a head that
errs, may stay another class's for good, or hold two. Here every class's average is split in two by
the embedding after a few rounds, and averages have no names of their own: their labels say
what they are and, for as much as one label, what the head says of their members on the mean. Of the
head itself counts only what it says of a particle beyond that. First labels are the cold
start's. Accuracy and macro-F1 on the particles without a label: after the rounds with one average a
class, after those with two, and by the default training to its end.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.special import softmax

from cryoal import Project
from cryoal.core.labels import JUNK
from cryoal.core.predictions import Predictions
from cryoal.io import read_tsv
from cryoal.learn import averaging
from cryoal.learn.discriminant import settle
from cryoal.learn.metrics import accuracy, macro_f1
from cryoal.learn.orienting import Search
from cryoal.learn.predict import predict
from cryoal.models.averages import Averages
from cryoal.models.base import build
from cryoal.models.harmonics import COEFFICIENTS
from cryoal.models.invariants import SIZE
from cryoal.models.pretrained import first_shapes, start_from_weights
from cryoal.models.shape import Shape
from cryoal.project.selecting import COLD_START, find, make_pool
from cryoal.project.settling import unlearned_embedding
from cryoal.project.sight import look
from cryoal.project.training import predict_pair, train_pair

#: Rounds with an average a class, and with two.
ALONE, SPLIT = 16, 14
#: What the head's mean vote about an average counts against a label, and the most that names do.
VOTE, MOST = 1.0, 1.5
#: Principal components of a class's embedding that it is split by.
COMPONENTS = 8

Array = NDArray[np.floating]


def split(search: Search, shares: Array, points: Array, junk: int | None) -> Array:
    """Two averages for each class but junk; how likely each particle is of each: (N, K)."""
    index, parts = [], []
    for kind in range(shares.shape[1]):
        half = np.zeros(len(points), dtype=bool)
        members = np.flatnonzero(shares[:, kind] > 0.3)
        if kind != junk and len(members) > 10:
            x = points[members] - points[members].mean(0)
            left, scale, _ = np.linalg.svd(x, full_matrices=False)
            x = left[:, :COMPONENTS] * scale[:COMPONENTS]
            half[members] = kmeans2(x, 2, minit="++", seed=0)[1] == 1
        for own in (half, ~half) if half.any() else (~half,):
            index.append(kind)
            # Half of a particle goes where the embedding says, the rest to both.
            parts.append(shares[:, kind] * (0.25 + 0.5 * own if half.any() else 1.0))
    old, new = search.averages, Averages(len(index))
    for name in ("whitening", "transfer", "lies"):
        getattr(new, name).copy_(getattr(old, name))
    new.references.copy_(old.references[:, index])
    new.shapeless.copy_(old.shapeless[index])
    search.averages, search.expected = new, search.expected[:, index].clone()
    return np.stack(parts, axis=1)


def called(
    member: Array, logits: Array, aside: Array, targets: NDArray[np.intp]
) -> tuple[Array, Array]:
    """What names of averages and the head say of each particle, (N, C), and the names: (K, C)."""
    n, eye = len(targets), np.eye(logits.shape[1])
    head, apart = (a - a.mean(1, keepdims=True) for a in (logits, aside))
    whole = member[n:].sum(0)[:, None] + 1e-9
    vote = VOTE * (member[n:].T @ softmax(logits[n:], axis=1)) / whole
    mean = (member[n:].T @ head[n:]) / whole
    told = member[:n].T @ eye[targets]
    names = (told + vote) / (told + vote).sum(1, keepdims=True)
    said = np.log(np.maximum(member @ names, 1e-6))
    without = np.empty((n, logits.shape[1]))
    for row, kind in enumerate(targets):
        rest = told + vote - np.outer(member[row], eye[kind])
        without[row] = np.log(np.maximum(member[row] @ (rest / rest.sum(1, keepdims=True)), 1e-6))
    first, second = averaging._weigh(apart - member[:n] @ mean, without, targets)
    return first * (head - member @ mean) + min(second, MOST) * said, names


def score(what: str, right: NDArray[np.intp], guess: NDArray[np.intp], n_classes: int) -> None:
    """One line; classes that no label names are one more."""
    f1 = macro_f1(right, guess, n_classes + 1)
    print(f"{what}\t{accuracy(right, guess):.3f}\t{f1:.3f}", flush=True)


def main() -> None:
    """Cold start, settle a head, average alone, split, score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[50])
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    logging.disable(logging.INFO)
    project = Project.open(options.project)
    store, settings = project.subtomograms, project.settings.train
    table = read_tsv(options.truth, required=("id", "label"))
    known = dict(zip(table["id"], table["label"], strict=True))
    truth = np.array([known[str(name)] for name in store.ids])
    sight = look(store, settings.device)
    network = build("shape", 2, store.geometry.network_box)
    assert isinstance(network, Shape)
    network.standard.settle(torch.from_numpy(sight.invariants))
    start_from_weights(network, None)
    everyone = predict(network, sight.described)[1]
    print("labels\tdraw\taverages\taccuracy\tmacro-F1")
    for n in options.labels:
        for draw in options.draws:
            rng = np.random.default_rng([draw, 77])
            blank = Predictions(store.ids, (), {}, unlearned_embedding(sight, settings))
            particles = project.particles[project.particles.rows(store.ids)]
            pool = make_pool(particles, blank, {}, set(), project.diameter, None, rng)
            rows = np.sort(find(COLD_START)[1](pool, n, rng).rows)
            classes, targets = np.unique(truth[rows], return_inverse=True)
            order = np.r_[rows, np.setdiff1d(np.arange(len(truth)), rows)]
            points = everyone[order]
            emphasis = network.emphases()["pretrained"].numpy()
            head = settle(points, np.arange(n), targets, len(classes), emphasis)
            logits = points @ head.weight.T + head.bias
            weighted = points * emphasis / (points.std(0) + 1e-6)
            right = np.array([[*classes, name].index(name) for name in truth[order]])[n:]
            junk = list(classes).index(JUNK) if JUNK in classes else None

            placed = sight.placed(order)[:, SIZE:]
            heard = averaging._Heard(logits, targets, head.aside)
            shares = heard.chances(logits)
            centre = torch.from_numpy(np.ascontiguousarray(placed[:, :COEFFICIENTS]))
            search = Search(centre, shares, torch.from_numpy(sight.wedge), first_shapes())
            if junk is not None:
                search.averages.shapeless[junk] = True
            answer = logits
            for number in range(ALONE + SPLIT):
                if number == averaging.MOVED:
                    search.move(torch.from_numpy(placed))
                if number == ALONE:
                    share = torch.from_numpy(split(search, shares.numpy(), weighted, junk))
                    shares = share.float()
                search.averages.frequency.copy_(shares.mean(0))
                likely = search.step(shares, 200 if number < ALONE + 4 else 400).numpy()
                if number < averaging.HEARD:
                    continue
                if number < ALONE:
                    first, second = averaging._weigh(head.aside, likely[:n], targets)
                    answer = first * logits + min(second, averaging.HEEDED) * likely
                    shares = heard.chances(answer)
                else:
                    log_share = np.log(np.maximum(shares.numpy().mean(0), 1e-9))
                    member = softmax(likely.astype(np.float64) + log_share, axis=1)
                    answer, names = called(member, logits, head.aside, targets)
                    by_class = heard.chances(answer).numpy()
                    within = np.maximum(member @ names, 1e-12)
                    found = member * ((by_class / within) @ names.T)
                    shares = torch.from_numpy(found.astype(np.float32))
                if number in (ALONE - 1, ALONE + SPLIT - 1):
                    guess = answer[n:].argmax(1)
                    score(f"{n}\t{draw}\t{number + 1} rounds", right, guess, len(classes))
            pair = train_pair(sight, rows, truth[rows].tolist(), settings)
            guess = predict_pair(pair, sight, settings).teacher[order[n:]].argmax(1)
            score(f"{n}\t{draw}\tdefault", right, guess, len(classes))


if __name__ == "__main__":
    main()
