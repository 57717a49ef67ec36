"""Every particle with its class and confidence, in the table it arrived in."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from cryoal.core.errors import CryoalError
from cryoal.core.labels import JUNK, NONE
from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.io.files import refuse_overwriting
from cryoal.project.layout import Layout, refuse_own

#: Columns of the table of class numbers and names.
LEGEND = ("rlnClassNumber", "label", "particles")
LEGEND_HEADER = "\t".join(LEGEND)


@dataclass(frozen=True)
class Classified:
    """What is known of every particle of a project, row by row.

    Attributes
    ----------
    label : (N,) str
        A person's word, else the teacher's; "none" without either.
    confidence, uncertainty : (N,) float
        The teacher's largest probability (1 for a person's word), and the acquisition score;
        NaN without prediction.
    status : (N,) str
        "labelled", "predicted", "duplicate", "unclassified", or why there is no box.
    """

    label: NDArray[np.str_]
    confidence: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    status: NDArray[np.str_]


def refuse_taken(path: Path, legend: Path, layout: Layout, inputs: Iterable[str]) -> None:
    """Refuse to export over what no export wrote.

    An export has its legend beside it, or says so in its columns.

    Parameters
    ----------
    inputs : paths of the tomograms

    Raises
    ------
    CryoalError
        The file belongs to the project, is one of its tomograms, or somebody else's.
    """
    refuse_own(layout, path)
    refuse_overwriting(path, inputs)
    known = not legend.exists() or _starts(legend).startswith(LEGEND_HEADER.encode())
    if not known:
        raise CryoalError(f"{legend}: is in the way of the list of classes; move it")
    new = not path.is_file() or legend.exists() or not path.stat().st_size
    if not new and b"cryoalStatus" not in _starts(path):
        raise CryoalError(
            f"{path}: is there, and no export wrote it; name another file, or move it"
        )


def _starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100_000)


def classify(
    particles: ParticleSet,
    labels: dict[str, str],
    predictions: Predictions | None,
    uncertainty: dict[str, float],
    left_out: dict[str, str],
    min_distance: float,
) -> Classified:
    """Unite people's labels and the teacher's predictions; people's labels win.

    Parameters
    ----------
    min_distance : float, Angstrom
        Of particles of one tomogram closer than this, the most confident stays; a label of a
        person counts as more confident than any prediction. 0 keeps all.
    """
    n = len(particles)
    label = np.full(n, NONE, dtype=object)
    confidence, score = np.full(n, np.nan), np.full(n, np.nan)
    status = np.array([left_out.get(str(i), "unclassified") for i in particles.id], dtype=object)
    if predictions is not None:
        rows = predictions.rows(particles.id)
        known = rows >= 0
        p = predictions.teacher[rows[known]]
        label[known] = np.array(predictions.classes, dtype=object)[p.argmax(1)]
        confidence[known] = p.max(1)
        status[known] = "predicted"
    score[:] = [uncertainty.get(str(i), np.nan) for i in particles.id]
    for row, particle in enumerate(particles.id):
        if str(particle) in labels:
            label[row], confidence[row], status[row] = labels[str(particle)], 1.0, "labelled"
    rank = np.where(status == "labelled", 2.0, np.nan_to_num(confidence, nan=-1.0))
    if min_distance > 0:
        status[duplicates(particles, rank, min_distance) & (status == "predicted")] = "duplicate"
    return Classified(label.astype(str), confidence, score, status.astype(str))


def duplicates(
    particles: ParticleSet, rank: NDArray[np.float64], min_distance: float
) -> NDArray[np.bool_]:
    """Particles that lie within ``min_distance`` of a kept one of higher rank: (N,) bool."""
    dropped = np.zeros(len(particles), dtype=bool)
    for name in np.unique(particles.tomogram):
        rows = np.flatnonzero((particles.tomogram == name) & (rank >= 0))
        if len(rows) < 2:
            continue
        near = cKDTree(particles.position[rows]).query_ball_point(
            particles.position[rows], min_distance
        )
        for at in np.argsort(-rank[rows], kind="stable"):
            if not dropped[rows[at]]:
                others = rows[[other for other in near[at] if other != at]]
                dropped[others] = True
    return dropped


def class_numbers(classified: Classified) -> dict[str, int]:
    """Number of each class from 1, junk last; 0 is no class."""
    names = sorted(set(classified.label) - {NONE}, key=lambda name: (name == JUNK, name))
    return {name: number for number, name in enumerate(names, 1)}


def counts(label: ArrayLike, status: ArrayLike) -> dict[str, int]:
    """Particles of each class, without duplicates: labels and states, (N,) each."""
    counted = np.isin(np.asarray(status, dtype=str), ["labelled", "predicted"])
    names, numbers = np.unique(np.asarray(label, dtype=str)[counted], return_counts=True)
    return {str(name): int(number) for name, number in zip(names, numbers, strict=True)}


def exported(
    particles: ParticleSet,
    classified: Classified,
    *,
    only_class: str | None = None,
    min_confidence: float = 0.0,
) -> tuple[ParticleSet, dict[str, int]]:
    """Put the classification into the particles' own table.

    Without a filter every input row is there, in its order, with its columns unchanged; with one,
    the rows of that class or confidence that are no duplicates.

    Returns
    -------
    particles, {class name: rlnClassNumber}

    Raises
    ------
    CryoalError
        There is no such class.
    """
    numbers = class_numbers(classified)
    if only_class is not None and only_class not in numbers:
        raise CryoalError(
            f"no particle is of class {only_class!r}; there are: {', '.join(numbers) or 'none'}"
        )
    table = particles.table.copy()
    if not len(table):
        table = pd.DataFrame(index=range(len(particles)))
    if "rlnClassNumber" in table:
        table["cryoalInputClassNumber"] = table["rlnClassNumber"]
    table["rlnClassNumber"] = [str(numbers.get(name, 0)) for name in classified.label]
    table["cryoalId"] = particles.id
    table["cryoalLabel"] = classified.label
    table["cryoalConfidence"] = [f"{value:.4f}" for value in classified.confidence]
    table["cryoalUncertainty"] = [f"{value:.6g}" for value in classified.uncertainty]
    table["cryoalStatus"] = classified.status
    result = replace(particles, table=table)
    if only_class is None and min_confidence <= 0:
        return result, numbers
    wanted = np.isin(classified.status, ["labelled", "predicted"])
    if only_class is not None:
        wanted &= classified.label == only_class
    # A person's word has confidence 1; NaN compares False and is left out.
    wanted &= classified.confidence >= min_confidence
    return result[wanted], numbers
