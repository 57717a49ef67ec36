"""Random shifts and the views that keep a tomogram's missing wedge where it is.

A view is written as three signs, one an axis: -1 turns the axis round the box's centre voxel.
An axis turned alone would make a mirror image, so they come in pairs: half turns.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cryoal.core.geometry import BEAM_AXES, box_centre, tilt_axis_degrees

#: Identity and the half turns about z, y and x, as signs of (z, y, x): (4, 3).
HALF_TURNS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=np.int64)

#: A tilt range this little off the middle still counts as symmetric: the regions measured
#: before and after the turn then share 95 % or more of their angles.
SYMMETRIC_WITHIN_DEGREES = 3.0


def views(
    tilt_range: tuple[float, float], tilt_axis: str | float = 0.0, beam_axis: str = "z"
) -> NDArray[np.bool_]:
    """Which of ``HALF_TURNS`` leave the measured region of Fourier space where it is: (4,) bool.

    The half turn about the tilt axis always does; those about the beam and about the third
    axis turn a tilt of t into one of -t, so they need a symmetric tilt range. Where the tilt axis
    lies between two axes of the volume, only the half turn about the beam is one of these four.

    Examples
    --------
    >>> views((-60, 60)).tolist()
    [True, True, True, True]
    >>> views((-48, 66), "y").tolist()
    [True, False, True, False]
    """
    low, high = tilt_range
    symmetric = abs(low + high) <= SYMMETRIC_WITHIN_DEGREES
    angle = tilt_axis_degrees(tilt_axis, beam_axis)
    quarter = round(angle / 90)
    # A half turn about an axis of the volume moves a tilt axis beside it by twice the angle.
    if abs(angle - 90 * quarter) > SYMMETRIC_WITHIN_DEGREES / 2:
        kept_axis, others = beam_axis, symmetric
    else:
        if symmetric:
            return np.ones(len(HALF_TURNS), dtype=bool)
        kept_axis, others = BEAM_AXES[beam_axis][quarter % 2], True
    kept: NDArray[np.bool_] = HALF_TURNS[:, "zyx".index(kept_axis)] == 1
    kept[1:] &= others
    return kept


def cut(boxes: Tensor, rows: Tensor, box: int, offsets: Tensor, signs: Tensor) -> Tensor:
    """Cut smaller boxes, shifted and turned, out of stored ones in one gather.

    The voxel at offset from the stored box's centre lands on the new box's centre, whichever
    axes are turned; indices beyond a face come in again at the other.

    Parameters
    ----------
    boxes : (N, S, S, S)
    rows : (B,) int64
        Which boxes.
    box : int, voxels, at most S
    offsets : (B, 3) int64, zyx, voxels
    signs : (B, 3) int64, zyx
        -1 turns the axis.

    Returns
    -------
    (B, 1, box, box, box) float32
    """
    stored = boxes.shape[-1]
    steps = torch.arange(box, device=boxes.device) - box_centre(box)
    index = box_centre(stored) + offsets[..., None] + signs[..., None] * steps  # (B, 3, box)
    z, y, x = (index % stored).unbind(1)
    cropped = boxes[
        rows[:, None, None, None], z[:, :, None, None], y[:, None, :, None], x[:, None, None, :]
    ]
    return cropped[:, None].float()


def augment(
    boxes: Tensor,
    rows: Tensor,
    box: int,
    *,
    shift: int,
    allowed: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Cut randomly shifted and turned boxes.

    Parameters
    ----------
    boxes : (N, S, S, S)
        S is at least ``box``; S >= box + 2 * shift keeps every voxel a measured one.
    rows : (B,) int64
    box : int, voxels
    shift : int, voxels
        Largest shift along each axis: no more than the pick error, or a neighbour's class is
        learnt.
    allowed : (N, 4) bool
        Which of ``HALF_TURNS`` each particle's tomogram allows.
    generator : torch.Generator, on the CPU

    Returns
    -------
    (B, 1, box, box, box) float32
    """
    offsets = torch.randint(-shift, shift + 1, (len(rows), 3), generator=generator)
    weights = allowed[rows.to(allowed.device)].float().cpu()
    turn = torch.multinomial(weights, 1, generator=generator)[:, 0]
    signs = torch.from_numpy(HALF_TURNS)[turn]
    device = boxes.device
    return cut(boxes, rows.to(device), box, offsets.to(device), signs.to(device))


def central(boxes: Tensor, box: int, turn: int = 0) -> Tensor:
    """The central boxes, seen in one of ``HALF_TURNS``: (N, S, S, S) -> (N, 1, box, box, box)."""
    n, device = len(boxes), boxes.device
    rows = torch.arange(n, device=device)
    signs = torch.from_numpy(HALF_TURNS[turn]).to(device).expand(n, 3)
    return cut(boxes, rows, box, torch.zeros(n, 3, dtype=torch.int64, device=device), signs)
