"""Setting particles aside for validation, so that no neighbour of theirs is trained on."""

import numpy as np
from numpy.typing import NDArray

#: With fewer tomograms than this, a whole one is too much to set aside.
FEWEST_TOMOGRAMS = 5


def split(
    tomogram: NDArray[np.str_],
    position: NDArray[np.float64],
    share: float,
    rng: np.random.Generator,
    *,
    gap: float = 0.0,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Divide particles into training and validation: by tomogram, or by blocks if there are few.

    A box shows its particle's neighbours, so particles of both sides must lie apart: whole
    tomograms are set aside if there are five or more, else one end of each.

    Parameters
    ----------
    tomogram : (N,) str
    position : (N, 3) float, zyx, Angstrom
    share : float
        Of the particles, for validation; met as nearly as whole tomograms allow.
    rng : np.random.Generator
    gap : float, Angstrom
        Particles this near the border between blocks belong to neither side; one box's side
        keeps any voxel from being seen on both.

    Returns
    -------
    training, validation : rows, sorted
    """
    if len(np.unique(tomogram)) >= FEWEST_TOMOGRAMS:
        return by_tomogram(tomogram, share, rng)
    return by_block(tomogram, position, share, rng, gap=gap)


def by_tomogram(
    tomogram: NDArray[np.str_], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Set whole tomograms aside until ``share`` of the particles is reached most nearly.

    At least one tomogram falls on each side.
    """
    names, member, counts = np.unique(tomogram, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    wanted = share * len(tomogram)
    sums = counts[order].cumsum()
    taken = int(np.abs(np.r_[0, sums] - wanted).argmin())
    taken = min(max(taken, 1), len(names) - 1)
    aside = np.isin(member, order[:taken])
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def by_block(
    tomogram: NDArray[np.str_],
    position: NDArray[np.float64],
    share: float,
    rng: np.random.Generator,
    *,
    gap: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Set one end of each tomogram aside, along its longest axis, with a gap before the rest."""
    training, validation = [], []
    for name in np.unique(tomogram):
        rows = np.flatnonzero(tomogram == name)
        where = position[rows]
        along = where[:, np.ptp(where, axis=0).argmax()]
        if rng.random() < 0.5:
            along = -along
        border = np.quantile(along, 1 - share)
        validation.append(rows[along > border + gap / 2])
        training.append(rows[along <= border - gap / 2])
    return np.concatenate(training), np.concatenate(validation)
