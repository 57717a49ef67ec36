"""Every particle with its class and confidence, in the table it arrived in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cryoal.core.duplicates import distances_apart, distinct
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
    labelled_close : int
        Particles that lie too close to another one, both labelled; both stay.
    """

    label: NDArray[np.str_]
    confidence: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    status: NDArray[np.str_]
    labelled_close: int = 0


@dataclass(frozen=True)
class Tally:
    """Every row counted once.

    Attributes
    ----------
    classes : {class: particles}
        Labelled and predicted ones.
    duplicates, unclassified, left_out : int
        Those without a box are left out, unless somebody labelled them.
    """

    classes: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    unclassified: int = 0
    left_out: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.classes.values()) + self.duplicates + self.unclassified + self.left_out

    def sentence(self) -> str:
        """The counts and their sum in words, without what there is none of."""
        others = {
            "duplicates" if self.duplicates != 1 else "duplicate": self.duplicates,
            "unclassified": self.unclassified,
            "left out": self.left_out,
        }
        parts = [", ".join(f"{name} {n}" for name, n in self.classes.items()) or "no class yet"]
        parts += [", ".join(f"{n} {name}" for name, n in others.items() if n)]
        parts += [f"{self.rows} row{'' if self.rows == 1 else 's'} in all"]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes
    ----------
    path, legend : Path
        The particle file (with ``{tomogram}`` and ``{class}`` where each has its own), and the
        table of class numbers and names.
    rows : int
    tally : Tally
        Of these rows.
    omitted : {why: rows}
        Rows of the project that the filters left out.
    labelled_close : int
        Particles of the project too close to another one, both labelled; both stay.
    files : int
    """

    path: Path
    legend: Path
    rows: int
    tally: Tally
    omitted: dict[str, int]
    labelled_close: int
    files: int = 1

    @property
    def counts(self) -> dict[str, int]:
        """``{class: particles}`` of these rows, duplicates not counted."""
        return self.tally.classes


def tally(label: ArrayLike, status: ArrayLike) -> Tally:
    """Count rows by labels and states, (N,) each."""
    states = np.asarray(status, dtype=str)
    duplicates, unclassified = (int((states == s).sum()) for s in ("duplicate", "unclassified"))
    classes = counts(label, states)
    others = len(states) - sum(classes.values()) - duplicates - unclassified
    return Tally(classes, duplicates, unclassified, others)


def refuse_taken(
    path: Path, legend: Path, layout: Layout, inputs: Iterable[str], *, listed: bool = False
) -> None:
    """Refuse to export over what no export wrote.

    An export has its legend beside it, or says so in its columns.

    Parameters
    ----------
    inputs : paths of the tomograms
    listed : bool
        The file is one of many, of which a list in their folder says who wrote them.

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
    new = listed or not path.is_file() or legend.exists() or not path.stat().st_size
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
    diameter: float,
    diameters: Mapping[str, float] | None = None,
    min_distance: float | None = None,
) -> Classified:
    """Unite people's labels and the teacher's predictions; people's labels win.

    Parameters
    ----------
    diameter, diameters : float and {class: float}, Angstrom
        Of particles of two classes that cannot both stand (``core.duplicates``) the most confident
        stays. What a person labelled always stays. Junk takes no room.
    min_distance : float, Angstrom, optional
        Between particles of one class, instead of half their diameter. 0 keeps all, also of two
        classes.
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
    words = label.astype(str)
    classes, kind = np.unique(words, return_inverse=True)
    apart = distances_apart(classes.tolist(), diameter, diameters, min_distance)
    # Ties by place and name, so that the order of the rows decides nothing.
    z, y, x = particles.position.T
    order = np.lexsort((particles.id, x, y, z, -confidence))
    labelled, predicted = (order[status[order] == s] for s in ("labelled", "predicted"))
    where = particles.tomogram, particles.position, kind, apart
    stays = list(distinct(*where, predicted, labelled))
    status[np.setdiff1d(predicted, stays)] = "duplicate"
    close = len(labelled) - sum(1 for _ in distinct(*where, labelled))
    return Classified(words, confidence, score, status.astype(str), close)


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
    the rows of that class or confidence that are no duplicates (``omissions``).

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
    wanted = omissions(classified, only_class, min_confidence) == ""
    return (result if wanted.all() else result[wanted]), numbers


def omissions(
    classified: Classified, only_class: str | None = None, min_confidence: float = 0.0
) -> NDArray[np.str_]:
    """Why a filter leaves out each row, empty where it does not: (N,) str."""
    status, label = classified.status, classified.label
    known = np.isin(status, ["labelled", "predicted"])
    none = np.zeros(len(status), dtype=bool)
    if only_class is None and min_confidence <= 0:
        return np.full(len(status), "")
    reasons = [
        ("as duplicate", status == "duplicate"),
        ("unclassified", status == "unclassified"),
        ("without a box", ~known),
        ("of another class", none if only_class is None else label != only_class),
        # A person's word has confidence 1; NaN compares False and is left out.
        (f"less certain than {min_confidence:g}", ~(classified.confidence >= min_confidence)),
    ]
    return np.select([which for _, which in reasons], [why for why, _ in reasons], "")
