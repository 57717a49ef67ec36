"""Averages that have no names of their own: labels say what each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.special import softmax
from torch import Tensor

from cryoal.learn.orienting import Search
from cryoal.learn.weighing import Heard, weigh
from cryoal.models.averages import LEAST

#: Orientations and rounds with two averages a class; then siblings of one name are one again.
APART = ((200, 4), (400, 8))
#: More rounds then, until calls settle: until in so many rounds so small a share of them changes.
TOGETHER, TURNS, PATIENCE, SETTLED = 24, 400, 6, 0.004
#: Every so many rounds all particles are held against all averages.
ALL = 4
#: What the head's mean vote about an average's members counts, against one label, and how far names
#: are sharpened: by this power.
VOTE, SHARP = 1.0, 2
#: The most that names count.
MOST = 1.5
#: How sure a name has to be for siblings to be one.
SAME = 0.7
#: How likely a particle is of a class that is a member when the class is split, how many members
#: that takes, and how many principal components of the embedding it is split by.
MEMBER, FEWEST, COMPONENTS = 0.3, 20, 8


@dataclass(frozen=True)
class Named:
    """What averages, their names and the head say together; N particles, K averages, C classes.

    Attributes
    ----------
    names : (K, C)
        How likely a member of an average is of a class.
    votes : (K, C)
        What the head says of an average's members on the mean, as it counts.
    head, share : float
        What the head's logits and the logarithm of the names' likelihoods count.
    called : (N, C)
    aside : (n, C)
        Of the labelled particles, by names and a head that had not seen their labels.
    parts : (N, K)
        How likely each particle is of an average, its class so known: to average anew with.
    """

    names: NDArray[np.float64]
    votes: NDArray[np.float64]
    head: float
    share: float
    called: NDArray[np.float64]
    aside: NDArray[np.float64]
    parts: Tensor


def named(likely: Tensor, parts: Tensor, heard: Heard) -> Named:
    """Let labels name averages, and call every particle.

    An average is what its labels are and, for as much as one label, what the head says of
    its members on the mean. Of the head itself counts only what it says beyond that: it says the
    same wrong thing of all particles of a class that it does not know.

    Parameters
    ----------
    likely : (N, K)
        What averages say of each particle, the labelled ones first.
    parts : (N, K)
        How likely each was of an average.
    """
    n, labels = len(heard.targets), np.eye(heard.logits.shape[1])[heard.targets]
    frequency = np.log(np.maximum(parts.mean(0).cpu().numpy(), 1e-9))
    member = softmax(likely.cpu().numpy().astype(np.float64) + frequency, axis=1)
    share = member[n:] / (member[n:].sum(0) + 1e-9)
    told = member[:n].T @ labels + VOTE * share.T @ softmax(heard.logits[n:], axis=1)
    names, mean = _sharp(told), share.T @ heard.logits[n:]
    others = _sharp(told - member[:n, :, None] * labels[:, None])  # (n, K, C): without its own
    without = np.log(np.maximum(np.einsum("nk,nkc->nc", member[:n], others), LEAST))
    beyond, aside = heard.logits - member @ mean, heard.aside - member[:n] @ mean
    head, counts = weigh(aside, without, heard.targets)
    counts = min(counts, MOST)
    called = head * beyond + counts * np.log(np.maximum(member @ names, LEAST))
    by_class = heard.chances(called).numpy() / np.maximum(member @ names, 1e-30)
    anew = torch.from_numpy((member * (by_class @ names.T)).astype(np.float32))
    return Named(
        names, head * mean, head, counts, called, head * aside + counts * without, anew.to(parts)
    )


def search_named(
    search: Search, shares: Tensor, embedded: NDArray[np.floating], heard: Heard
) -> tuple[Search, Named]:
    """Go on with two averages for each class, that labels name.

    Parameters
    ----------
    search : Search
        With an average for each class; it is left as it is.
    shares : (N, C)
    embedded : (N, D)
        Where particles that look alike lie near each other: classes are split by it.
    """
    origin, parts = _split(shares, embedded, search.averages.shapeless)
    search = search.regrouped(origin.tolist())
    calls: list[NDArray[np.intp]] = []
    apart = [turns for turns, rounds in APART for _ in range(rounds)]
    for number, turns in enumerate(apart + [TURNS] * TOGETHER):
        now = step(search, parts, turns, heard, all_of_all=number % ALL == 0)
        parts = now.parts
        if number < len(apart) - 1:
            continue
        if number == len(apart) - 1:
            kept, parts = _together(origin, now)
            search = search.regrouped(kept)
        calls.append(now.called.argmax(1))
        if settled(calls):
            break
    return search, now


def settled(calls: Sequence[NDArray[np.integer]]) -> bool:
    """Whether the classes that particles were called, round by round, change no more."""
    return len(calls) > PATIENCE and bool((calls[-1] != calls[-1 - PATIENCE]).mean() < SETTLED)


def step(
    search: Search, parts: Tensor, turns: int, heard: Heard, *, all_of_all: bool = True
) -> Named:
    """A round: averages are made anew, and what they were is named."""
    also = None if all_of_all else heard.labelled(parts)
    return named(search.step(parts, turns, also), parts, heard)


def _split(
    shares: Tensor, embedded: NDArray[np.floating], shapeless: Tensor
) -> tuple[NDArray[np.intp], Tensor]:
    """Two averages for each class that has members: their class, (K,), and their parts, (N, K)."""
    origin, parts = [], []
    for kind, share in enumerate(shares.T.cpu().numpy()):
        members = np.flatnonzero(share > MEMBER)
        if shapeless[kind] or len(members) < FEWEST:
            origin.append(kind)
            parts.append(share)
            continue
        centred = embedded[members] - embedded[members].mean(0)
        left, scale, _ = np.linalg.svd(centred, full_matrices=False)
        at = left[:, :COMPONENTS] * scale[:COMPONENTS]
        second = np.full(len(share), 0.5)  # half of a particle goes where the embedding says
        second[members] = 0.25 + 0.5 * kmeans2(at, 2, minit="++", rng=0)[1]
        origin += [kind, kind]
        parts += [share * (1 - second), share * second]
    return np.array(origin), torch.from_numpy(np.stack(parts, axis=1)).to(shares)


def _together(origin: NDArray[np.intp], now: Named) -> tuple[list[int], Tensor]:
    """Siblings of one name made one, the larger one's average: which are kept, and their parts."""
    parts, weight = now.parts.clone(), now.parts.sum(0)
    kept = list(range(len(origin)))
    name, sure = now.names.argmax(1), now.names.max(1) > SAME
    for kind in np.unique(origin):
        siblings = np.flatnonzero(origin == kind)
        if len(siblings) == 2 and sure[siblings].all() and len(set(name[siblings])) == 1:
            larger, smaller = sorted(siblings.tolist(), key=lambda k: -float(weight[k]))
            parts[:, larger] += parts[:, smaller]
            kept.remove(smaller)
    return kept, parts[:, kept]


def _sharp(told: NDArray[np.floating]) -> NDArray[np.float64]:
    """Names: counts as shares, sharpened so that an average of two classes leans to one."""
    told = np.maximum(told, LEAST)  # no label at all, where all but its own are taken off
    share: NDArray[np.float64] = (told / told.sum(-1, keepdims=True)) ** SHARP
    share /= share.sum(-1, keepdims=True)
    return share
