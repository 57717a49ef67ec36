"""One round of averaging: orient every particle by the averages so far, and average anew."""

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
        self.points = self._placed(shells[:, None])
        self.energies = energies(self.averages.transfer[self.at][:, self.at], self.at)
        shapes = self.averages.white(shapes) * self.live
        self.usual = torch.stack(
            [shapes[:, :, orders].square().mean((0, 2)).clamp(min=LEAST) for orders in of_degree()]
        )
        #: Variance of coefficients by part, class, degree and shell.
        self.expected = self.usual.repeat(PARTS, shares.shape[1], 1, 1)
        likely = torch.cat([self._of_shapes(some) for some in torch.split(shapes, 16)], dim=1)
        for part, references in enumerate(self.averages.references):
            rest = self.part != part
            by_class = shares[rest].T @ likely[rest] / shares[rest].sum(0)[:, None].clamp(min=1e-6)
            references.copy_(shapes[by_class.argmax(1)].flatten(1))

    def move(self, placed: Tensor) -> None:
        """From now on particles may lie beside their centre: (N, P * COEFFICIENTS)."""
        self.points = self._placed(placed.view(len(placed), -1, SHELLS, ORDERS))
        self.averages.lies.copy_(spread(ERR))

    def _placed(self, shells: Tensor) -> Placed:
        """Whitened, without what no shell holds: (N, P, SHELLS, ORDERS)."""
        places = torch.arange(shells.shape[1])
        white = [self.averages.white(shells[:, place]).flatten(1)[:, self.at] for place in places]
        return Placed.of(torch.stack(white, dim=1), places)

    def _of_shapes(self, shapes: Tensor) -> Tensor:
        seen, energy = self.averages.seen(shapes.flatten(1), BEGIN)
        return likelihoods(self.points.points, seen[:, :, self.at], energy)

    def step(self, shares: Tensor, turns: int) -> Tensor:
        """Orient and place every particle by the averages so far, and average anew.

        Parameters
        ----------
        shares : (N, C)
        turns : int
            Orientations.

        Returns
        -------
        (N, C)
            What the averages so far say of every class, see ``Averages.compared``.
        """
        averages, points = self.averages, self.points
        views = [averages.seen(references, turns) for references in averages.references]
        views = [(seen[:, :, self.at], energy) for seen, energy in views]
        part = self.part[points.particle]
        by_place = points.points.new_zeros(len(points.points), shares.shape[1])
        for number, view in enumerate(views):
            own = (part == number).nonzero()[:, 0]
            by_place[own] = averages.likelihoods(points.only(own), *view)
        likely = points.together(by_place)
        there = (torch.exp(by_place - likely[points.particle]) * shares[points.particle]).sum(1)
        for number, view in enumerate(views):
            self._average(number, shares, there, view, turns)
        if averages.moves:
            chances = torch.zeros_like(averages.lies).index_add(0, points.place, there)
            averages.lies.copy_(even_on_rings(chances / points.n + SOME))
            enough = min(ENOUGH_PLACES * points.n, len(there))
            least = there.topk(enough).values[-1].clamp(min=NOT_THERE)
            self.points = points.only((there >= least).nonzero()[:, 0])
        return averages.compared(likely)

    def _average(
        self,
        number: int,
        shares: Tensor,
        there: Tensor,
        views: tuple[Tensor, Tensor],
        turns: int,
    ) -> None:
        """Average anew what the particles of all other parts show."""
        averages, points, at = self.averages, self.points, self.at
        other = (self.part != number)[points.particle] & (there > NOT_THERE)
        back = torch.zeros(shares.shape[1], turns, COEFFICIENTS, device=shares.device)
        for kind, (seen, energy) in enumerate(zip(*views, strict=True)):
            share = shares[points.particle, kind]
            rows = (other & (share > NEGLIGIBLE)).nonzero()[:, 0]
            chance = averages.lies[points.place[rows]].log()
            total = _oriented(points.only(rows), share[rows], chance, seen, energy)
            back[kind, :, at] = total @ averages.transfer[at][:, at]
        turned = turning(turns).to(back.device)
        sums = torch.einsum("gij,cgsi->csj", turned, back.view(*back.shape[:2], SHELLS, ORDERS))
        counts = shares[self.part != number].sum(0)
        solved = self._solved(sums, counts, self.expected[number]) * self.live
        averages.references[number].copy_(solved.flatten(1))

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
    points: Placed, share: Tensor, chance: Tensor, seen: Tensor, energy: Tensor
) -> Tensor:
    """Sum of a class's particles by the orientations in which its average explains them.

    Parameters
    ----------
    points : Placed, M rows
    share : (M,)
        Of the class in the particle.
    chance : (M,)
        Logarithm of how likely a particle lies at the place.
    seen, energy : (G, n), (G,)

    Returns
    -------
    (G, n)
    """
    logs = points.points @ seen.T - energy + chance[:, None]  # (M, G)
    whole = points.together(torch.logsumexp(logs, dim=1, keepdim=True))
    weight = torch.exp(logs - whole[points.particle]) * share[:, None]
    return weight.T @ points.points
