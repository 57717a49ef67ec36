"""What a benchmark measures, and the guard that keeps two plans out of one folder."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError
from cryoal.core.version import __version__
from cryoal.io.files import replacing
from cryoal.learn.schedule import Schedule
from cryoal.project.lesson_plan import schedule_for
from cryoal.project.recipes import networks_named, recipe
from cryoal.project.settings import TrainSettings

#: Stands for training once on every label there is.
FULL = "full"

#: What a benchmark writes into its folder beside its plan.
WRITTEN = ("results.tsv", "scores.tsv", "full.tsv", "summary.tsv", "report.html")


@dataclass(frozen=True)
class Plan:
    """What to measure: every acquisition with every recipe and seed.

    Attributes
    ----------
    project : Path
    truth : Path
        TSV with id, label.
    out : Path
    acquisitions : sequence of str
        ``default`` stands for the default; ``full`` trains once on every label.
    start, step, rounds, seeds : int
        First labels, labels a round, rounds after the first, paired repetitions.
    oracle_error, oracle_unsure : float
        Mean share of wrong and of "unsure" answers, on the particles that are hard.
    schedule : Schedule, optional
        Of every training; default the recipe's.
    recipes : sequence of str
        Ways to train: ``project`` as cryoal.toml says, others in ``project.recipes``.
    max_steps : int, optional
        Optimiser steps of every training at most.
    full : bool
        Train once on every label too, for the target that labels are counted to.
    start_with : "random" or "cold_start"
        How the first particles are chosen, without a label.
    subpool : int, optional
        Rank only this many random particles, the same for every strategy; default: the project's.
    """

    project: Path
    truth: Path
    out: Path
    acquisitions: Sequence[str] = ("default", "random")
    start: int = 50
    step: int = 50
    rounds: int = 4
    seeds: int = 3
    oracle_error: float = 0.0
    schedule: Schedule | None = None
    oracle_unsure: float = 0.0
    recipes: Sequence[str] = ("project",)
    max_steps: int | None = None
    full: bool = False
    start_with: str = "random"
    subpool: int | None = None

    @property
    def errs(self) -> bool:
        """Whether the oracle is less than the truth."""
        return self.oracle_error > 0 or self.oracle_unsure > 0

    @property
    def chains(self) -> list["Chain"]:
        """Every chain there is to measure, paired ones side by side."""
        names = list(dict.fromkeys(self.acquisitions))
        if self.full and FULL not in names:
            names.append(FULL)
        return [
            Chain(name, way, seed)
            for seed in range(self.seeds)
            for way in dict.fromkeys(self.recipes)
            for name in names
        ]

    @property
    def named(self) -> list[str]:
        """What a person named in this plan, for ``core.registry.named_by_person``."""
        return [*self.acquisitions, *networks_named(self.recipes)]

    def chain_file(self, acquisition: str, seed: int, way: str = "project") -> Path:
        """Rows of one strategy and seed; a chain goes on from what its files hold."""
        stem = f"{_safe(acquisition)}-{_safe(way)}-{seed}"
        return self.out / "chains" / f"{stem}.tsv"

    def labels_file(self, acquisition: str, seed: int, way: str = "project") -> Path:
        """What was asked and answered: round, id, label."""
        path = self.chain_file(acquisition, seed, way)
        return path.with_name(f"{path.stem}-labels.tsv")

    def scores_file(self, acquisition: str, seed: int, way: str = "project") -> Path:
        """How well each score knew where the classifier was wrong."""
        path = self.chain_file(acquisition, seed, way)
        return path.with_name(f"{path.stem}-scores.tsv")

    def difficulty_file(self, seed: int) -> Path:
        """How clear each particle is, for an oracle that errs."""
        return self.out / "chains" / f"difficulty-{seed}.tsv"

    def settings(self, way: str, seed: int, base: TrainSettings) -> TrainSettings:
        """How this recipe trains with this seed."""
        return recipe(way, base).model_copy(update={"seed": seed})

    def schedule_of(self, settings: TrainSettings) -> Schedule:
        """The training schedule, cut at ``max_steps``."""
        schedule = self.schedule or schedule_for(settings)
        if self.max_steps is None:
            return schedule
        most = min(schedule.max_steps, self.max_steps)
        return replace(
            schedule,
            max_steps=most,
            min_steps=min(schedule.min_steps, most),
            student_steps=min(schedule.student_steps, self.max_steps),
        )


@dataclass(frozen=True)
class Chain:
    """One acquisition, one recipe, one seed: rounds that follow from each other."""

    acquisition: str
    recipe: str
    seed: int


def claim(plan: Plan, base: TrainSettings, digest: str) -> None:
    """Keep the plan with its results, and refuse a folder that holds another's.

    More acquisitions, recipes, seeds and rounds may be added later: they change no chain.

    Parameters
    ----------
    digest : str
        Of the boxes.

    Raises
    ------
    CryoalError
        Names what differs.
    """
    facts: dict[str, Any] = {
        "cryoal": __version__,
        "start": plan.start,
        "step": plan.step,
        "start_with": plan.start_with,
        "oracle_error": plan.oracle_error,
        "oracle_unsure": plan.oracle_unsure,
        "subpool": plan.subpool,
        "max_steps": plan.max_steps,
        "schedule": None if plan.schedule is None else asdict(plan.schedule),
        "truth": hashlib.sha256(plan.truth.read_bytes()).hexdigest(),
        "boxes": digest,
        "recipes": {
            way: plan.settings(way, 0, base).model_dump(exclude={"device"}) for way in plan.recipes
        },
    }
    path = plan.out / "plan.json"
    if path.exists():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        both = {**earlier["recipes"], **facts["recipes"]}
        differs = [key for key in facts if key != "recipes" and earlier.get(key) != facts[key]]
        differs += [
            f"recipe {way}" for way, value in earlier["recipes"].items() if both[way] != value
        ]
        if differs:
            raise CryoalError(
                f"{plan.out}: holds another benchmark ({', '.join(differs)} differ); give a new "
                "folder with -o, or delete this one"
            )
        facts["recipes"] = both
    else:
        there = [name for name in WRITTEN if (plan.out / name).exists()]
        if there:
            raise CryoalError(
                f"{plan.out / there[0]}: is there, and no benchmark wrote it; give a new folder "
                "with -o"
            )
    with replacing(path) as file:
        file.write(json.dumps(facts, indent=1) + "\n")


def _safe(name: str) -> str:
    """A name as part of a file name; what had to be changed is told apart by its digest."""
    safe = re.sub(r"[^\w.]+", "_", name)
    if safe == name:
        return name
    return f"{safe[-60:]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
