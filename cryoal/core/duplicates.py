"""Which of several picks are one particle: how close two may lie, by what they are."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from cryoal.core.labels import JUNK


def distances_apart(
    classes: Sequence[str],
    diameter: float,
    diameters: Mapping[str, float] | None = None,
    within: float | None = None,
) -> NDArray[np.float64]:
    """How far apart two particles lie at least, by their classes: (K + 1, K + 1), Angstrom.

    Two particles cannot both stand where they are closer than half the sum of their radii. Junk is
    no particle and takes no room. The last row and column are of particles of no known class.

    Parameters
    ----------
    classes : sequence of K str
    diameter : float, Angstrom
        Of particles of every other class, and of none.
    diameters : mapping of class to Angstrom, optional
    within : float, Angstrom, optional
        Between two of one class, instead of half their diameter; 0 lets any two stand, whatever
        their classes.

    Examples
    --------
    >>> distances_apart(["ribosome", "junk"], 200.0, {"ribosome": 300.0})
    array([[150.,   0., 125.],
           [  0.,   0.,   0.],
           [125.,   0., 100.]])
    """
    own = diameters or {}
    size = np.array([*(own.get(name, diameter) for name in classes), diameter])
    apart: NDArray[np.float64] = np.add.outer(size, size) / 4
    if within is not None:
        np.fill_diagonal(apart, within)
        apart *= within > 0
    for number, name in enumerate(classes):
        if name == JUNK:
            apart[number], apart[:, number] = 0.0, 0.0
    return apart


def distinct(
    tomogram: NDArray[np.str_],
    position: NDArray[np.float64],
    kind: NDArray[np.intp],
    apart: NDArray[np.float64],
    order: ArrayLike,
    standing: ArrayLike = (),
) -> Iterator[int]:
    """Rows of ``order`` one by one, without those too close to a standing or an earlier one.

    Parameters
    ----------
    tomogram : (N,) str
    position : (N, 3) float, Angstrom
        A particle whose position is not finite is nobody's duplicate.
    kind : (N,) int
        Row and column of ``apart``.
    apart : (K, K) float, Angstrom
        Symmetric; particles closer than this are one. 0 lets any two stand.
    order : (M,) int
        Rows, the one to keep first.
    standing : (L,) int
        Rows that stand in any case.
    """
    rows, fixed = np.asarray(order, dtype=np.intp), np.asarray(standing, dtype=np.intp)
    reach = apart.max(axis=1, initial=0.0)[kind]
    placed = (reach > 0) & np.isfinite(position).all(axis=1)
    names, number = np.unique(tomogram, return_inverse=True)
    in_order = np.unique(rows[placed[rows]])
    members = _by_group(in_order, number, len(names))
    trees = [cKDTree(position[here]) if len(here) else None for here in members]
    blocked = np.zeros(len(position), dtype=bool)
    near = np.zeros(len(position), dtype=bool)
    for here, tree in zip(members, trees, strict=True):
        if len(here) > 1 and tree is not None:
            away = np.asarray(tree.query(position[here], 2, distance_upper_bound=reach.max())[0])
            near[here] = np.isfinite(away[:, 1])

    def block(row: int) -> None:
        tree, here = trees[number[row]], members[number[row]]
        if tree is None or not placed[row]:
            return
        found = here[tree.query_ball_point(position[row], reach[row])]
        away = np.linalg.norm(position[found] - position[row], axis=1)
        blocked[found[away < apart[kind[row], kind[found]]]] = True

    for row in fixed.tolist():
        block(row)
    for row in rows.tolist():
        if not blocked[row]:
            yield row
            if near[row]:
                block(row)


def _by_group(
    rows: NDArray[np.intp], number: NDArray[np.intp], count: int
) -> list[NDArray[np.intp]]:
    """Rows of each group, in their order."""
    order = rows[np.argsort(number[rows], kind="stable")]
    return np.split(order, np.searchsorted(number[order], np.arange(1, count)))
