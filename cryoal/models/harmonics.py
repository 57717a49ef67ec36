"""Spherical-harmonic spectra of boxes: shape on shells, in numbers that no rotation changes."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import sph_harm_y
from torch import Tensor, nn

#: Voxels: the smallest shell, the distance of the shells, and half the width of each.
FIRST, SHELL = 1.5, 2.0
#: Shells of the largest box.
SHELLS = 11
#: The highest degree; a shell holds no more detail than twice its radius.
DEGREES = 6
#: The degree of each order, one after the other: 1 of degree 0, 3 of degree 1, ...
DEGREE = np.repeat(np.arange(DEGREES + 1), 2 * np.arange(DEGREES + 1) + 1)
ORDERS = len(DEGREE)
#: Of a particle: every order on every shell.
COEFFICIENTS = SHELLS * ORDERS
#: Each shell is compared with itself and with this many beyond it.
BEYOND = 2
#: Voxels along (z, y, x): the spectra are averaged over these places of the centre, since picks
#: are seldom centred to better than a voxel.
CENTRES = ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))

_RADII = FIRST + SHELL * np.arange(SHELLS)
#: Which orders a shell is large enough for: (SHELLS, ORDERS).
RESOLVED = 2 * _RADII[:, None] >= DEGREE
#: Where a pair of shells has a degree: (BEYOND + 1, SHELLS, DEGREES + 1).
_KEPT = np.zeros((BEYOND + 1, SHELLS, DEGREES + 1), dtype=bool)
for _d in range(BEYOND + 1):
    _KEPT[_d, : SHELLS - _d] = np.arange(DEGREES + 1) <= 2 * _RADII[: SHELLS - _d, None]


class Harmonics(nn.Module):
    """How strongly each degree of spherical harmonics is there, shell by shell and between shells.

    The density on a shell is expanded in real spherical harmonics; the sum over the orders of
    one degree of the product of two shells' coefficients does not change when the particle turns
    (Kazhdan, Funkhouser and Rusinkiewicz, Symp. Geometry Processing 2003). Square roots are
    taken, with the sign kept, so that noise counts alike in strong and weak ones. The missing
    wedge is not turned with the particle and leaves a trace in all of them.

    Nothing here is learnt. Every box gives the same list; shells that it does not hold give 0.

    Parameters
    ----------
    box : int, voxels
        At most 2 * (FIRST + SHELL * SHELLS).
    """

    SIZE = int(_KEPT.sum())
    orders: Tensor
    kept: Tensor

    def __init__(self, box: int) -> None:
        super().__init__()
        self.box = box
        shells = shells_of(box)
        for number, (voxels, values) in enumerate(shells):
            self.register_buffer(f"voxels{number}", torch.from_numpy(voxels), persistent=False)
            self.register_buffer(f"values{number}", torch.from_numpy(values), persistent=False)
        self.n_shells = len(shells)
        orders = nn.functional.one_hot(torch.from_numpy(DEGREE)).float()
        self.register_buffer("orders", orders / orders.sum(0), persistent=False)
        kept = torch.from_numpy(np.flatnonzero(_KEPT))
        self.register_buffer("kept", kept, persistent=False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(B, box, box, box) -> (B, SIZE) float32."""
        return torch.stack([self._spectra(torch.roll(x, c, (1, 2, 3))) for c in CENTRES]).mean(0)

    @torch.no_grad()
    def coefficients(self, x: Tensor) -> Tensor:
        """The expansion itself, which turns with the particle: (B, SHELLS, ORDERS) float32.

        Parameters
        ----------
        x : (B, box, box, box)
        """
        flat = x.flatten(1).T.contiguous()  # voxels of a shell are gathered as whole rows
        shells = [
            (self.get_buffer(f"values{k}") @ flat[self.get_buffer(f"voxels{k}")]).T
            for k in range(self.n_shells)
        ]
        return nn.functional.pad(torch.stack(shells, dim=1), (0, 0, 0, SHELLS - len(shells)))

    @torch.no_grad()
    def coefficients_at(self, x: Tensor, places: Tensor) -> Tensor:
        """The expansion about other places than the centre: (B, P, SHELLS, ORDERS) float32.

        Parameters
        ----------
        x : (B, w, w, w)
            With a margin about the box as wide as the farthest place.
        places : (P, 3) int64
            Voxels from the centre along (z, y, x).
        """
        wide = x.shape[-1]
        margin = (wide - self.box) // 2
        steps = torch.tensor([wide**2, wide, 1])
        offsets = (places.cpu() * steps).sum(1).tolist()
        flat = x.flatten(1).T.contiguous()
        shells = []
        for k in range(self.n_shells):
            inside = torch.stack(
                torch.unravel_index(self.get_buffer(f"voxels{k}"), (self.box,) * 3), dim=1
            )
            # CUDA multiplies no matrices of whole numbers.
            at = ((inside + margin) * steps.to(inside.device)).sum(1)
            values = self.get_buffer(f"values{k}")
            moved = [(values @ flat[at + step]).T for step in offsets]
            shells.append(torch.stack(moved, dim=1))
        return nn.functional.pad(torch.stack(shells, dim=2), (0, 0, 0, SHELLS - len(shells)))

    def _spectra(self, x: Tensor) -> Tensor:
        a = nn.functional.pad(self.coefficients(x), (0, 0, 0, BEYOND))
        products = [a[:, :SHELLS] * a[:, d : SHELLS + d] for d in range(BEYOND + 1)]
        spectra = (torch.stack(products, dim=1) @ self.orders).flatten(1)[:, self.kept]
        return spectra.sign() * spectra.abs().sqrt()


def real_harmonics(directions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Real spherical harmonics of mean square 1 in these directions (N, xyz): (N, ORDERS)."""
    x, y, z = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).T
    return np.stack(_orders(np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)), axis=1)


def shells_of(box: int) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Of each shell that a box holds the voxels, and the harmonics there: (V,), (ORDERS, V)."""
    axis = np.arange(box) - box // 2
    z, y, x = (a.ravel() for a in np.meshgrid(axis, axis, axis, indexing="ij"))
    r = np.sqrt(z**2 + y**2 + x**2)
    polar = np.arccos(np.divide(z, r, out=np.ones_like(r), where=r > 0))
    azimuth = np.arctan2(y, x)
    shells = []
    for radius in _RADII[box // 2 - SHELL / 2 > _RADII]:
        weight = 1 - np.abs(r - radius) / SHELL
        voxels = np.flatnonzero(weight > 0)
        weight = weight[voxels] / np.sqrt((weight[voxels] ** 2).sum())
        values = weight * np.stack(_orders(polar[voxels], azimuth[voxels]))
        shells.append((voxels, values.astype(np.float32)))
    return shells


def _orders(
    polar: NDArray[np.floating], azimuth: NDArray[np.floating]
) -> list[NDArray[np.float64]]:
    found = []
    for degree in range(DEGREES + 1):
        values = [sph_harm_y(degree, order, polar, azimuth) for order in range(degree + 1)]
        scale = np.sqrt(8 * np.pi)
        found += [scale * value.imag for value in values[:0:-1]]
        found.append(np.sqrt(4 * np.pi) * values[0].real)
        found += [scale * value.real for value in values[1:]]
    return found
