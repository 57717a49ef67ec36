"""Ways to train, by name: what a benchmark crosses with ways to choose."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cryoal.core.errors import CryoalError
from cryoal.project.settings import TrainSettings, complaint

#: Convolutions on boxes, trained from scratch: what most recipes below change one thing of.
BOXES: Mapping[str, Any] = {"start": "scratch", "network": "compact", "student": "compact-thin"}

#: What each recipe changes of the project's ``[train]``.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "project": {},
    "pretrained": {"start": "pretrained"},
    "scratch": {"start": "scratch"},
    "compact": BOXES,
    "twins": {**BOXES, "student": "compact"},
    "labels_only": {**BOXES, "student_ce": 1.0},
    "average": {**BOXES, "student": "compact", "student_is": "average"},
    "distilled": {**BOXES, "student": "distilled-148k"},
    "still": {**BOXES, "shifts": False},
    "one_view": {**BOXES, "views": False},
    "unturned": {**BOXES, "rotations": 0.0},
    "noise": {**BOXES, "noise": 0.5},
    "ctf_filter": {**BOXES, "ctf_filter": 1.0},
    "mean_teacher": {**BOXES, "ema_weight": 1.0, "ema_decay": 0.99, "ema_on": "unlabelled"},
    "self_supervised": {**BOXES, "pool_steps": 1000},
    "trained": {**BOXES, "head": "trained"},
    "warm": {**BOXES, "start": "previous"},
    "longer": {**BOXES, "max_steps": 3600},
    "student_longer": {**BOXES, "student_steps": 1500},
}


def recipe(name: str, base: TrainSettings) -> TrainSettings:
    """The project's settings, changed as the recipe says.

    Parameters
    ----------
    name : str
        One of ``RECIPES``, or a TOML file with keys of ``[train]``.
    base : TrainSettings

    Raises
    ------
    CryoalError
        No such recipe or file, or a setting that cannot be.
    """
    if name.endswith(".toml"):
        changes: Mapping[str, Any] = _read(Path(name))
    elif name in RECIPES:
        changes = RECIPES[name]
    else:
        raise CryoalError(
            f"no recipe is called {name!r}. There are: {', '.join(RECIPES)}; or name a TOML file "
            "with keys of [train]"
        )
    kept = base.model_dump()
    for network in ("network", "student"):
        # Options are those of one network, not of another that takes its place.
        if changes.get(network, kept[network]) != kept[network]:
            kept[f"{network}_options"] = {}
    try:
        return TrainSettings(**{**kept, **changes})
    except ValidationError as problem:
        raise CryoalError(f"{name}: {complaint(problem, TrainSettings)}") from problem


def networks_named(recipes: Iterable[str]) -> list[str]:
    """Networks that recipe files name: whoever names the file names them."""
    files = [_read(Path(name)) for name in recipes if name.endswith(".toml")]
    return [str(one[part]) for one in files for part in ("network", "student") if part in one]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise CryoalError(
            f"{path}: the recipe cannot be read ({problem.strerror}); name a file that is there"
        ) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CryoalError(f"{path}: not valid TOML ({problem}); correct that line") from problem
    section = values.get("train", values)
    return dict(section) if isinstance(section, Mapping) else {"train": section}
