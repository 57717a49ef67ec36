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
import itertools
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.special import softmax

from cryoal import Project
from cryoal.core.labels import JUNK
from cryoal.core.predictions import Predictions
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
from cryoal.project.oracle import Truth
from cryoal.project.selecting import COLD_START, find, make_pool
from cryoal.project.settling import unlearned_embedding
from cryoal.project.sight import Sight, look
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


@dataclass(frozen=True)
class Particles:
    """A pool, its labelled particles first, and a head settled on it.

    Attributes
    ----------
    rows : (N,) int, of the store
    points : (N, D)
        The embedding, weighed.
    logits, aside, targets
        As ``average`` takes them.
    classes : of the labels
    right : (N - n,) int
        Of the others; one more than there are classes for a class that no label names.
    """

    rows: NDArray[np.intp]
    points: Array
    logits: Array
    aside: Array
    targets: NDArray[np.intp]
    classes: list[str]
    right: NDArray[np.intp]

    @property
    def junk(self) -> int | None:
        """The class that has no shape."""
        return self.classes.index(JUNK) if JUNK in self.classes else None

    def score(self, what: str, guess: NDArray[np.intp]) -> None:
        """Print a line."""
        f1 = macro_f1(self.right, guess, len(self.classes) + 1)
        print(f"{what}\t{accuracy(self.right, guess):.3f}\t{f1:.3f}", flush=True)


def begin(
    project: Project, sight: Sight, network: Shape, truth: NDArray[np.str_], n: int, draw: int
) -> Particles:
    """Ask for n labels as a cold start does, and settle a head."""
    store, rng = project.subtomograms, np.random.default_rng([draw, 77])
    embedded = unlearned_embedding(sight, project.settings.train)
    blank = Predictions(store.ids, (), {}, embedded)
    listed = project.particles[project.particles.rows(store.ids)]
    pool = make_pool(listed, blank, {}, set(), project.diameter, None, rng)
    told = np.sort(find(COLD_START)[1](pool, n, rng).rows)
    classes, targets = np.unique(truth[told], return_inverse=True)
    rows = np.r_[told, np.setdiff1d(np.arange(len(truth)), told)]
    points = predict(network, sight.described)[1][rows]
    emphasis = network.emphases()["pretrained"].numpy()
    head = settle(points, np.arange(n), targets, len(classes), emphasis)
    logits = points @ head.weight.T + head.bias
    right = np.array([[*classes, name].index(name) for name in truth[rows[n:]]])
    weighed = points * emphasis / (points.std(0) + 1e-6)
    return Particles(rows, weighed, logits, head.aside, targets, list(classes), right)


def search_on(particles: Particles, sight: Sight, what: str) -> None:
    """Average alone, split, let labels name the parts; score before and after."""
    logits, aside, targets = particles.logits, particles.aside, particles.targets
    n = len(targets)
    placed = sight.placed(particles.rows)[:, SIZE:]
    heard = averaging._Heard(logits, targets, aside)
    shares = heard.chances(logits)
    centre = torch.from_numpy(np.ascontiguousarray(placed[:, :COEFFICIENTS]))
    search = Search(centre, shares, torch.from_numpy(sight.wedge), first_shapes())
    if particles.junk is not None:
        search.averages.shapeless[particles.junk] = True
    for number in range(ALONE + SPLIT):
        if number == averaging.MOVED:
            search.move(torch.from_numpy(placed))
        if number == ALONE:
            parts = split(search, shares.numpy(), particles.points, particles.junk)
            shares = torch.from_numpy(parts).float()
        search.averages.frequency.copy_(shares.mean(0))
        likely = search.step(shares, 200 if number < ALONE + 4 else 400).numpy()
        if number < averaging.HEARD:
            continue
        if number < ALONE:
            first, second = averaging._weigh(aside, likely[:n], targets)
            answer: Array = first * logits + min(second, averaging.HEEDED) * likely
            shares = heard.chances(answer)
        else:
            log_share = np.log(np.maximum(shares.numpy().mean(0), 1e-9))
            member = softmax(likely.astype(np.float64) + log_share, axis=1)
            answer, names = called(member, logits, aside, targets)
            by_class = heard.chances(answer).numpy() / np.maximum(member @ names, 1e-12)
            shares = torch.from_numpy((member * (by_class @ names.T)).astype(np.float32))
        if number in (ALONE - 1, ALONE + SPLIT - 1):
            particles.score(f"{what}\t{number + 1} rounds", answer[n:].argmax(1))


def main() -> None:
    """Begin, search, train as usual; print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[50])
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    logging.disable(logging.INFO)
    project = Project.open(options.project)
    store, settings = project.subtomograms, project.settings.train
    truth = np.array(list(Truth.read(options.truth).ask(list(store.ids)).values()))
    sight = look(store, settings.device)
    network = build("shape", 2, store.geometry.network_box)
    assert isinstance(network, Shape)
    network.standard.settle(torch.from_numpy(sight.invariants))
    start_from_weights(network, None)
    print("labels\tdraw\taverages\taccuracy\tmacro-F1")
    for n, draw in itertools.product(options.labels, options.draws):
        particles = begin(project, sight, network, truth, n, draw)
        search_on(particles, sight, f"{n}\t{draw}")
        told = particles.rows[:n]
        pair = train_pair(sight, told, truth[told].tolist(), settings)
        taught = predict_pair(pair, sight, settings).teacher
        particles.score(f"{n}\t{draw}\tdefault", taught[particles.rows[n:]].argmax(1))


if __name__ == "__main__":
    main()
