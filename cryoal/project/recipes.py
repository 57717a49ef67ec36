"""Ways to train, by name: what a benchmark crosses with ways to choose."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cryoal.core.errors import CryoalError
from cryoal.project.settings import TrainSettings, complaint

#: What each recipe changes of the project's ``[train]``.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "project": {},
    "pretrained": {"start": "pretrained"},
    "scratch": {"start": "scratch"},
    "compact": {"start": "scratch", "network": "compact", "student": "compact-thin"},
    "twins": {"start": "scratch", "network": "compact", "student": "compact"},
    "labels_only": {
        "start": "scratch",
        "network": "compact",
        "student": "compact-thin",
        "student_ce": 1.0,
    },
    "average": {
        "start": "scratch",
        "network": "compact",
        "student": "compact",
        "student_is": "average",
    },
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
    try:
        return TrainSettings(**{**base.model_dump(), **changes})
    except ValidationError as problem:
        raise CryoalError(f"{name}: {complaint(problem, TrainSettings)}") from problem


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
