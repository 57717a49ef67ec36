"""TOM, AV3 and Artiatomi motive lists (.em): 20 numbers a particle, voxels counted from 1.

Rows, counted from 1: 1 score; 5 tomogram number; 8-10 x y z; 11-13 shifts, added; 17-19 phi, psi,
theta; 20 class. The angles phi, theta, psi are those of an extrinsic zxz rotation that turns the
reference into the particle (cryoCAT ``Motl.apply_rotation``), and 1 is taken off the coordinates
before cropping (cryoCAT, copick). An EM header states no voxel size.
"""

import math

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.io.base import Content, Format, Picks, formats, numbers
from cryoal.io.dynamo import numbered_tomograms

_HEADER_BYTES = 512
_LITTLE_ENDIAN = 6
_DTYPES = {5: "<f4", 9: "<f8"}
_COLUMNS = ("score", "row2", "row3", "subtomo_id", "tomo_id", "object_id", "row7", "x", "y", "z",
            "shift_x", "shift_y", "shift_z", "row14", "row15", "row16", "phi", "psi", "theta",
            "class")  # fmt: skip


def _recognise(content: Content) -> int:
    head = content.head
    if len(head) < _HEADER_BYTES or head[0] != _LITTLE_ENDIAN or head[3] not in _DTYPES:
        return 0
    return 2 if int.from_bytes(head[4:8], "little") == len(_COLUMNS) else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    raw = path.read_bytes()
    dtype = np.dtype(_DTYPES[raw[3]])
    shape = [int(n) for n in np.frombuffer(raw, "<i4", count=3, offset=4)]
    count = shape[1] * max(shape[2], 1)
    if min(shape) < 0 or len(raw) < _HEADER_BYTES + math.prod((20, count, dtype.itemsize)):
        raise CryoalError(f"{path}: shorter than its header says ({count} particles); cut off?")
    if count < 1:
        raise CryoalError(f"{path}: this motive list holds no particles")
    values = np.frombuffer(raw, dtype, count=20 * count, offset=_HEADER_BYTES).reshape(count, 20)
    table = pd.DataFrame(
        {name: [f"{v:.9g}" for v in values[:, i]] for i, name in enumerate(_COLUMNS)}, dtype=str
    )
    known = numbers(table, list(_COLUMNS), path)
    angles = known[:, [16, 18, 17]]  # phi, theta, psi
    scored = bool(known[:, 0].any())
    return Picks(
        path=path,
        dialect="em",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "motive lists count voxels, from 1",
        xyz=known[:, 7:10] - 1,
        table=table,
        tomogram=numbered_tomograms(known[:, 4], path),
        origin_xyz=-known[:, 10:13],
        origin_pixel_size=np.full(count, np.nan),
        rotation=Rotation.from_euler("zxz", angles, degrees=True),
        score=known[:, 0] if scored else None,
        score_name="score" if scored else "",
    )


formats.register("em")(Format("em", _recognise, _read))
