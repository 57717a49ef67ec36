"""Files to nouns and back: one format a file, recognised by content."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryoal.io.mrc import open_stack, write_volume, writing_stack
    from cryoal.io.particles import Reading, read_all, read_particles, write_particles
    from cryoal.io.star import read_star, write_star
    from cryoal.io.tomograms import read_tomograms
    from cryoal.io.tsv import read_tsv, write_tsv
    from cryoal.io.volumes import open_volume, read_header

_HOMES = {
    "open_stack": "cryoal.io.mrc",
    "open_volume": "cryoal.io.volumes",
    "read_header": "cryoal.io.volumes",
    "write_volume": "cryoal.io.mrc",
    "writing_stack": "cryoal.io.mrc",
    "Reading": "cryoal.io.particles",
    "read_all": "cryoal.io.particles",
    "read_particles": "cryoal.io.particles",
    "write_particles": "cryoal.io.particles",
    "read_star": "cryoal.io.star",
    "write_star": "cryoal.io.star",
    "read_tomograms": "cryoal.io.tomograms",
    "read_tsv": "cryoal.io.tsv",
    "write_tsv": "cryoal.io.tsv",
}
__all__ = [
    "Reading",
    "open_stack",
    "open_volume",
    "read_all",
    "read_header",
    "read_particles",
    "read_star",
    "read_tomograms",
    "read_tsv",
    "write_particles",
    "write_star",
    "write_tsv",
    "write_volume",
    "writing_stack",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: pandas takes half a second."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cryoal.io' has no attribute {name!r}")
