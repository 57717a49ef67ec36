"""A project: the folder on disk, and the verbs in their order."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

import cryoal.io as io
from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.core.tomogram import Tomogram
from cryoal.data.store import SubtomogramStore
from cryoal.io.particles import suffix_of
from cryoal.io.predictions import read_predictions
from cryoal.io.tsv import write_tsv
from cryoal.io.volumes import is_remote
from cryoal.project import exporting, extraction, inputs, journal
from cryoal.project.classes import Classes
from cryoal.project.labels import ProjectLabels
from cryoal.project.layout import Layout, RoundLayout
from cryoal.project.selecting import Queue
from cryoal.project.settings import Settings, read_settings

Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes
    ----------
    path, legend : Path
        The particle file, and the table of class numbers and names.
    rows : int
    counts : {class: particles} of these rows, duplicates not counted
    """

    path: Path
    legend: Path
    rows: int
    counts: dict[str, int]


class Project:
    """A folder with particles, boxes, labels and rounds; every method leaves it whole.

    Parameters
    ----------
    path : Path

    Raises
    ------
    CryoalError
        The folder is no project, or of a newer program.

    Examples
    --------
    ::

        project = Project.open("ribosomes")
        queue = project.select(n=50)
        project.labels.add({queue.ids[0]: "ribosome"}, annotator="kim")
    """

    def __init__(self, path: Path | str) -> None:
        self.layout = Layout(Path(path))
        self.settings: Settings = read_settings(self.layout.settings)

    @classmethod
    def open(cls, path: Path | str) -> "Project":
        """Open an existing project."""
        return cls(path)

    @classmethod
    def extract(
        cls,
        path: Path | str,
        tomograms: list[str] | list[Path],
        particles: list[str] | list[Path],
        **options: Any,
    ) -> "Project":
        """Make a project from tomograms and picks, or add some to it.

        Takes the options of ``cryoal.project.extraction.extract``.
        """
        extraction.extract(Layout(Path(path)), tomograms, particles, **options)
        return cls(path)

    @cached_property
    def particles(self) -> ParticleSet:
        """Every particle, extracted or left out."""
        return inputs.read_particles(self.layout.particles)

    @cached_property
    def tomograms(self) -> dict[str, Tomogram]:
        """Every tomogram by its name."""
        return inputs.read_tomograms(self.layout.tomograms, self.layout.cache)

    def display_tomogram(self, name: str) -> Path | str | None:
        """Where the volume for looking at (denoised) of a tomogram is, None where it has none.

        ``io.open_volume`` opens it; its voxel size is ``tomograms[name].display_voxel_size``.
        """
        place = self.tomograms[name].display_path
        if not place:
            return None
        return place if is_remote(place) else Path(place)

    @cached_property
    def subtomograms(self) -> SubtomogramStore:
        """Boxes by particle id: ``project.subtomograms[ids]``."""
        return SubtomogramStore(self.layout.subtomograms)

    @cached_property
    def labels(self) -> ProjectLabels:
        """What people said, and where to say more."""
        return ProjectLabels(self.layout, self.particles, self.diameter)

    @property
    def diameter(self) -> float:
        """Of the particle, Angstrom."""
        return self.subtomograms.geometry.diameter

    @property
    def rounds(self) -> list[RoundLayout]:
        """Rounds with a trained teacher, oldest first."""
        return [r for r in self.layout.existing_rounds() if r.teacher.exists()]

    @property
    def predictions(self) -> Predictions | None:
        """Of the newest round that has them, under today's names of the classes."""
        for folder in reversed(self.rounds):
            if folder.predictions.exists():
                found = read_predictions(folder.predictions, self._known)[0]
                return found.called(Classes.read(self.layout.classes).now)
        return None

    @property
    def newest_queue_number(self) -> int:
        """Round of the newest queue; -1 before the first."""
        numbers = [r.number for r in self.layout.existing_rounds() if r.queries.exists()]
        return max(numbers, default=-1)

    @property
    def queue(self) -> Queue | None:
        """The newest queue."""
        number = self.newest_queue_number
        if number < 0:
            return None
        path = self.layout.round(number).queries
        found = Queue.read(path)
        return None if found is None else found.of_particles(self._known, path)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(map(str, self.particles.id))

    def train(self, progress: Progress = silent, *, from_scratch: bool = False) -> RoundLayout:
        """Train a round on today's labels, unless the newest one already was."""
        from cryoal.project import round

        return round.train(self, progress, from_scratch=from_scratch)

    def predict(self, model: Path | None = None, progress: Progress = silent) -> Predictions:
        """Predict every particle with the newest round, or with another's networks.

        Classes have today's names, as in ``predictions``.
        """
        from cryoal.project import round

        found = round.predict(self, model, progress)
        return found.called(Classes.read(self.layout.classes).now)

    def select(
        self,
        n: int | None = None,
        acquisition: str | None = None,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Queue:
        """Choose the particles to ask about next; trains and predicts first if labels changed."""
        from cryoal.project import round

        return round.select(self, n, acquisition, seed, progress)

    def classify(self, min_distance: float | None = None) -> exporting.Classified:
        """Class, confidence and status of every particle.

        Parameters
        ----------
        min_distance : float, Angstrom, optional
            Between particles of one tomogram; default that of cryoal.toml, else half the diameter.
        """
        left_out = self.subtomograms.index.left_out
        queue = self.queue
        scores = {} if queue is None else queue.scores
        if min_distance is None:
            min_distance = self.settings.export.min_distance
        return exporting.classify(
            self.particles,
            self.labels.current(),
            self.predictions,
            scores,
            dict(zip(left_out["cryoalId"], left_out["cryoalStatus"], strict=True)),
            self.diameter / 2 if min_distance is None else min_distance,
        )

    def export(
        self,
        output: Path | None = None,
        *,
        dialect: str | None = None,
        only_class: str | None = None,
        min_confidence: float | None = None,
        min_distance: float | None = None,
    ) -> Exported:
        """Write every particle with class and confidence, and the legend of class numbers."""
        began = time.monotonic()
        classified = self.classify(min_distance)
        if min_confidence is None:
            min_confidence = self.settings.export.min_confidence
        particles, numbers = exporting.exported(
            self.particles, classified, only_class=only_class, min_confidence=min_confidence
        )
        path = output or self.layout.export / f"particles{suffix_of(particles, dialect)}"
        io.write_particles(particles, path, self.tomograms, dialect)
        legend = path.with_name(f"{path.stem}_classes.tsv")
        counts = exporting.counts(particles.table["cryoalLabel"], particles.table["cryoalStatus"])
        rows = [(number, name, counts.get(name, 0)) for name, number in numbers.items()]
        columns = ["rlnClassNumber", "label", "particles"]
        write_tsv(legend, pd.DataFrame(rows, columns=columns, dtype=str))
        journal.write(self.layout, "export", {"output": path, "rows": len(particles)}, began)
        return Exported(path, legend, len(particles), counts)
