"""Is the score task-agnostic? Knowledge transfer on 8 x 8 digits: naming them, and denoising them.

    python benchmarks/digits.py [--seeds 5]

scikit-learn's 1,797 handwritten digits, a third of them for testing; needs scikit-learn. Nothing
here knows of tomograms. *Naming*: networks ``image2d`` and ``image2d-thin`` by cryoal's own loop,
score KL(teacher || student) and its rivals. *Denoising*: the answer is an image, the loss and the
transfer are mean squared errors, the score is the mean squared distance of the two outputs; no
classifier's score applies, so chance is the only rival. Paired seeds: same test digits, same start.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn

from cryoal.acquire.base import Pool, acquisitions
from cryoal.acquire.discrepancy import squared_distance
from cryoal.core.predictions import Predictions
from cryoal.learn import metrics
from cryoal.learn.fit import fit
from cryoal.learn.predict import predict
from cryoal.learn.schedule import Schedule
from cryoal.models.base import build

NAMES = ("random", "entropy", "margin", "discrepancy", "discrepancy_tempered")
START, STEP, ROUNDS = 20, 20, 5
#: Grey levels run to 16; brightness is divided by this, noise of this deviation is then added.
WHITE, NOISE = 16.0, 0.4


def name_digits(
    images: NDArray[np.float32], digits: NDArray[np.intp], acquisition: str, seed: int, steps: int
) -> list[tuple[float, float, float]]:
    """Accuracy, error AUROC and rank correlation of the discrepancy with the loss, each round."""
    rows = images.reshape(len(images), -1)
    order = np.random.default_rng([seed, 0]).permutation(len(rows))
    test, pool = order[: len(rows) // 3], order[len(rows) // 3 :]
    told, left = pool[:START], pool[START:]
    schedule = Schedule(max_steps=steps, min_steps=steps // 3, student_steps=steps // 3)
    found = []
    for number in range(ROUNDS + 1):
        torch.manual_seed(seed)
        teacher, student = build("image2d", 10, 16), build("image2d-thin", 10, 16)
        fit(teacher, student, rows[told], digits[told], schedule=schedule, seed=seed, device="cpu")
        p, z = predict(teacher, rows, device="cpu")
        q, _ = predict(student, rows, device="cpu")
        score = choose("discrepancy", test, p, q, z, 1, seed)[1]
        wrong = p[test].argmax(1) != digits[test]
        loss = metrics.log_loss(digits[test], p[test])
        accuracy = float(1 - wrong.mean())
        found.append((accuracy, metrics.error_auroc(score, wrong), metrics.spearman(score, loss)))
        if number < ROUNDS:
            picked = left[choose(acquisition, left, p, q, z, STEP, 1000 * seed + number)[0]]
            told, left = np.r_[told, picked], np.setdiff1d(left, picked)
    return found


def choose(
    acquisition: str,
    rows: NDArray[np.intp],
    teacher: NDArray[np.float32],
    student: NDArray[np.float32],
    embedding: NDArray[np.float32],
    n: int,
    seed: int,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Places among ``rows``, and every row's score."""
    ids = rows.astype(str)
    p = {"teacher": teacher[rows], "student": student[rows]}
    predictions = Predictions(ids, tuple("0123456789"), p, embedding[rows])
    none = np.full(len(rows), "")
    pool = Pool(
        predictions,
        np.full(len(rows), -1),
        np.arange(len(rows)),
        none,
        none,
        np.zeros((len(rows), 3)),
        np.full(len(rows), np.nan),
    )
    pick = acquisitions.get(acquisition)(pool, n, np.random.default_rng(seed))
    return pick.rows, pick.scores


def dense_network(width: int) -> nn.Module:
    """An image in, an image out."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 1, 3, padding=1),
    )


def denoise(
    images: NDArray[np.float32], acquisition: str, seed: int, steps: int
) -> list[tuple[float, float]]:
    """Mean squared error on test digits and the score's rank correlation with it, each round."""
    rng = np.random.default_rng([seed, 1])
    clean = torch.from_numpy(images / WHITE)[:, None]
    noisy = clean + torch.from_numpy(rng.normal(0, NOISE, clean.shape).astype(np.float32))
    order = np.random.default_rng([seed, 0]).permutation(len(images))
    test, pool = order[: len(images) // 3], order[len(images) // 3 :]
    told, left = pool[:START], pool[START:]
    found = []
    for number in range(ROUNDS + 1):
        torch.manual_seed(seed)
        teacher, student = dense_network(32), dense_network(16)
        train_dense(teacher, student, noisy[told], clean[told], seed, steps)
        with torch.no_grad():
            t, s = teacher(noisy).numpy(), student(noisy).numpy()
        score = squared_distance(t, s)
        loss = squared_distance(t[test], clean[test].numpy())
        found.append((float(loss.mean()), metrics.spearman(score[test], loss)))
        if number < ROUNDS:
            chance = np.random.default_rng([seed, 2, number]).permutation(len(left))
            best = np.argsort(-score[left], kind="stable")
            picked = left[(best if acquisition == "discrepancy" else chance)[:STEP]]
            told, left = np.r_[told, picked], np.setdiff1d(left, picked)
    return found


def train_dense(
    teacher: nn.Module, student: nn.Module, noisy: Tensor, clean: Tensor, seed: int, steps: int
) -> None:
    """The paper's two losses with mean squared errors: each moves its own network only."""
    rng = np.random.default_rng([seed, 3])
    optimisers = [
        torch.optim.AdamW(network.parameters(), lr=3e-3) for network in (teacher, student)
    ]
    for step in range(steps):
        rows = rng.integers(0, len(noisy), 32)
        output = teacher(noisy[rows])
        task = (output - clean[rows]).square().mean()
        transfer = (student(noisy[rows]) - output.detach()).square().mean()
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = 3e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            optimiser.zero_grad()
        (task + transfer).backward()
        for optimiser in optimisers:
            optimiser.step()


def line(name: str, runs: list[list[tuple[float, ...]]], column: int, form: str) -> str:
    """Mean over seeds, round by round, and over rounds with its standard error."""
    values = np.array([[found[column] for found in run] for run in runs])
    seeds = np.nanmean(values, axis=1)
    error = seeds.std(ddof=1) / len(seeds) ** 0.5 if len(seeds) > 1 else float("nan")
    rounds = "  ".join(f"{value:{form}}" for value in np.nanmean(values, axis=0))
    return f"{name:22s} {rounds}   mean {seeds.mean():{form}} +- {error:{form}}"


def main() -> None:
    """Both tasks, every strategy, every seed; print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_digits()
    images, digits = data.images.astype(np.float32), data.target.astype(np.intp)
    labels = "  ".join(f"{START + STEP * number:5d}" for number in range(ROUNDS + 1))
    print(f"labels                 {labels}")
    for name in NAMES:
        runs = [
            name_digits(images / WHITE, digits, name, seed, options.steps)
            for seed in range(options.seeds)
        ]
        print(line(name, runs, 0, ".3f"), flush=True)
        if name == "random":
            print(line("  discrepancy's AUROC", runs, 1, ".3f"))
            print(line("  its rank correlation", runs, 2, ".3f"), flush=True)
    print("denoising: mean squared error on test digits")
    for name in ("random", "discrepancy"):
        runs = [denoise(images, name, seed, options.steps) for seed in range(options.seeds)]
        print(line(name, runs, 0, ".4f"), flush=True)
        print(line("  rank correlation", runs, 1, ".3f"), flush=True)


if __name__ == "__main__":
    main()
