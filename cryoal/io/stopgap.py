"""STOPGAP motive lists: STAR files with a block ``stopgap_motivelist``, voxels counted from 1.

``orig_x/y/z`` plus ``x_shift/y_shift/z_shift`` is the position; phi, the, psi are those of an
extrinsic zxz rotation that turns the reference into the particle (cryoCAT ``StopgapMotl``; the
CryoET Data Portal's ``from_stopgap_star``). Tomograms are numbers.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.io.base import Format, Picks, formats, numbers, scores_of
from cryoal.io.content import Content
from cryoal.io.numbering import numbered_tomograms
from cryoal.io.relion_star import rewrite_star

_BLOCK = "stopgap_motivelist"
_PLACE = ["orig_x", "orig_y", "orig_z"]
_SHIFT = ["x_shift", "y_shift", "z_shift"]
_ANGLES = ["phi", "the", "psi"]


def _block(content: Content) -> str | None:
    """Name of the block: STOPGAP's own, or whichever has its columns."""
    blocks = content.blocks
    if _BLOCK in blocks:
        return _BLOCK
    return next((n for n, b in blocks.items() if all(c in b for c in (*_PLACE, "tomo_num"))), None)


def _recognise(content: Content) -> int:
    return 3 if content.blocks and _block(content) is not None else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path, name = content.path, _block(content)
    if name is None:
        raise CryoalError(f"{path}: no block 'data_{_BLOCK}'")
    table = content.blocks[name]
    missing = [c for c in (*_PLACE, "tomo_num") if c not in table]
    if missing:
        raise CryoalError(f"{path}: block 'data_{name}' has no column {', '.join(missing)}")
    if not len(table):
        raise CryoalError(f"{path}: block 'data_{name}' holds no particles")
    shifts = numbers(table, _SHIFT, path) if all(c in table for c in _SHIFT) else None
    angles = numbers(table, _ANGLES, path) if all(c in table for c in _ANGLES) else None
    score, score_name = scores_of(table, path)
    names, numbered = numbered_tomograms(numbers(table, ["tomo_num"], path)[:, 0], path)
    return Picks(
        path=path,
        dialect="stopgap",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "STOPGAP counts voxels, from 1",
        xyz=numbers(table, _PLACE, path) - 1,
        table=table,
        tomogram=names,
        numbered=numbered,
        origin_xyz=None if shifts is None else -shifts,
        origin_pixel_size=np.full(len(table), np.nan),
        rotation=None if angles is None else Rotation.from_euler("zxz", angles, degrees=True),
        score=score,
        score_name=score_name,
        blocks={key: b.iloc[:0] if key == name else b for key, b in content.blocks.items()},
    )


formats.register("stopgap")(
    Format(
        "stopgap",
        _recognise,
        _read,
        rewrite=rewrite_star,
        placing=frozenset({*_PLACE, *_SHIFT, *_ANGLES}),
    )
)
