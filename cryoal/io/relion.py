"""RELION 3.0, 3.1, 4 and 5 as dialects that are read and written."""

from collections.abc import Mapping
from pathlib import Path

from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Format, Writer, formats
from cryoal.io.dialects import as_dialect
from cryoal.io.relion_columns import PLACING
from cryoal.io.relion_star import read_relion, recognises, rewrite_star


def star_writer(dialect: str) -> Writer:
    """Make the function that writes particles in this STAR dialect."""

    def write(
        particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
    ) -> None:
        rewrite_star(as_dialect(particles, dialect, tomograms, centre), path)

    return write


for _name in ("relion3", "relion31", "relion4", "relion5"):
    formats.register(_name)(
        Format(_name, recognises(_name, 1), read_relion, star_writer(_name), rewrite_star, PLACING)
    )
