"""A project: the folder on disk, and the verbs in their order."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.core.registry import named_by_person
from cryoal.core.tomogram import Tomogram
from cryoal.data.store import SubtomogramStore
from cryoal.io.base import Format
from cryoal.io.many_files import plan_files, write_files
from cryoal.io.particles import form_of
from cryoal.io.predictions import read_predictions
from cryoal.io.tsv import write_tsv
from cryoal.io.volumes import is_remote
from cryoal.project import exporting, extraction, inputs, journal
from cryoal.project.classes import Classes
from cryoal.project.labels import ProjectLabels
from cryoal.project.layout import Layout, RoundLayout
from cryoal.project.selecting import Queue
from cryoal.project.settings import Settings, read_settings
from cryoal.project.workers import refuse_unguarded_script

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


Files = str | Path | Sequence[str | Path]


def _several(files: Files) -> Sequence[str | Path]:
    """One file is a list of one."""
    return [files] if isinstance(files, str | Path) else files


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
        self._warned_of: list[str] = []

    @classmethod
    def open(cls, path: Path | str) -> "Project":
        """Open an existing project."""
        return cls(path)

    @classmethod
    def extract(
        cls,
        path: Path | str,
        tomograms: Files = (),
        particles: Files = (),
        *,
        diameter: float | None = None,
        box: int | None = None,
        voxel_size: float | None = None,
        contrast: Literal["auto", "dark", "bright"] | None = None,
        edge: Literal["pad", "drop"] | None = None,
        float16: bool | None = None,
        unit: str | None = None,
        relion_centre: Literal["half", "half-minus-one"] = "half",
        pick_voxel_size: float | None = None,
        tilt_range: tuple[float, float] | None = None,
        tilt_axis: float | None = None,
        beam_axis: Literal["z", "y", "x"] | None = None,
        display_tomograms: str | None = None,
        workers: int = 1,
        scheduler: str | None = None,
        dry_run: bool = False,
        progress: Progress = silent,
    ) -> "Project":
        """Make a project from tomograms and picks, or add some to it, as ``cryoal extract`` does.

        Parameters
        ----------
        tomograms, particles : a file or pattern, or several
            Empty stands for those that the project has.
        diameter : float, Angstrom
            Longest axis of the largest particle.
        box : int, voxels
            Stored box, even, instead of a diameter.
        voxel_size : float, Angstrom
            Default 10, or the tomogram's own when that is coarser.
        contrast, edge, float16 : optional
            None is what cryoal.toml says; else "auto", "pad" and False.
        unit : str, optional
            Of the coordinates; default what the file tells.
        relion_centre : "half" or "half-minus-one"
            Where centred coordinates count from.
        pick_voxel_size : float, Angstrom, optional
            The new lists count voxels of this size.
        tilt_range : (low, high), degrees
        tilt_axis : float, degrees
            In the plane across the beam.
        beam_axis : "z", "y" or "x"
            Of volumes that were written unrotated "y" (IMOD); default "z".
        display_tomograms : str
            Pattern of denoised volumes, for looking at.
        workers : int
            Processes. 1, the default, works in this one, in any script; more need a script whose
            commands stand below ``if __name__ == "__main__":``.
        scheduler : str
            Address of a Dask scheduler.
        dry_run : bool
            Check everything, write nothing; a new project has no files then.

        Raises
        ------
        CryoalError
            Anything about the files or the options that must be put right first.
        """
        if workers < 1:
            raise CryoalError(f"workers={workers}: at least 1, which is this process")
        if workers > 1 and scheduler is None:
            refuse_unguarded_script(workers)
        layout = Layout(Path(path))
        options = {"diameter": diameter, "box": box, "voxel_size": voxel_size}
        try:
            extraction.extract(
                layout,
                _several(tomograms),
                _several(particles),
                options={**options, "contrast": contrast, "edge": edge, "float16": float16},
                unit=unit,
                relion_centre=relion_centre,
                pick_voxel_size=pick_voxel_size,
                tilt_range=tilt_range,
                tilt_axis=tilt_axis,
                beam_axis=beam_axis,
                display=display_tomograms,
                workers=workers,
                scheduler=scheduler,
                dry_run=dry_run,
                progress=progress,
            )
        except BrokenProcessPool as problem:
            raise CryoalError(
                f"workers={workers}: a process ended before its work was done. A script's commands "
                'must stand below a line if __name__ == "__main__":; or the memory ran out. Leave '
                "workers out to work in this process"
            ) from problem
        if dry_run and not layout.settings.exists():
            planned = cls.__new__(cls)
            planned.layout, planned.settings = layout, Settings()
            return planned
        return cls(path)

    def status(self) -> dict[str, Any]:
        """What there is, how good it is and what to do next, as ``cryoal status --json``."""
        from cryoal.project.status import status

        return status(self)

    def report(self) -> Path:
        """Write ``report.html``, and say where."""
        from cryoal.project.reporting import write_report

        return write_report(self)

    def sheet(self, output: Path | str = "sheet.html", *, annotator: str = "") -> Path:
        """Write the newest queue as a page to label in any browser, and say where."""
        from cryoal.annotate.sheet import write_sheet

        return write_sheet(self, Path(output), annotator=annotator).path

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
    def diameters(self) -> dict[str, float]:
        """Of the classes that cryoal.toml names one for, Angstrom, under today's names."""
        today = Classes.read(self.layout.classes)
        stated = {today.now(name): c.diameter for name, c in self.settings.classes.items()}
        stated |= {n: c.diameter for n, c in self.settings.classes.items() if today.now(n) == n}
        predictions = self.predictions
        known = {*today.names, *self.labels.current().values()}
        known |= set() if predictions is None else set(predictions.classes)
        strange = sorted(set(stated) - known)
        if strange and known and strange != self._warned_of:
            self._warned_of = strange
            log.warning(
                "%s: [classes] names %s, which no label and no prediction knows; there are: %s",
                *(self.layout.settings, ", ".join(map(repr, strange)), ", ".join(sorted(known))),
            )
        return stated

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
        return Queue.read(self.layout.round(number).queries) if number >= 0 else None

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(map(str, self.particles.id))

    def train(
        self,
        progress: Progress = silent,
        *,
        from_scratch: bool = False,
        network: str | None = None,
        student: str | None = None,
    ) -> RoundLayout:
        """Train a round on today's labels, unless the newest one already was.

        Parameters
        ----------
        network, student : str, optional
            Of this round, instead of those of cryoal.toml; code of your own as ``file.py:Name``.
        """
        from cryoal.project import round

        with named_by_person(network, student):
            return round.train(
                self, progress, from_scratch=from_scratch, networks=(network, student)
            )

    def predict(
        self,
        model: Path | str | None = None,
        progress: Progress = silent,
        *,
        network: str | None = None,
        student: str | None = None,
    ) -> Predictions:
        """Predict every particle with the newest round, or with another's networks.

        Classes have today's names, as in ``predictions``.

        Parameters
        ----------
        network, student : str, optional
            Code of your own that the model's files name, to let it run.
        """
        from cryoal.project import round

        with named_by_person(network, student):
            found = round.predict(self, None if model is None else Path(model), progress)
        return found.called(Classes.read(self.layout.classes).now)

    def select(
        self,
        n: int | None = None,
        acquisition: str | None = None,
        seed: int = 0,
        progress: Progress = silent,
        *,
        network: str | None = None,
        student: str | None = None,
    ) -> Queue:
        """Choose the particles to ask about next; trains and predicts first if labels changed.

        Parameters
        ----------
        network, student : str, optional
            As ``train`` takes them.
        """
        from cryoal.project import round

        with named_by_person(acquisition, network, student):
            return round.select(self, n, acquisition, seed, progress, networks=(network, student))

    def classify(self, min_distance: float | None = None) -> exporting.Classified:
        """Class, confidence and status of every particle.

        Parameters
        ----------
        min_distance : float, Angstrom, optional
            Between particles of one class; default that of cryoal.toml, else half the diameter of
            the class. 0 keeps all.

        Raises
        ------
        CryoalError
            The distance is negative or no number.
        """
        left_out = self.subtomograms.index.left_out
        queue = self.queue
        scores = {} if queue is None else queue.scores
        if min_distance is None:
            min_distance = self.settings.export.min_distance
        elif not 0 <= min_distance < math.inf:
            raise CryoalError(
                f"--min-distance {min_distance:g}: Angstrom are needed, 0 keeps all particles"
            )
        return exporting.classify(
            self.particles,
            self.labels.current(),
            self.predictions,
            scores,
            dict(zip(left_out["cryoalId"], left_out["cryoalStatus"], strict=True)),
            self.diameter,
            self.diameters,
            min_distance,
        )

    def export(
        self,
        output: Path | str | None = None,
        *,
        dialect: str | None = None,
        only_class: str | None = None,
        min_confidence: float | None = None,
        min_distance: float | None = None,
    ) -> exporting.Exported:
        """Write every particle with class and confidence, and the legend of class numbers.

        Parameters
        ----------
        output : Path, optional
            A file, a folder, or a path with ``{tomogram}`` and ``{class}``; see
            ``io.many_files.plan_files``.
        """
        began = time.monotonic()
        classified = self.classify(min_distance)
        if min_confidence is None:
            min_confidence = self.settings.export.min_confidence
        elif not 0 <= min_confidence <= 1:
            raise CryoalError(
                f"--min-confidence {min_confidence:g}: a number from 0 to 1 is needed"
            )
        particles, numbers = exporting.exported(
            self.particles, classified, only_class=only_class, min_confidence=min_confidence
        )
        form = form_of(particles, dialect)
        target = Path(output) if output else self._export_path(particles, form)
        plan = plan_files(particles, target, form.name)
        path = plan.target
        legend = plan.folder / ("cryoal" if plan.many else path.stem)
        legend = legend.with_name(f"{legend.name}_classes.tsv")
        volumes = [v for t in self.tomograms.values() for v in (t.path, t.display_path)]
        for part in plan.parts:
            exporting.refuse_taken(part.path, legend, self.layout, volumes, listed=plan.many)
        write_files(particles, plan, self.tomograms, dialect)
        tally = exporting.tally(particles.table["cryoalLabel"], particles.table["cryoalStatus"])
        rows = [(number, name, tally.classes.get(name, 0)) for name, number in numbers.items()]
        write_tsv(legend, pd.DataFrame(rows, columns=list(exporting.LEGEND), dtype=str))
        journal.write(self.layout, "export", {"output": path, "rows": len(particles)}, began)
        why = exporting.omissions(classified, only_class, min_confidence)
        omitted = {str(reason): int((why == reason).sum()) for reason in np.unique(why[why != ""])}
        close = classified.labelled_close
        files = len(plan.parts)
        return exporting.Exported(path, legend, len(particles), tally, omitted, close, files)

    def _export_path(self, particles: ParticleSet, form: Format) -> Path:
        """Where an export goes: a file, or a folder where one file could not hold it."""
        several = form.one_tomogram and len(np.unique(particles.tomogram)) > 1
        if several or "{class}" in form.layout:
            return self.layout.export / form.name
        return self.layout.export / f"particles{form.suffix}"
