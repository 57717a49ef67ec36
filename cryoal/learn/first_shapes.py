"""Shapes that averages begin with: made-up complexes, as a tomogram shows them."""

import numpy as np
import torch
from scipy import fft
from torch import Tensor

from cryoal.models.harmonics import Harmonics
from cryoal.models.invariants import LARGEST_FULL_BOX
from cryoal.simulate.ctf import Ctf, transfer_volume
from cryoal.simulate.procedural import random_densities

#: Angstrom: of a voxel, and of the smallest and largest shape.
VOXEL_SIZE, SIZES = 10.0, (90.0, 340.0)
#: The middle of what microscopes are set to.
CTF = Ctf(defocus=30_000, amplitude_contrast=0.08, state="phase-flipped", b_factor=800)
#: Of protein against the noise of a tomogram of our SNR 0.1.
AMPLITUDE = 1.3


def make_first_shapes(n: int = 150, seed: int = 1) -> Tensor:
    """Coefficients of made-up complexes after the CTF: (n, SHELLS, ORDERS) float32.

    They only have to be of all sizes and builds: a class begins as the one that is most like it.
    """
    side = LARGEST_FULL_BOX
    wide = side + 16  # the CTF spreads a density beyond its box
    transfer = transfer_volume((wide,) * 3, VOXEL_SIZE, CTF)
    boxes = np.zeros((n, side, side, side), dtype=np.float32)
    margin = slice((wide - side) // 2, (wide + side) // 2)
    for box, density in zip(boxes, random_densities(n, VOXEL_SIZE, seed, SIZES), strict=True):
        volume = np.zeros((wide,) * 3, dtype=np.float32)
        start = wide // 2 - density.data.shape[0] // 2
        there = slice(start, start + density.data.shape[0])
        volume[there, there, there] = density.data
        seen = fft.irfftn(fft.rfftn(volume) * transfer, s=volume.shape)
        box[:] = AMPLITUDE * seen[margin, margin, margin]
    return Harmonics(side).coefficients(torch.from_numpy(boxes))
