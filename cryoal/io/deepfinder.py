"""DeepFinder object lists (XML): voxels from 0, one ``<object>`` a particle.

``tomo_idx``, ``obj_id``, the angles and ``cluster_size`` may be missing
(``deepfinder/utils/objl.py``: ``read_xml``). phi, the, psi are TOM's: an extrinsic zxz rotation
that turns the reference into the particle.
"""

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.io.base import Format, Picks, formats, numbers, scores_of
from cryoal.io.content import Content
from cryoal.io.numbering import numbered_tomograms

_PLACE = ["x", "y", "z"]
_ANGLES = ["phi", "the", "psi"]


def _recognise(content: Content) -> int:
    return 3 if content.xml_root == "objlist" else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    objects = list(content.xml().iter("object"))
    if not objects:
        raise CryoalError(f"{path}: no <object> in this list")
    columns = dict.fromkeys(name for item in objects for name in item.keys())  # noqa: SIM118
    missing = [axis for axis in _PLACE if axis not in columns]
    if missing:
        raise CryoalError(f"{path}: its objects state no {', '.join(missing)}")
    table = pd.DataFrame(
        {name: [item.get(name, "").strip() for item in objects] for name in columns}, dtype=str
    )
    if "cluster_size" in table:
        table["score"] = table["cluster_size"]
    turned = all(angle in table and (table[angle] != "").all() for angle in _ANGLES)
    angles = numbers(table, _ANGLES, path) if turned else None
    named = numbered = None
    if "tomo_idx" in table and (table["tomo_idx"] != "").all():
        indices = pd.to_numeric(table["tomo_idx"], errors="coerce")
        if indices.notna().all():
            named, numbered = numbered_tomograms(np.asarray(indices, dtype=np.float64), path)
        else:
            named = np.asarray(table["tomo_idx"], dtype=str)
    score, score_name = scores_of(table, path)
    return Picks(
        path=path,
        dialect="deepfinder",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "DeepFinder counts voxels of its tomogram",
        xyz=numbers(table, _PLACE, path),
        table=table,
        tomogram=named,
        numbered=bool(numbered),
        rotation=None if angles is None else Rotation.from_euler("zxz", angles, degrees=True),
        score=score,
        score_name=score_name,
    )


formats.register("deepfinder")(
    Format("deepfinder", _recognise, _read, placing=frozenset({*_PLACE, *_ANGLES}))
)
