"""Where a particle may lie that was picked beside its centre, and how to weigh all these places."""

import itertools
from dataclasses import dataclass, replace

import torch
from torch import Tensor

#: Voxels: how far from the centre a particle is looked for along each axis.
REACH = 2
#: Squared distance of the farthest place; picks that err by a voxel along each axis are nearer in
#: 49 of 50 cases.
FARTHEST = 6


def _places() -> Tensor:
    """Every second voxel, in the order of a chessboard in three dimensions, the nearest first.

    Averages hold nothing finer than four voxels: places 1.4 voxels apart miss little of it and
    are half as many as all voxels.
    """
    steps = range(-REACH, REACH + 1)
    found = [s for s in itertools.product(steps, repeat=3) if sum(s) % 2 == 0]
    found = [s for s in found if sum(v * v for v in s) <= FARTHEST]
    return torch.tensor(sorted(found, key=lambda s: (sum(v * v for v in s), s)))


#: Voxels from the centre along (z, y, x), the centre first: (P, 3).
PLACES = _places()
#: Which ring about the centre each place is on: (P,).
RING = torch.unique(PLACES.square().sum(1), return_inverse=True)[1]
#: How many places a ring has.
PLACES_OF_RING = torch.bincount(RING)


def spread(deviation: float) -> Tensor:
    """How likely a particle lies at each place, if picks err like that along each axis: (P,).

    Parameters
    ----------
    deviation : float, voxels
    """
    return torch.softmax(-PLACES.square().sum(1) / (2 * deviation**2), dim=0)


def even_on_rings(chances: Tensor, least: float = 0.0) -> Tensor:
    """The same chance for all places of a ring, as no direction is special: (P,) -> (P,).

    Parameters
    ----------
    least : float
        Rings about the centre that hold less than this share of all are left out.
    """
    ring = RING.to(chances.device)
    of_ring = torch.zeros(len(PLACES_OF_RING), device=chances.device).index_add(0, ring, chances)
    of_ring[1:] *= of_ring[1:] >= least * of_ring.sum()
    return (of_ring / of_ring.sum() / PLACES_OF_RING.to(chances.device))[ring]


@dataclass(frozen=True)
class Placed:
    """Particles as they look from places about their centre, one row a particle and place.

    Attributes
    ----------
    points : (M, n)
        Coefficients about the place.
    particle : (M,) int64
        Row of the particle.
    place : (M,) int64
        Row of ``PLACES``.
    n : int
        Particles.
    """

    points: Tensor
    particle: Tensor
    place: Tensor
    n: int

    @classmethod
    def of(cls, points: Tensor, places: Tensor) -> "Placed":
        """Every particle at every place: (N, P, n), (P,) -> N * P rows."""
        n, device = len(points), points.device
        particle = torch.arange(n, device=device).repeat_interleave(len(places))
        return cls(points.flatten(0, 1), particle, places.to(device).repeat(n), n)

    def only(self, rows: Tensor) -> "Placed":
        """These rows."""
        particle, place = self.particle[rows], self.place[rows]
        return replace(self, points=self.points[rows], particle=particle, place=place)

    def together(self, logs: Tensor) -> Tensor:
        """Logarithm of the sum over a particle's places: (M, C) -> (n, C).

        -inf for a particle that is nowhere.
        """
        index = self.particle[:, None].expand_as(logs)
        most = logs.new_full((self.n, logs.shape[1]), -torch.inf)
        most = most.scatter_reduce(0, index, logs, "amax").clamp(min=-1e30)
        rest = torch.exp(logs - most[self.particle])
        return most + torch.zeros_like(most).index_add(0, self.particle, rest).log()
