"""Random changes of boxes in training that shifts and half turns do not make: off by default.

Each keeps in mind which part of Fourier space the particle's tomogram has measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cryoal.core.geometry import box_centre, frequencies
from cryoal.core.tilting import tiltings

#: Phase of the contrast transfer at Nyquist, radians: 2 to 5 um of defocus at 300 kV and 10 A a
#: voxel give 3 to 8.
CTF_PHASES = (3.0, 8.0)

#: Boxes (B, 1, b, b, b), their particles' rows (B,), a generator -> the boxes distorted.
Distort = Callable[[Tensor, Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Distortions:
    """How far boxes are changed at random.

    Attributes
    ----------
    rotations : float
        Share of the boxes that are turned to any orientation, and their own wedge put on again:
        what is left of them is the *intersection* of what was measured, as it lay and as turned.
    noise : float
        Noise is added, of a deviation up to so many of the box's own, where the tomogram has
        measured.
    ctf_filter : float
        Boxes are filtered as by another defocus; waves at its zeros lose up to this share.
    """

    rotations: float = 0.0
    noise: float = 0.0
    ctf_filter: float = 0.0

    def __bool__(self) -> bool:
        return self != Distortions()


def distorter(
    how: Distortions, tomograms: pd.DataFrame, tomogram: NDArray[np.str_], box: int
) -> Distort:
    """What distorts particles of these tomograms: row n is of ``tomogram[n]``.

    ``tomograms`` is that of the boxes' ``Index``.
    """
    tilting = tiltings(tomograms)
    kinds = list(dict.fromkeys(tilting[name] for name in tomogram.tolist()))
    regions = torch.from_numpy(np.stack([kind.measured((box,) * 3) for kind in kinds]))
    kind = torch.tensor([kinds.index(tilting[name]) for name in tomogram.tolist()])

    def distort_rows(boxes: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        return distort(boxes, regions[kind[rows.cpu()]].to(boxes.device), how, generator)

    return distort_rows


def distort(
    boxes: Tensor, measured: Tensor, how: Distortions, generator: torch.Generator
) -> Tensor:
    """Boxes changed at random, each as bright as it was.

    Parameters
    ----------
    boxes : (B, 1, b, b, b)
    measured : (B, b, b, b // 2 + 1) bool
        Where in Fourier space each one's tomogram has measured, in the layout of ``rfftn``.
    how : Distortions
    generator : torch.Generator, on the CPU
    """
    spread = boxes.std((1, 2, 3, 4), keepdim=True)
    if how.rotations > 0:
        chosen = torch.rand(len(boxes), generator=generator) < how.rotations
        turns = random_rotations(int(chosen.sum()), generator).to(boxes.device)
        boxes, at = boxes.clone(), chosen.to(boxes.device)
        if chosen.any():  # there is no Fourier transform of no box
            boxes[at] = rotate(boxes[at], measured[at], turns)
    if how.ctf_filter > 0:
        low, high = CTF_PHASES
        drawn = torch.rand(len(boxes), 2, generator=generator).to(boxes.device)
        boxes = as_by_ctf(boxes, low + (high - low) * drawn[:, 0], how.ctf_filter * drawn[:, 1])
    if how.noise > 0:
        white = torch.randn(boxes.shape, generator=generator).to(boxes.device)
        noise = within(white, measured)
        noise = noise / noise.std((1, 2, 3, 4), keepdim=True)
        amount = how.noise * torch.rand(len(boxes), generator=generator).to(boxes.device)
        boxes = boxes + amount[:, None, None, None, None] * spread * noise
    # Interpolation and filters take power, noise adds some; networks see boxes of one grey scale.
    return boxes * (spread / boxes.std((1, 2, 3, 4), keepdim=True).clamp(min=1e-6))


def random_rotations(n: int, generator: torch.Generator) -> Tensor:
    """Rotation matrices, uniform over all orientations: (n, 3, 3)."""
    q = torch.randn(n, 4, generator=generator)
    w, x, y, z = (q / q.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def rotate(boxes: Tensor, measured: Tensor, turns: Tensor) -> Tensor:
    """Boxes turned about their centre voxel, with their own wedge put on again.

    What the turn carries into the wedge is lost, and the wedge carried elsewhere stays empty: the
    intersection of both measured regions is left. Corners come from the box's mirror image, which
    has the noise's texture.

    Parameters
    ----------
    boxes : (B, 1, b, b, b)
    measured : (B, b, b, b // 2 + 1) bool
    turns : (B, 3, 3)
        Active, on zyx column vectors.
    """
    box = boxes.shape[-1]
    steps = torch.arange(box, device=boxes.device, dtype=torch.float32) - box_centre(box)
    offsets = torch.cartesian_prod(steps, steps, steps)  # (b^3, 3), zyx
    source = offsets @ turns + box_centre(box)  # row vectors: this is the inverse turn
    grid = (2 * source / (box - 1) - 1).flip(-1).reshape(len(boxes), box, box, box, 3)  # xyz
    turned = functional.grid_sample(
        boxes.float(), grid, padding_mode="reflection", align_corners=True
    )
    return within(turned, measured)


def as_by_ctf(boxes: Tensor, phase: Tensor, share: Tensor) -> Tensor:
    """Boxes filtered by 1 - share (1 - |sin(phase k^2)|), k = 1 at Nyquist.

    Parameters
    ----------
    boxes : (B, 1, b, b, b)
    phase : (B,), radians at Nyquist
    share : (B,)
        What waves lose where the sine is zero, the longest ones excepted: these hold the mass.
    """
    box = boxes.shape[-1]
    square = torch.from_numpy(4 * sum(k**2 for k in frequencies((box,) * 3))).float()
    angle = phase[:, None, None, None] * square.to(boxes.device)
    contrast = torch.where(angle < np.pi / 2, 1.0, angle.sin().abs())
    return _filtered(boxes, 1 - share[:, None, None, None] * (1 - contrast))


def within(boxes: Tensor, measured: Tensor) -> Tensor:
    """Boxes with nothing outside of what was measured."""
    return _filtered(boxes, measured.float())


def _filtered(boxes: Tensor, factor: Tensor) -> Tensor:
    """(B, 1, b, b, b) times (B, b, b, b // 2 + 1) in Fourier space."""
    waves = torch.fft.rfftn(boxes.float(), dim=(2, 3, 4))
    kept: Tensor = torch.fft.irfftn(waves * factor[:, None], s=boxes.shape[2:], dim=(2, 3, 4))
    return kept
