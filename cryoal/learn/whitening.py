"""Noise on harmonic shells: what whitens it, and what a filter is between whitened coefficients."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cryoal.models.harmonics import COEFFICIENTS, DEGREE, DEGREES, ORDERS, SHELLS

#: Share of a covariance's diagonal in it: shells next to each other are noisy alike.
SHRUNK = 0.05


def of_degree() -> list[NDArray[np.intp]]:
    """Which orders each degree has."""
    return [np.flatnonzero(degree == DEGREE) for degree in range(DEGREES + 1)]


def energies(transfer: Tensor, at: Tensor) -> Tensor:
    """What is left of each degree's shells behind the wedge, over all orientations.

    (n, n), (n,) -> (DEGREES + 1, SHELLS, SHELLS)
    """
    whole = torch.zeros(COEFFICIENTS, COEFFICIENTS, device=transfer.device)
    whole[at[:, None], at] = transfer.T @ transfer
    whole = whole.view(SHELLS, ORDERS, SHELLS, ORDERS).diagonal(dim1=1, dim2=3)
    return torch.stack([whole[:, :, orders].mean(2) for orders in of_degree()])


def whitening_of(points: Tensor, shares: Tensor) -> Tensor:
    """Inverse square roots of the shells' covariance, degree by degree: (DEGREES + 1, S, S).

    Of degree 0 it is the covariance within classes: their means differ. That of the others holds
    some signal too, which is far below the noise.
    """
    covariance = torch.stack(
        [
            torch.einsum("nsm,ntm->st", points[:, :, orders], points[:, :, orders]) / len(orders)
            for orders in of_degree()
        ]
    ) / len(points)
    spheres = points[:, :, 0]
    means = (shares.T @ spheres) / shares.sum(0)[:, None].clamp(min=1e-6)
    rest = spheres - shares @ means
    covariance[0] = rest.T @ rest / len(rest)
    diagonal = torch.diag_embed(covariance.diagonal(dim1=1, dim2=2))
    values, vectors = torch.linalg.eigh((1 - SHRUNK) * covariance + SHRUNK * diagonal)
    # Shells that boxes do not hold have no variance, and none is made.
    scale = torch.where(values > 1e-6, values.clamp(min=1e-6) ** -0.5, 0.0)
    root: Tensor = (vectors * scale[:, None]) @ vectors.transpose(1, 2)
    return root


def whitened(transfer: Tensor, whitening: Tensor) -> Tensor:
    """The operator between whitened coefficients."""
    whole = torch.zeros(SHELLS, ORDERS, SHELLS, ORDERS, device=transfer.device)
    back = torch.zeros_like(whole)
    inverse = torch.linalg.pinv(whitening, hermitian=True)
    for order, degree in enumerate(DEGREE):
        whole[:, order, :, order] = whitening[degree]
        back[:, order, :, order] = inverse[degree]
    n = COEFFICIENTS
    return whole.reshape(n, n) @ transfer @ back.reshape(n, n)
