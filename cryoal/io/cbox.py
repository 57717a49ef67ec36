"""crYOLO and TomoTwin boxes (.cbox): STAR files with a block ``cryolo``, voxels from 0.

In x and y a box is given by its corner, in z by its centre (TomoTwin
``modules/common/io/cbox_format.py``: X - boxsize / 2, Z as it is). A box without a width is 37
wide, as TomoTwin's writer has it.
"""

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.io.base import Format, Picks, formats, numbers
from cryoal.io.content import Content
from cryoal.io.relion_star import rewrite_star

_BLOCK = "cryolo"
_PLACE = ["CoordinateX", "CoordinateY", "CoordinateZ"]
_WIDTH = 37.0


def _recognise(content: Content) -> int:
    return 3 if content.blocks and "CoordinateX" in content.blocks.get(_BLOCK, ()) else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path, table = content.path, content.blocks[_BLOCK]
    missing = [c for c in _PLACE[:2] if c not in table]
    if missing:
        raise CryoalError(f"{path}: block 'data_{_BLOCK}' has no column {', '.join(missing)}")
    if not len(table):
        raise CryoalError(f"{path}: block 'data_{_BLOCK}' holds no boxes")
    flat = "CoordinateZ" not in table or bool(table["CoordinateZ"].isin(["<NA>", "nan", ""]).all())
    if flat:
        raise CryoalError(
            f"{path}: boxes of single images (no CoordinateZ); boxes of a tomogram are needed"
        )
    xyz = numbers(table, _PLACE, path)
    remarks = []
    for i, side in enumerate(("Width", "Height")):
        size = np.full(len(table), _WIDTH)
        if side in table:
            stated = numbers(table, [side], path, missing=True)[:, 0]
            size = np.where(np.isfinite(stated), stated, _WIDTH)
        else:
            remarks.append(f"it states no {side}; {_WIDTH:g} voxels are taken")
        xyz[:, i] += size / 2
    known = "Confidence" in table
    score = numbers(table, ["Confidence"], path, missing=True)[:, 0] if known else None
    if score is not None and not np.isfinite(score).any():
        score = None
    return Picks(
        path=path,
        dialect="cbox",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "boxes count voxels, x and y from their corners",
        xyz=xyz,
        table=table,
        score=score,
        score_name="" if score is None else "Confidence",
        blocks={key: b.iloc[:0] if key == _BLOCK else b for key, b in content.blocks.items()},
        remarks=tuple(remarks),
    )


formats.register("cbox")(
    Format(
        "cbox",
        _recognise,
        _read,
        rewrite=rewrite_star,
        placing=frozenset(_PLACE),
        suffix=".cbox",
        one_tomogram=True,
        layout="{tomogram}.cbox",
    )
)
