"""Averages of the classes: from labels, from what a head calls the others, in all orientations."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from torch import Tensor

from cryoal.learn.calibrate import forgiving
from cryoal.learn.prior import pool_prior
from cryoal.learn.whitening import energies, of_degree, whitened, whitening_of
from cryoal.models.averages import BATCH, PARTS, Averages, likelihoods, part_of
from cryoal.models.harmonics import COEFFICIENTS, ORDERS, RESOLVED, SHELLS
from cryoal.models.turning import turning

log = logging.getLogger(__name__)

#: Orientations and rounds: coarsely turned at first, finely then, until labels set aside have not
#: been told better for so many rounds. Two states of one complex part late; classes that err in
#: each other's favour are worse for every round more.
STAGES = ((200, 16), (400, 60))
PATIENCE = 6
#: Likelihoods are flattened by this power at first, and in equal steps to 1: annealing.
FLATTENED, ANNEALED = 0.5, 14
#: After so many rounds the averages are heard about a particle's class, beside the head; and what
#: they count at most meanwhile: wrong guesses confirm themselves.
HEARD, HEEDED = 4, 0.5
#: Averages are made of so many particles at most, labelled ones first.
ENOUGH = 3000
#: Fewer particles for each class than this are averaged to noise.
FEWEST = 40
#: Particles whose chance to be of a class is less have no part in its average.
NEGLIGIBLE = 0.01
#: Standard errors by which labels must be told better before averages are heard.
SURE = 1.0
#: Least variance that is expected of an average's coefficients.
LEAST = 1e-4
#: How many of its coefficients a class's own variance, degree by degree and shell by shell, has to
#: outweigh before it is believed rather than the shapes' one.
BELIEVED = 0.3


@dataclass(frozen=True)
class Averaged:
    """Averages, and how they and the head share in an answer.

    Attributes
    ----------
    averages : Averages
    head : float
        What the head's logits are to be multiplied by.
    accuracy, log_loss : float
        Of labels that neither head nor averages had seen.
    gain, error : float
        How much likelier such labels are called than by the head alone, as a difference of mean
        log-probabilities, and the standard error of that.
    prior : (C,)
        How common each class is in the pool, by both together.
    """

    averages: Averages
    head: float
    accuracy: float
    log_loss: float
    gain: float
    error: float
    prior: NDArray[np.float64]

    @property
    def helps(self) -> bool:
        """Whether labels leave little doubt that averages should be heard."""
        return self.gain > SURE * self.error


def average(
    coefficients: NDArray[np.float32],
    logits: NDArray[np.floating],
    told: NDArray[np.integer],
    targets: NDArray[np.integer],
    aside: NDArray[np.floating],
    transfer: NDArray[np.float32],
    shapes: Tensor,
    *,
    shapeless: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Averaged:
    """Average the classes of a pool, by expectation maximisation over classes and orientations.

    Each class begins as the shape that explains its likely particles best. Then, again and
    again, every particle is held against all averages in all orientations, its chances to be of
    a class are what the head and those likelihoods say together (its label, where it has one),
    and everything is averaged anew. A particle is judged only by averages it had no part in.

    Parameters
    ----------
    coefficients : (N, COEFFICIENTS)
        Of the pool, labelled particles included; see ``models.harmonics``.
    logits : (N, C)
        What a head thinks of each.
    told : (n,) int
        Rows that are labelled.
    targets : (n,) int
        Their classes.
    aside : (n, C)
        The head's logits of labelled particles when it had not seen their labels.
    transfer : (COEFFICIENTS, COEFFICIENTS)
        What the missing wedge does to coefficients, ``models.turning.transfer_operator``.
    shapes : (K, SHELLS, ORDERS)
        To begin with, for example ``models.pretrained.first_shapes``.
    shapeless : int, optional
        The class whose members have no shape in common: junk.
    seed : int
        Of the particles where there are more than enough.
    """
    began = time.monotonic()
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(len(logits)), told)
    room = max(ENOUGH - len(told), 0)
    if len(others) > room:
        others = np.sort(rng.choice(others, room, replace=False))
    rows = np.concatenate([told, others])
    labelled = slice(0, len(told))
    known = np.eye(logits.shape[1])[targets]

    def chances(of: NDArray[np.floating]) -> Tensor:
        shares = softmax(of, axis=1)
        shares[labelled] = known
        return torch.from_numpy(shares.astype(np.float32)).to(device)

    told_by_head = logits[rows]
    shares = chances(told_by_head)
    points = torch.from_numpy(coefficients[rows]).to(device)
    search = _Search(points, shares, torch.from_numpy(transfer).to(device), shapes.to(device))
    averages = search.averages
    if shapeless is not None:
        averages.shapeless[shapeless] = True
    weights = (1.0, 0.0)
    best, best_number, best_references, called = -np.inf, 0, averages.references, told_by_head
    for number, turns in enumerate(turns for turns, rounds in STAGES for _ in range(rounds)):
        flattened = min(1.0, FLATTENED + (1 - FLATTENED) * number / ANNEALED)
        averages.frequency.copy_(shares.mean(0))
        references = averages.references.clone()
        likely = search.step(shares, turns, flattened).cpu().numpy()
        if number < HEARD:
            continue
        weights = _weigh(aside, likely[labelled], targets)
        shares = chances(weights[0] * told_by_head + min(weights[1], HEEDED) * likely)
        if turns == STAGES[-1][0]:
            said = _said(aside, likely[labelled], targets, weights)
            if said > best:
                best, best_number, best_references = said, number, references
                called = weights[0] * told_by_head + weights[1] * likely
            elif number >= best_number + PATIENCE:
                break
    averages.references.copy_(best_references)
    with torch.no_grad():
        likely = averages(search.raw[labelled]).cpu().numpy()
    weights = _weigh(aside, likely, targets)
    averages = averages.cpu()
    averages.share.fill_(weights[1])
    together = weights[0] * aside + weights[1] * likely
    alone, _ = _weigh(aside, 0 * aside, targets)
    gains = forgiving(together, targets) - forgiving(alone * aside, targets)
    took = time.monotonic() - began
    log.info("averaged %d particles: %d rounds in %.0f s", len(rows), number + 1, took)
    return Averaged(
        averages,
        weights[0],
        accuracy=float((together.argmax(1) == targets).mean()),
        log_loss=float(-log_softmax(together, axis=1)[np.arange(len(targets)), targets].mean()),
        gain=float(gains.mean()),
        error=float(gains.std() / len(gains) ** 0.5),
        prior=pool_prior(called, np.arange(len(told)), targets),
    )


class _Search:
    """Averages of all parts as they are so far; each step makes them anew."""

    def __init__(self, points: Tensor, shares: Tensor, transfer: Tensor, shapes: Tensor) -> None:
        self.raw = points
        self.part = part_of(points)
        shape = points.view(-1, SHELLS, ORDERS)
        self.averages = Averages(shares.shape[1]).to(points.device)
        self.averages.whitening.copy_(whitening_of(shape, shares))
        self.averages.transfer.copy_(whitened(transfer, self.averages.whitening))
        self.points = self.averages.white(shape).flatten(1)
        held = shape.square().sum((0, 2)) > 0
        self.live = torch.from_numpy(RESOLVED).to(points.device) & held[:, None]
        self.at = self.live.flatten().nonzero()[:, 0]
        self.energies = energies(self.averages.transfer[self.at][:, self.at], self.at)
        shapes = self.averages.white(shapes) * self.live
        self.usual = torch.stack(
            [shapes[:, :, orders].square().mean((0, 2)).clamp(min=LEAST) for orders in of_degree()]
        )
        #: Variance of coefficients by part, class, degree and shell.
        self.expected = self.usual.repeat(PARTS, shares.shape[1], 1, 1)
        likely = torch.cat([self._likely(some) for some in torch.split(shapes, 16)], dim=1)
        for part, references in enumerate(self.averages.references):
            rest = self.part != part
            by_class = shares[rest].T @ likely[rest] / shares[rest].sum(0)[:, None].clamp(min=1e-6)
            references.copy_(shapes[by_class.argmax(1)].flatten(1))

    def _likely(self, shapes: Tensor) -> Tensor:
        return likelihoods(self.points, *self.averages.seen(shapes.flatten(1), STAGES[0][0]))

    def step(self, shares: Tensor, turns: int, flattened: float) -> Tensor:
        """Orient every particle by the averages so far, and average anew.

        Returns what the averages so far say of every class, see ``Averages.compared``: (N, C).
        """
        points, transfer = self.points[:, self.at], self.averages.transfer[self.at][:, self.at]
        turned = turning(turns).to(points.device)
        likely = points.new_zeros(shares.shape)
        for part, references in enumerate(self.averages.references):
            own = self.part == part
            seen, energy = self.averages.seen(references, turns)
            seen = seen[:, :, self.at]
            likely[own] = likelihoods(points[own], seen, energy)
            back = torch.zeros(*seen.shape[:2], COEFFICIENTS, device=seen.device)
            for kind, views in enumerate(zip(seen, energy, strict=True)):
                rows = (~own & (shares[:, kind] > NEGLIGIBLE)).nonzero()[:, 0]
                total = _oriented(points[rows], shares[rows, kind], *views, flattened)
                back[kind, :, self.at] = total @ transfer
            sums = torch.einsum("gij,cgsi->csj", turned, back.view(*back.shape[:2], SHELLS, ORDERS))
            counts = shares[~own].sum(0)
            solved = self._solved(sums, counts, self.expected[part]) * self.live
            references.copy_(solved.flatten(1))
        return self.averages.compared(likely)

    def _solved(self, sums: Tensor, counts: Tensor, expected: Tensor) -> Tensor:
        """Averages of greatest posterior: sums over particles against what they could hold.

        How much is to be expected of a class on a shell is estimated anew meanwhile, as in
        automatic relevance determination (MacKay 1992): a small particle has nothing outside.
        """
        answer = torch.zeros_like(sums)
        for degree, orders in enumerate(of_degree()):
            prior = torch.diag_embed(1 / expected[:, degree])
            error = torch.linalg.inv(counts[:, None, None] * self.energies[degree] + prior)
            answer[:, :, orders] = found = error @ sums[:, :, orders]
            own = found.square().mean(2) + error.diagonal(dim1=1, dim2=2)
            both = BELIEVED * self.usual[degree] + len(orders) * own
            expected[:, degree] = (both / (BELIEVED + len(orders))).clamp(min=LEAST)
        return answer


def _oriented(
    points: Tensor, shares: Tensor, seen: Tensor, energy: Tensor, flattened: float
) -> Tensor:
    """Sum of a class's particles by the orientations in which its average explains them.

    (N, n), (N,), (G, n), (G,) -> (G, n)
    """
    total = torch.zeros_like(seen)
    for some, share in zip(torch.split(points, BATCH), torch.split(shares, BATCH), strict=True):
        match = (some @ seen.T - energy) * flattened
        total += (torch.softmax(match, dim=1) * share[:, None]).T @ some
    return total


def _weigh(
    head: NDArray[np.floating], likely: NDArray[np.floating], targets: NDArray[np.integer]
) -> tuple[float, float]:
    """What logits and log-likelihoods count: what calls labels set aside likeliest.

    A weak prior keeps them near 1 and near a fifth where labels are few.
    """

    def loss(logs: NDArray[np.floating]) -> float:
        said = _said(head, likely, targets, np.exp(logs))
        return float(-said + 0.01 * (logs[0] ** 2 + (logs[1] + 1.5) ** 2))

    first, second = np.exp(minimize(loss, np.array([0.0, -1.5]), method="Nelder-Mead").x)
    return float(first), float(second)


def _said(
    head: NDArray[np.floating],
    likely: NDArray[np.floating],
    targets: NDArray[np.integer],
    weights: Sequence[float],
) -> float:
    """Mean log-probability of labels by logits and log-likelihoods together."""
    return float(forgiving(weights[0] * head + weights[1] * likely, targets).mean())
