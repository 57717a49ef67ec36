"""Classify cryo-ET subtomograms with few labels: active learning by knowledge transfer."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryoal.core.errors import CryoalError
    from cryoal.core.particles import ParticleSet
    from cryoal.core.tomogram import Tomogram
    from cryoal.project.project import Project

from cryoal.core.version import __version__

_HOMES = {
    "CryoalError": "cryoal.core.errors",
    "ParticleSet": "cryoal.core.particles",
    "Tomogram": "cryoal.core.tomogram",
    "Project": "cryoal.project.project",
}
__all__ = ["CryoalError", "ParticleSet", "Project", "Tomogram", "__version__"]


def __dir__() -> list[str]:
    """Public names, also those not yet imported."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``import cryoal`` stays fast."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cryoal' has no attribute {name!r}")
