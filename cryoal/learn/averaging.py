"""Averages of the classes: of labels, and of the others as a head and the averages call them."""

import itertools
import logging
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from torch import Tensor

from cryoal.learn.calibrate import SURE, forgiving, no_worse, standard_error
from cryoal.learn.orienting import Search
from cryoal.learn.prior import pool_prior
from cryoal.models.averages import TURNS, Averages
from cryoal.models.places import even_on_rings

log = logging.getLogger(__name__)

#: Orientations and rounds: coarsely turned at first, finely then, until labels set aside have been
#: told worse for so many rounds, or so small a share of the particles was called otherwise in as
#: many. Two states of one complex part late; classes that err in each other's favour are worse for
#: every round more.
STAGES = ((200, 16), (400, 60))
PATIENCE, SETTLED = 6, 0.003
#: More rounds at the end, in as many orientations as predictions are made in.
FINE = 2
#: After so many rounds the averages are heard about a particle's class, beside the head; and what
#: they count at most meanwhile: wrong guesses confirm themselves.
HEARD, HEEDED = 4, 0.5
#: After so many rounds averages have shape enough to say where a particle lies.
MOVED = 6
#: Every so many rounds all particles are held against all averages, meanwhile those without a label
#: against those alone of which they may be.
ALL = 4
#: Averages are made of so many particles at most.
ENOUGH = 3000
#: Fewer particles for each class than this are averaged to noise.
FEWEST = 40
#: Logarithms of what head and averages may count, where the search for it begins.
WEIGHTS = ((-1.5, -0.8, 0.0), (-2.5, -1.5, -0.8, 0.0))
#: Rings of places that hold a smaller share of the particles are not looked at in predictions.
FEW = 0.1


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
    points: NDArray[np.float32],
    logits: NDArray[np.floating],
    targets: NDArray[np.integer],
    aside: NDArray[np.floating],
    transfer: NDArray[np.float32],
    shapes: Tensor,
    *,
    placed: NDArray[np.float32] | None = None,
    shapeless: int | None = None,
    device: str | torch.device = "cpu",
) -> Averaged:
    """Average classes, by expectation maximisation over classes, orientations and places.

    Each class begins as the shape that explains its likely particles best. Then, again and
    again, every particle is held against all averages in all orientations and places, its
    chances to be of a class are what the head and those likelihoods say together (its label,
    where it has one), and everything is averaged anew. How far picks err is estimated with it.
    A particle is judged only by averages it had no part in.

    Parameters
    ----------
    points : (N, COEFFICIENTS)
        Of the labelled particles and, behind them, of others; see ``models.harmonics``.
    logits : (N, C)
        What a head thinks of each.
    targets : (n,) int
        Classes of the first n.
    aside : (n, C)
        The head's logits of labelled particles when it had not seen their labels.
    transfer : (COEFFICIENTS, COEFFICIENTS)
        What the missing wedge does to coefficients, ``models.turning.transfer_operator``.
    shapes : (K, SHELLS, ORDERS)
        To begin with, for example ``models.pretrained.first_shapes``.
    placed : (N, P * COEFFICIENTS), optional
        About all places: particles may lie beside the centre then.
    shapeless : int, optional
        The class whose members have no shape in common: junk.
    """
    began = time.monotonic()
    heard = _Heard(logits, targets, aside)
    here, wedge = torch.from_numpy(points).to(device), torch.from_numpy(transfer).to(device)
    shares = heard.chances(logits).to(device)
    search = Search(here, shares, wedge, shapes.to(device))
    averages = search.averages
    if shapeless is not None:
        averages.shapeless[shapeless] = True
    about = None if placed is None else torch.from_numpy(placed).to(device)
    best, rounds = _seek(search, about, heard, shares)
    averages.references.copy_(best.references)
    averages.lies.copy_(best.lies)
    shares = heard.chances(best.called).to(device)
    for _ in range(FINE):
        search.step(shares, TURNS)
    averages.lies.copy_(even_on_rings(averages.lies, least=FEW))
    with torch.no_grad():
        seen = points if placed is None else placed
        likely = averages(torch.from_numpy(seen[: len(targets)]).to(device)).cpu().numpy()
    weights = _weigh(aside, likely, targets)
    averages = averages.cpu()
    averages.share.fill_(weights[1])
    together = weights[0] * aside + weights[1] * likely
    alone, _ = _weigh(aside, 0 * aside, targets)
    gains = forgiving(together, targets) - forgiving(alone * aside, targets)
    log.info(
        "averaged %d particles in %d rounds (%.0f s); %.0f %% lie beside their centre",
        *(len(points), rounds, time.monotonic() - began),
        100 * (1 - float(averages.lies[0])),
    )
    return Averaged(
        averages,
        weights[0],
        accuracy=float((together.argmax(1) == targets).mean()),
        log_loss=float(-log_softmax(together, axis=1)[np.arange(len(targets)), targets].mean()),
        gain=float(gains.mean()),
        error=standard_error(gains),
        prior=pool_prior(best.called, np.arange(len(targets)), targets),
    )


@dataclass(frozen=True)
class _Heard:
    """What is known of the particles without averages: (N, C), (n,) and (n, C)."""

    logits: NDArray[np.floating]
    targets: NDArray[np.integer]
    aside: NDArray[np.floating]

    def chances(self, of: NDArray[np.floating]) -> Tensor:
        """Chances of every particle, those of the labelled ones known: (N, C) -> (N, C)."""
        shares = softmax(of, axis=1)
        shares[: len(self.targets)] = np.eye(of.shape[1])[self.targets]
        return torch.from_numpy(shares.astype(np.float32))


@dataclass(frozen=True)
class _Round:
    """Averages of one round, and what they tell.

    Attributes
    ----------
    called : (N, C)
        What head and averages say together.
    said : (n,)
        How likely labels set aside are by that, as logarithms.
    """

    number: int
    references: Tensor
    lies: Tensor
    called: NDArray[np.floating]
    said: NDArray[np.floating]


def _seek(
    search: Search, placed: Tensor | None, heard: _Heard, shares: Tensor
) -> tuple[_Round, int]:
    """Average again and again: the latest round that tells labels no worse, and how many it was."""
    averages, told = search.averages, slice(0, len(heard.targets))
    best: _Round | None = None
    most: NDArray[np.floating] | None = None
    calls: list[NDArray[np.intp]] = []
    labelled = torch.arange(len(shares), device=shares.device) < told.stop
    for number, turns in enumerate(turns for turns, rounds in STAGES for _ in range(rounds)):
        if number == MOVED and placed is not None:
            search.move(placed)
        averages.frequency.copy_(shares.mean(0))
        references, lies = averages.references.clone(), averages.lies.clone()
        likely = search.step(shares, turns, labelled if number % ALL else None).cpu().numpy()
        if number < HEARD:
            continue
        head, share = _weigh(heard.aside, likely[told], heard.targets)
        called = head * heard.logits + min(share, HEEDED) * likely
        shares = heard.chances(called).to(shares.device)
        if turns < STAGES[-1][0]:
            continue
        called = head * heard.logits + share * likely
        said = forgiving(head * heard.aside + share * likely[told], heard.targets)
        if best is None or most is None or no_worse(said, most):
            best = _Round(number, references, lies, called, said)
        if most is None or said.mean() > most.mean():
            most = said
        calls.append(called.argmax(1))
        settled = len(calls) > PATIENCE and (calls[-1] != calls[-1 - PATIENCE]).mean() < SETTLED
        if settled or number >= best.number + PATIENCE:
            break
    assert best is not None
    return best, number + 1


def _weigh(
    head: NDArray[np.floating], likely: NDArray[np.floating], targets: NDArray[np.integer]
) -> tuple[float, float]:
    """What logits and log-likelihoods count: what calls labels set aside likeliest.

    A weak prior keeps them near 1 and near a fifth where labels are few.
    """

    def loss(logs: NDArray[np.floating]) -> float:
        first, second = np.exp(logs)
        said = forgiving(first * head + second * likely, targets).mean()
        return float(-said + 0.01 * (logs[0] ** 2 + (logs[1] + 1.5) ** 2))

    # Forgiveness makes more than one valley.
    begin = min((np.array(at) for at in itertools.product(*WEIGHTS)), key=loss)
    first, second = np.exp(minimize(loss, begin, method="Nelder-Mead").x)
    return float(first), float(second)
