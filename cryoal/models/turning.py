"""Orientations spread evenly over all there are, and what they do to spherical harmonics."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial.transform import Rotation
from torch import Tensor

from cryoal.models.harmonics import (
    COEFFICIENTS,
    DEGREE,
    ORDERS,
    Harmonics,
    real_harmonics,
    shells_of,
)

#: The two constants of a super-Fibonacci spiral.
_PHI, _PSI = np.sqrt(2), 1.533751168755204288118041413
#: Directions in which harmonics are compared before and after a turn, several for each order.
_DIRECTIONS = 60


def even_rotations(n: int) -> Rotation:
    """N rotations along a super-Fibonacci spiral (Alexa, CVPR 2022): none far from the next."""
    at = np.arange(n) + 0.5
    small, large = np.sqrt(at / n), np.sqrt(1 - at / n)
    alpha, beta = 2 * np.pi * at / _PHI, 2 * np.pi * at / _PSI
    return Rotation.from_quat(
        np.stack(
            [
                small * np.sin(alpha),
                small * np.cos(alpha),
                large * np.sin(beta),
                large * np.cos(beta),
            ],
            axis=1,
        )
    )


@lru_cache(maxsize=4)
def turning(n: int) -> Tensor:
    """What each of n even rotations does to a density's coefficients: (n, ORDERS, ORDERS)."""
    return torch.from_numpy(turning_of(even_rotations(n)))


def turning_of(rotations: Rotation) -> NDArray[np.float32]:
    """What n rotations of (x, y, z) do to a density's coefficients: (n, ORDERS, ORDERS).

    If a density f has coefficients c, then f turned, x -> f(R x), has ``turning @ c``. Found by
    least squares from the harmonics in many directions; exact, as a turn mixes no degrees.
    """
    directions = np.random.default_rng(0).normal(size=(_DIRECTIONS, 3))
    inverse = np.linalg.pinv(real_harmonics(directions))
    turned = (directions @ rotations.as_matrix().swapaxes(1, 2)).reshape(-1, 3)
    found = inverse @ real_harmonics(turned).reshape(-1, _DIRECTIONS, ORDERS)
    found[:, DEGREE[:, None] != DEGREE] = 0.0
    return found.astype(np.float32)


def transfer_operator(filters: NDArray[np.floating]) -> NDArray[np.float32]:
    """What a filter of a box does to a density's coefficients.

    Coefficients are put back into a box (the one of least squares), that is filtered, and
    expanded anew. What the box does not hold stays 0.

    Parameters
    ----------
    filters : (b, b, b // 2 + 1), in the layout of ``rfftn``

    Returns
    -------
    (COEFFICIENTS, COEFFICIENTS) float32
    """
    box = filters.shape[0]
    expand = Harmonics(box).coefficients
    shells = shells_of(box)
    before, after = [], []
    for voxels, values in shells:
        boxes = np.zeros((ORDERS, box**3), dtype=np.float32)
        boxes[:, voxels] = values
        boxes = boxes.reshape(-1, box, box, box)
        spectra = fft.rfftn(boxes, axes=(1, 2, 3)) * filters
        filtered = fft.irfftn(spectra, s=(box,) * 3, axes=(1, 2, 3))
        before.append(expand(torch.from_numpy(boxes)))
        after.append(expand(torch.from_numpy(filtered.astype(np.float32))))
    held = len(shells) * ORDERS
    # Neighbouring shells overlap; the small number keeps their inverse finite.
    overlap = torch.cat(before).flatten(1)[:, :held].numpy() + 1e-3 * np.eye(held)
    operator = np.zeros((COEFFICIENTS, COEFFICIENTS), dtype=np.float32)
    operator[:held, :held] = np.linalg.solve(overlap, torch.cat(after).flatten(1)[:, :held]).T
    return operator
