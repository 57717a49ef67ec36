"""Averages of the classes: of labels, and of the others as a head and the averages call them."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor

from cryoal.learn.calibrate import SURE, forgiving, no_worse, standard_error
from cryoal.learn.device import torch_threads
from cryoal.learn.naming import ALL, PATIENCE, search_named, settled, step
from cryoal.learn.orienting import Search
from cryoal.learn.prior import pool_prior
from cryoal.learn.weighing import Heard, shared_out, weigh
from cryoal.models.averages import TURNS, Averages, mean_answer
from cryoal.models.places import PLACES, even_on_rings

log = logging.getLogger(__name__)

#: Orientations and rounds: coarsely turned at first, finely then, until calls settle or labels set
#: aside have been told worse for as many rounds. Two states of one complex part late; classes that
#: err in each other's favour are worse for every round more.
COARSE, THEN = (200, 16), (400, 60)
#: More rounds at the end, in as many orientations as predictions are made in.
FINE = 2
#: After so many rounds the averages are heard about a particle's class, beside the head; and what
#: they count at most meanwhile: wrong guesses confirm themselves.
HEARD, HEEDED = 4, 0.5
#: After so many rounds averages have shape enough to say where a particle lies.
MOVED = 6
#: Where after the coarse rounds more than this share of the particles lie in the centre, picks do
#: not err: others seem to lie beside it because they are faint, and all stay.
CENTRED = 0.5
#: Averages are made of so many particles at most.
ENOUGH = 3000
#: Fewer particles for each class than this are averaged to noise.
FEWEST = 40
#: Rings of places that hold a smaller share of the particles are not looked at in predictions.
FEW = 0.1


@dataclass(frozen=True)
class Averaged:
    """Averages, and what they and the head know together.

    Attributes
    ----------
    averages : of Averages
        One a class and, perhaps, others that labels name.
    accuracy, log_loss : float
        Of labels that neither head nor averages had seen, which are no random sample.
    gain, error : float
        How much likelier such labels are called than by the head alone, as a difference of mean
        log-probabilities, and the standard error of that.
    """

    averages: Sequence[Averages]
    accuracy: float
    log_loss: float
    gain: float
    error: float

    @property
    def helps(self) -> bool:
        """Whether labels leave little doubt that averages should be heard."""
        return self.gain > SURE * self.error


@torch_threads()
def average(
    points: NDArray[np.float32],
    heard: Heard,
    transfer: NDArray[np.float32],
    shapes: Tensor,
    *,
    placed: NDArray[np.float32] | None = None,
    embedded: NDArray[np.floating] | None = None,
    shapeless: int | None = None,
    device: str | torch.device = "cpu",
) -> Averaged:
    """Average classes, by expectation maximisation over classes, orientations and places.

    Each class begins as the shape that explains its likely particles best. Then, again and
    again, every particle is held against all averages in all orientations and places, its
    chances to be of a class are what the head and those likelihoods say together (its label,
    where it has one), and everything is averaged anew. How far picks err is estimated with it.
    A particle is judged only by averages it had no part in.

    From the coarse rounds on this is done twice, once with an average a class and once with two,
    which labels name: one average a class may stay another class's, or hold two.

    Parameters
    ----------
    points : (N, COEFFICIENTS)
        Of the labelled particles and, behind them, of others; see ``models.harmonics``.
    heard : Heard
        What a head thinks of each.
    transfer : (COEFFICIENTS, COEFFICIENTS)
        What the missing wedge does to coefficients, ``models.turning.transfer_operator``.
    shapes : (K, SHELLS, ORDERS)
        To begin with, for example ``models.pretrained.first_shapes``.
    placed : (N, P * COEFFICIENTS), optional
        About all places: particles may lie beside the centre then.
    embedded : (N, D), optional
        Where particles that look alike lie near each other; no averages with names without it.
    shapeless : int, optional
        The class whose members have no shape in common: junk.
    """
    began = time.monotonic()
    here, wedge = torch.from_numpy(points).to(device), torch.from_numpy(transfer).to(device)
    shares = heard.chances(heard.logits).to(device)
    search = Search(here, shares, wedge, shapes.to(device))
    if shapeless is not None:
        search.averages.shapeless[shapeless] = True
    about = None if placed is None else torch.from_numpy(placed).to(device)
    shares = _begin(search, here, about, heard, shares)
    # Those with names go on in a search of their own, and first: the other changes this one.
    with_names = [] if embedded is None else [_with_names(search, shares, embedded, heard)]
    seen = (points if placed is None else placed)[: len(heard.targets)]
    answers = [_of_classes(search, shares, heard, seen), *with_names]
    asides = np.stack([*(aside for _, aside in answers), heard.aside])
    weights = shared_out(np.stack([forgiving(aside, heard.targets) for aside in asides]))
    for (averages, _), weight in zip(answers, weights, strict=False):  # the last is the head's own
        averages.weight.fill_(weight)
    both = mean_answer(torch.from_numpy(asides), torch.from_numpy(weights)).numpy()
    gains = forgiving(both, heard.targets) - forgiving(heard.aside, heard.targets)
    log.info(
        "averaged %d particles (%.0f s), each looked for %s",
        *(len(points), time.monotonic() - began, _where(answers[0][0])),
    )
    right = np.arange(len(heard.targets)), heard.targets
    return Averaged(
        [averages for averages, _ in answers],
        accuracy=float((both.argmax(1) == heard.targets).mean()),
        log_loss=float(-log_softmax(both, axis=1)[right].mean()),
        gain=float(gains.mean()),
        error=standard_error(gains),
    )


def _where(averages: Averages) -> str:
    """Where particles are looked for; where they lie noise decides too, if they are faint."""
    if not averages.moves:
        return "at the centre of its box"
    farthest = PLACES[averages.lies > 0].square().sum(1).max()
    return f"up to {math.sqrt(farthest):.1f} voxels from the centre of its box"


def _begin(
    search: Search, points: Tensor, placed: Tensor | None, heard: Heard, shares: Tensor
) -> Tensor:
    """Average coarsely, an average a class: (N, C), how likely each particle is of a class.

    With places, particles are looked for beside their centre; where picks do not err that ends.
    """
    turns, rounds = COARSE
    for number in range(rounds):
        if number == MOVED and placed is not None:
            search.move(placed)
        likely = _round(search, heard, shares, turns, number)
        if number >= HEARD:
            head, share = weigh(heard.aside, likely[: len(heard.targets)], heard.targets)
            called = head * heard.logits + min(share, HEEDED) * likely
            shares = heard.chances(called).to(shares.device)
    if float(search.averages.lies[0]) > CENTRED:
        search.stay(points)
    return shares


def _round(
    search: Search, heard: Heard, shares: Tensor, turns: int, number: int
) -> NDArray[np.float32]:
    """Average anew, every so often with all particles asked of all classes: what they said."""
    also = heard.labelled(shares) if number % ALL else None
    said: NDArray[np.float32] = search.step(shares, turns, also).cpu().numpy()
    return said


def _with_names(
    search: Search, shares: Tensor, embedded: NDArray[np.floating], heard: Heard
) -> tuple[Averages, NDArray[np.float64]]:
    """Averages that labels name, and what they and a head say of labels set aside: (n, C)."""
    search, now = search_named(search, shares, embedded, heard)
    for _ in range(FINE):
        now = step(search, now.parts, TURNS, heard)
    averages = search.averages
    averages.lies.copy_(even_on_rings(averages.lies, least=FEW))
    averages.head.fill_(now.head)
    averages.share.fill_(now.share)
    averages.names.copy_(torch.from_numpy(now.names))
    averages.votes.copy_(torch.from_numpy(now.votes))
    return averages.cpu(), now.aside


def _of_classes(
    search: Search, shares: Tensor, heard: Heard, labelled: NDArray[np.float32]
) -> tuple[Averages, NDArray[np.float64]]:
    """An average a class, and what they and a head say of labels set aside: (n, C).

    Parameters
    ----------
    labelled : (n, P * COEFFICIENTS)
        The labelled particles' points.
    """
    best, averages = _seek(search, heard, shares), search.averages
    averages.references.copy_(best.references)
    averages.lies.copy_(best.lies)
    shares = heard.chances(best.called).to(shares.device)
    for _ in range(FINE):
        search.step(shares, TURNS)
    averages.lies.copy_(even_on_rings(averages.lies, least=FEW))
    with torch.no_grad():
        there = torch.from_numpy(labelled).to(shares.device)
        likely = averages(there).cpu().numpy().astype(np.float64)
    head, share = weigh(heard.aside, likely, heard.targets)
    prior = pool_prior(best.called, np.arange(len(heard.targets)), heard.targets)
    averages.head.fill_(head)
    averages.share.fill_(share)
    averages.prior.copy_(torch.from_numpy(np.log(prior)))
    return averages.cpu(), head * heard.aside + share * likely


@dataclass(frozen=True)
class _Best:
    """Averages of the best round so far, and what they tell.

    Attributes
    ----------
    called : (N, C)
        What head and averages say together.
    """

    number: int
    references: Tensor
    lies: Tensor
    called: NDArray[np.floating]


def _seek(search: Search, heard: Heard, shares: Tensor) -> _Best:
    """Average finely, again and again: the latest round that tells labels no worse."""
    averages, told = search.averages, slice(0, len(heard.targets))
    best: _Best | None = None
    most: NDArray[np.floating] | None = None
    calls: list[NDArray[np.intp]] = []
    turns, rounds = THEN
    for number in range(rounds):
        references, lies = averages.references.clone(), averages.lies.clone()
        likely = _round(search, heard, shares, turns, number)
        head, share = weigh(heard.aside, likely[told], heard.targets)
        called = head * heard.logits + min(share, HEEDED) * likely
        shares = heard.chances(called).to(shares.device)
        called = head * heard.logits + share * likely
        said = forgiving(head * heard.aside + share * likely[told], heard.targets)
        if best is None or most is None or no_worse(said, most):
            best = _Best(number, references, lies, called)
        if most is None or said.mean() > most.mean():
            most = said
        calls.append(called.argmax(1))
        if settled(calls) or number >= best.number + PATIENCE:
            break
    assert best is not None
    log.debug("averages of the classes: %d fine rounds, the best %d", number + 1, best.number + 1)
    return best
