"""Particles of known shapes as harmonics see them: turned at random, through a wedge, noisy."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from cryoal.models.harmonics import Harmonics
from cryoal.models.turning import turning_of

#: Voxels along an edge of the shapes' boxes.
BOX = 20


def three_shapes():
    """A rod, a hook and a pair of rods: (3, BOX, BOX, BOX)."""
    shapes = np.zeros((3, BOX, BOX, BOX), dtype=np.float32)
    shapes[0, 6:15, 9:12, 9:12] = shapes[1, 6:15, 6:9, 9:12] = shapes[1, 6:9, 6:9, 9:15] = 1
    shapes[2, 6:15, 9:12, 6:9] = shapes[2, 6:15, 9:12, 12:15] = 1
    return shapes


def noisy_particles(shapes, n, wedge, rng):
    """n particles of each shape in turn: coefficients, (n, COEFFICIENTS), and kinds, (n,)."""
    kinds = np.arange(n) % len(shapes)
    expanded = Harmonics(BOX).coefficients(torch.from_numpy(shapes)).numpy()[kinds]
    turns = turning_of(Rotation.random(n, rng=rng))
    points = np.einsum("nij,nsj->nsi", turns, expanded).reshape(n, -1) @ wedge.T
    held = np.abs(expanded).reshape(n, -1).sum(0) > 0
    noise = rng.normal(size=points.shape) @ wedge.T
    return (points + 0.7 * noise * held).astype(np.float32), kinds
