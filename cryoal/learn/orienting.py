"""One round of averaging: orient every particle by the averages so far, and average anew."""

import copy
import math

import torch
from torch import Tensor

from cryoal.learn.whitening import energies, of_degree, whitened, whitening_of
from cryoal.models.averages import PARTS, Averages, likelihoods, part_of
from cryoal.models.harmonics import COEFFICIENTS, ORDERS, RESOLVED, SHELLS
from cryoal.models.places import Placed, even_on_rings, spread
from cryoal.models.turning import turning

#: Orientations in which shapes are compared with the classes, to begin with.
BEGIN = 200
#: Particles whose chance to be of a class is less have no part in its average, and places where a
#: particle lies with less than the second are not looked at again.
NEGLIGIBLE, NOT_THERE = 0.01, 0.02
#: How much a class counts, whatever the particle is, in saying where it lies: junk lies somewhere.
SLIGHT = 1e-4
#: Places that are looked at again, of a particle on the mean, at most: faint ones may lie anywhere.
ENOUGH_PLACES = 8
#: Least variance that is expected of an average's coefficients.
LEAST = 1e-4
#: How many of its coefficients a class's own variance, degree by degree and shell by shell, has to
#: outweigh before it is believed rather than the shapes' one.
BELIEVED = 0.3
#: Voxels: by how much picks err along each axis, before it is known.
ERR = 1.0
#: Chance of every ring of places before any particle is counted.
SOME = 1e-3


class Search:
    """Averages of all parts as they are so far; each step makes them anew.

    Parameters
    ----------
    points : (N, COEFFICIENTS)
        Of particles, about the centres of their boxes.
    shares : (N, C)
        How likely each is of a class.
    transfer : (COEFFICIENTS, COEFFICIENTS)
        The missing wedge.
    shapes : (K, SHELLS, ORDERS)
        Each class begins as the one that explains its likely particles best.
    """

    def __init__(self, points: Tensor, shares: Tensor, transfer: Tensor, shapes: Tensor) -> None:
        self.part = part_of(points)
        shells = points.view(-1, SHELLS, ORDERS)
        self.averages = Averages(shares.shape[1]).to(points.device)
        self.averages.whitening.copy_(whitening_of(shells, shares))
        self.averages.transfer.copy_(whitened(transfer, self.averages.whitening))
        held = shells.square().sum((0, 2)) > 0
        self.live = torch.from_numpy(RESOLVED).to(points.device) & held[:, None]
        self.at = self.live.flatten().nonzero()[:, 0]
        self.wedge = self.averages.transfer[self.at][:, self.at]
        self.points = self._placed(shells[:, None])
        #: What the averages said of each class when last asked; (N, C).
        self.likely: Tensor | None = None
        self.energies = energies(self.wedge, self.at)
        shapes = self.averages.white(shapes) * self.live
        self.usual = torch.stack(
            [shapes[:, :, orders].square().mean((0, 2)).clamp(min=LEAST) for orders in of_degree()]
        )
        #: Variance of coefficients by part, class, degree and shell.
        self.expected = self.usual.repeat(PARTS, shares.shape[1], 1, 1)
        likely = torch.cat([self._of_shapes(some) for some in torch.split(shapes, 16)], dim=1)
        by_class = shares.T @ likely / shares.sum(0)[:, None].clamp(min=1e-6)
        # All parts begin alike: what is oriented by one is averaged in another.
        self.averages.references.copy_(shapes[by_class.argmax(1)].flatten(1).expand(PARTS, -1, -1))

    def move(self, placed: Tensor) -> None:
        """From now on particles may lie beside their centre: (N, P * COEFFICIENTS)."""
        self.points = self._placed(placed.view(len(placed), -1, SHELLS, ORDERS))
        self.averages.lies.copy_(spread(ERR))
        self.likely = None

    def stay(self, points: Tensor) -> None:
        """From now on particles lie at the centre of their boxes: (N, COEFFICIENTS)."""
        self.points = self._placed(points.view(-1, 1, SHELLS, ORDERS))
        self.averages.lies.zero_()[0] = 1.0
        self.likely = None

    def regrouped(self, index: list[int]) -> "Search":
        """A search that goes on with these averages, some of them perhaps twice, without classes.

        Parameters
        ----------
        index : of the averages so far, (K,)
        """
        new, old = copy.copy(self), self.averages
        new.averages = averages = Averages(old.prior.shape[0], len(index)).to(old.references.device)
        for same in ("whitening", "transfer", "lies"):
            getattr(averages, same).copy_(getattr(old, same))
        averages.references.copy_(old.references[:, index])
        averages.shapeless.copy_(old.shapeless[index])
        new.expected = self.expected[:, index].clone()
        new.likely = None
        return new

    def _placed(self, shells: Tensor) -> Placed:
        """Whitened and through the wedge, without what no shell holds: (N, P, SHELLS, ORDERS).

        Through the wedge, because then averages need not be: x . (W D f) = (x W) . (D f).
        """
        places = torch.arange(shells.shape[1])
        white = [self.averages.white(shells[:, place]).flatten(1)[:, self.at] for place in places]
        return Placed.of(torch.stack([some @ self.wedge for some in white], dim=1), places)

    def _of_shapes(self, shapes: Tensor) -> Tensor:
        return likelihoods(self.points.points, *self._views(shapes.flatten(1), BEGIN))

    def _views(self, references: Tensor, turns: int) -> tuple[Tensor, Tensor]:
        """In all orientations, and half the energy that the wedge leaves: (C, G, n), (C, G)."""
        turned = self.averages.turned(references, turns)[:, :, self.at]
        return turned, 0.5 * (turned @ self.wedge.T).square().sum(2)

    def step(self, shares: Tensor, turns: int, also: Tensor | None = None) -> Tensor:
        """Orient and place every particle by the averages so far, and average anew.

        A particle is oriented by the averages that it had no part in, and so put into the others:
        noise that an average found in it does not find itself again.

        Parameters
        ----------
        shares : (N, C)
        turns : int
            Orientations.
        also : (N,) bool, optional
            Of these particles all classes are held against them, of others those alone of which
            they may be, and what was found of the rest before stands. All of all, if left out.

        Returns
        -------
        (N, C)
            What the averages so far say of every class, see ``Averages.compared``.
        """
        averages, points = self.averages, self.points
        averages.frequency.copy_(shares.mean(0))
        asked = shares > NEGLIGIBLE
        if also is None or self.likely is None:
            self.likely = torch.zeros_like(shares)
            asked = torch.ones_like(asked)
        else:
            asked = asked | also[:, None]
        asked = asked & ~averages.shapeless
        there = torch.zeros_like(points.points[:, 0])
        sums = there.new_zeros(PARTS, shares.shape[1], turns, len(self.at))
        chance = averages.lies.clamp(min=1e-30).log()[points.place]
        part = self.part[points.particle]
        for number, references in enumerate(averages.references):
            for kind, view in enumerate(zip(*self._views(references, turns), strict=True)):
                rows = ((part == number) & asked[points.particle, kind]).nonzero()[:, 0]
                own, share = points.only(rows), shares[:, kind]
                likely, where, total = _orient(own, share, chance[rows], *view)
                self.likely[own.particle, kind] = likely[own.particle]
                there[rows] += (share + SLIGHT)[own.particle] * where
                sums[number, kind] = total
        for number in range(PARTS):
            self._average(number, shares, sums[torch.arange(PARTS) != number].sum(0))
        if averages.moves:
            self._look_closer(there)
        return averages.compared(self.likely)

    def _look_closer(self, there: Tensor) -> None:
        """How likely each place is, and which of them to look at again: (M,)."""
        averages, points = self.averages, self.points
        chances = torch.zeros_like(averages.lies).index_add(0, points.place, there)
        averages.lies.copy_(even_on_rings(chances / chances.sum() + SOME))
        of_all = there.new_zeros(points.n).index_add(0, points.particle, there)
        there = there / of_all.clamp(min=1e-30)[points.particle]  # 0: not asked about
        most = there.new_zeros(points.n).scatter_reduce(0, points.particle, there, "amax")
        enough = min(ENOUGH_PLACES * points.n, len(there))
        least = there.topk(enough).values[-1].clamp(min=NOT_THERE).minimum(most)
        self.points = points.only((there >= least[points.particle]).nonzero()[:, 0])

    def _average(self, number: int, shares: Tensor, sums: Tensor) -> None:
        """Average anew what the particles of all other parts show in each orientation."""
        back = sums.new_zeros(*sums.shape[:2], COEFFICIENTS)
        back[:, :, self.at] = sums
        turned = turning(sums.shape[1]).to(back)
        sums = torch.einsum("gij,cgsi->csj", turned, back.view(*back.shape[:2], SHELLS, ORDERS))
        counts = shares[self.part != number].sum(0)
        solved = self._solved(sums, counts, self.expected[number]) * self.live
        self.averages.references[number].copy_(solved.flatten(1))

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


def _orient(
    points: Placed, share: Tensor, chance: Tensor, turned: Tensor, energy: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Hold particles against a class's average in all orientations.

    Parameters
    ----------
    points : Placed, M rows of n particles
    share : (n,)
        Of the class in each particle.
    chance : (M,)
        Logarithm of how likely a particle lies at the place.
    turned, energy : (G, D), (G,)

    Returns
    -------
    (n,)
        Logarithm of the mean likelihood over orientations, summed over places.
    (M,)
        How likely each particle lies at the place, if it is of the class.
    (G, D)
        Sum of particles by the orientations in which the average explains them.
    """
    chances = torch.addmm(-energy, points.points, turned.T)  # (M, G)
    most = chances.amax(1, keepdim=True)
    chances.sub_(most).exp_()
    whole = chances.sum(1, keepdim=True)
    by_place = most + whole.log() + chance[:, None]
    likely = points.together(by_place)
    there = torch.exp(by_place - likely[points.particle])
    own = share[points.particle]
    rows = (own > NEGLIGIBLE).nonzero()[:, 0]
    if len(rows) < len(own):
        chances = chances[rows]
    weight = own[rows, None] * there[rows] / whole[rows]
    total = chances.T @ (weight * points.points[rows])
    return likely[:, 0] - math.log(len(turned)), there[:, 0], total
