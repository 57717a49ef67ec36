"""pytom-match-pick: one STAR file a tomogram, voxels of the searched volume, rlnLCCmax."""

from cryoal.io.base import Format, formats
from cryoal.io.relion import star_writer
from cryoal.io.relion_columns import PLACING
from cryoal.io.relion_star import read_relion, recognises, rewrite_star

formats.register("pytom")(
    Format(
        "pytom", recognises("pytom", 2), read_relion, star_writer("pytom"), rewrite_star, PLACING
    )
)
