"""How well each class's average explains a particle, in whatever orientation it lies."""

import math
from collections.abc import Callable, Iterable
from typing import Self

import torch
from torch import Tensor, nn

from cryoal.models.harmonics import COEFFICIENTS, DEGREE, DEGREES, ORDERS, SHELLS
from cryoal.models.places import PLACES, Placed
from cryoal.models.turning import turning

#: Each particle is held against averages that it had no part in: averages are made this often,
#: of all particles but one part.
PARTS = 3
#: Orientations that a particle is judged in: 18 degrees apart, as fine as the sixth degree needs.
TURNS = 1000
#: So many find out first which places are worth it: at the others no class is more than so many
#: times as likely as the likeliest is at all places together.
COARSE, UNLIKELY = 200, 0.02
#: Least likelihood of a class that averages with names give.
LEAST = 1e-6
#: Particles compared at once.
BATCH = 256


class Averages(nn.Module):
    """The classes' averages, and the logarithm of each one's likelihood.

    A particle x of class c is modelled as ``x = W D f + n``: the average f, turned by D into an
    unknown orientation, seen through the tomogram's missing wedge W, with Gaussian noise n. All
    are coefficients on shells, whitened degree by degree, about the place where the particle lies.
    The likelihood is the mean over all orientations and, as likely as each is, all places, as in
    Scheres et al. (Nature Methods 4, 2007).

    Of a class whose members have no shape in common, junk above all, an average says nothing:
    it is always as likely as the other classes together, and the head alone decides about it.

    Parameters
    ----------
    n_classes : int
    named : int
        So many averages, which have names: how likely a member of each is of each class.
        0 for an average a class.
    """

    references: Tensor
    whitening: Tensor
    transfer: Tensor
    share: Tensor
    frequency: Tensor
    shapeless: Tensor
    lies: Tensor
    head: Tensor
    prior: Tensor
    weight: Tensor
    names: Tensor
    votes: Tensor

    def __init__(self, n_classes: int, named: int = 0) -> None:
        super().__init__()
        self.named, count = named, named or n_classes
        eye = torch.eye(SHELLS).expand(DEGREES + 1, SHELLS, SHELLS)
        self.register_buffer("references", torch.zeros(PARTS, count, COEFFICIENTS))
        self.register_buffer("whitening", eye.clone())
        self.register_buffer("transfer", torch.eye(COEFFICIENTS))
        #: What the log-likelihoods count beside the logits of a head.
        self.register_buffer("share", torch.ones(()))
        #: What those logits count.
        self.register_buffer("head", torch.ones(()))
        #: Logarithm of how common each class is.
        self.register_buffer("prior", torch.zeros(n_classes))
        #: How much of the answer is theirs, beside other sets of averages and the head alone.
        self.register_buffer("weight", torch.ones(()))
        self.register_buffer("frequency", torch.full((count,), 1 / count))
        self.register_buffer("shapeless", torch.zeros(count, dtype=torch.bool))
        if named:
            #: Beside what averages are, what the head says of their members on the mean, which is
            #: taken off what it says of a particle.
            self.register_buffer("names", torch.full((named, n_classes), 1 / n_classes))
            self.register_buffer("votes", torch.zeros(named, n_classes))
        #: How likely a particle lies at each of ``PLACES``: at the centre, unless picks err.
        self.register_buffer("lies", (torch.arange(len(PLACES)) == 0).float())
        #: Averages of a part in all orientations: found once, as long as they stay on a device.
        self._views: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._views.clear()  # moved to another device
        moved: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return moved

    def white(self, coefficients: Tensor) -> Tensor:
        """Whiten: (..., SHELLS, ORDERS) -> the same."""
        by_order = self.whitening[torch.from_numpy(DEGREE)]
        return torch.einsum("mst,...tm->...sm", by_order, coefficients)

    @property
    def moves(self) -> bool:
        """Whether a particle may lie beside the centre of its box."""
        return bool((self.lies[1:] > 0).any())

    def forward(self, coefficients: Tensor) -> Tensor:
        """Log-likelihoods of every class, as they count beside a head's logits.

        Parameters
        ----------
        coefficients : (B, P * COEFFICIENTS) or (B, COEFFICIENTS)
            About every place; with those about the centre alone, particles are taken to lie there.

        Returns
        -------
        (B, C)
        """
        with torch.autocast(coefficients.device.type, enabled=False):
            shells = coefficients.view(len(coefficients), -1, SHELLS, ORDERS)
            places = self.lies.nonzero()[:, 0]
            if shells.shape[1] == 1:
                places = torch.zeros_like(places[:1])
            points = self.white(shells[:, places]).flatten(2)  # (B, P, n)
            part = part_of(coefficients)
            answer = points.new_zeros(len(points), self.references.shape[1])
            for number in range(PARTS):
                own = part == number
                if own.any():
                    answer[own] = self._likely(number, Placed.of(points[own], places))
            likely = self.compared(answer)
            if not self.named:
                return self.share * likely
            member = torch.softmax(likely + self.frequency.log(), dim=1)
            return self.share * (member @ self.names).clamp(min=LEAST).log() - member @ self.votes

    def _likely(self, part: int, points: Placed) -> Tensor:
        """Log-likelihoods by one part's averages, summed over places: (n, C)."""
        if len(points.points) > points.n:
            coarse = self.likelihoods(points, *self._views_of(part, COARSE))
            best = points.together(coarse).amax(1)[points.particle]
            points = points.only((coarse.amax(1) > best + math.log(UNLIKELY)).nonzero()[:, 0])
        return points.together(self.likelihoods(points, *self._views_of(part, TURNS)))

    def likelihoods(self, points: Placed, seen: Tensor, energy: Tensor) -> Tensor:
        """Log-likelihood of every class and place, its chance there included: (M, C)."""
        found = likelihoods(points.points, seen, energy)
        return found + self.lies.clamp(min=1e-30)[points.place].log()[:, None]

    def _views_of(self, part: int, turns: int) -> tuple[Tensor, Tensor]:
        if (part, turns) not in self._views:
            self._views[part, turns] = self.seen(self.references[part], turns)
        return self._views[part, turns]

    def compared(self, likely: Tensor) -> Tensor:
        """Log-likelihoods less their mean, those of shapeless classes put in: (B, C)."""
        shares = self.frequency.masked_fill(self.shapeless, 0.0)
        others = torch.logsumexp(likely + (shares / shares.sum()).log(), dim=1, keepdim=True)
        likely = torch.where(self.shapeless, others, likely)
        return likely - likely.mean(1, keepdim=True)

    def seen(self, references: Tensor, turns: int = TURNS) -> tuple[Tensor, Tensor]:
        """Averages in all orientations, through the wedge, and half the energy of each.

        Parameters
        ----------
        references : (C, COEFFICIENTS)
            Whitened.

        Returns
        -------
        (C, turns, COEFFICIENTS), (C, turns)
        """
        through = self.turned(references, turns) @ self.transfer.T
        return through, 0.5 * through.square().sum(2)

    def turned(self, references: Tensor, turns: int) -> Tensor:
        """Averages in all orientations: (C, COEFFICIENTS) -> (C, turns, COEFFICIENTS)."""
        shells = references.view(-1, SHELLS, ORDERS)
        return torch.einsum("gij,csj->cgsi", turning(turns).to(shells), shells).flatten(2)


def together(averages: Iterable[Averages], logits: Tensor, coefficients: Tensor) -> Tensor:
    """What a head and averages answer: the mean of the probabilities that they give.

    A set of averages with the head counts its ``weight``, the head alone what they leave.

    Parameters
    ----------
    logits : (B, C)
        The head's.
    coefficients : (B, P * COEFFICIENTS) or (B, COEFFICIENTS)

    Returns
    -------
    (B, C)
        Logarithms of probabilities.
    """
    averages = list(averages)
    each = [a.head * logits + a(coefficients) + a.prior for a in averages]
    weights = torch.stack([a.weight for a in averages])
    alone = (1 - weights.sum()).clamp(min=0)
    return mean_answer(torch.stack([*each, logits]), torch.cat([weights, alone[None]]))


def mean_answer(logits: Tensor, weights: Tensor) -> Tensor:
    """Logarithm of the weighted mean of probabilities: (S, B, C), (S,) -> (B, C)."""
    return (logits.log_softmax(2) + weights.log()[:, None, None]).logsumexp(0)


def likelihoods(points: Tensor, seen: Tensor, energy: Tensor) -> Tensor:
    """Logarithm of the mean likelihood over orientations: (B, n), (C, G, n), (C, G) -> (B, C)."""
    classes, turns, _ = seen.shape
    columns = seen.flatten(0, 1).T
    found = [
        torch.logsumexp((some @ columns).view(-1, classes, turns) - energy, dim=2)
        for some in torch.split(points, BATCH)
    ]
    return torch.cat(found) - math.log(turns)


def part_of(coefficients: Tensor) -> Tensor:
    """The part that a particle belongs to, read off its own last digits: (B, n) -> (B,) int64.

    So a network knows, without being told, which particles had no part in which averages.
    """
    digits = coefficients[:, 0].float().contiguous().cpu().view(torch.int32).long()
    return (digits % PARTS).to(coefficients.device)
