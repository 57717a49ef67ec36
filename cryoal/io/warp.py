"""Warp, WarpTools and M: names end in ``.tomostar``, coordinates count output pixels.

Written for ``WarpTools ts_export_particles --coords_angpix`` with the voxel size in
rlnPixelSize. That program refuses centred coordinates (warp#288).
"""

from cryoal.io.base import Format, formats
from cryoal.io.relion import star_writer
from cryoal.io.relion_columns import PLACING
from cryoal.io.relion_star import read_relion, recognises, rewrite_star

formats.register("warp")(
    Format("warp", recognises("warp", 2), read_relion, star_writer("warp"), rewrite_star, PLACING)
)
