"""EMAN2: boxes of ``info/*_info.json``, and why its lists of particle images say too little.

A box is [x, y, z, method, score, class]. With ``apix_unbin`` it counts unbinned pixels from voxel
n // 2 of the tomogram (EMAN2 ``e2spt_boxer.py``); without it, as before September 2018, voxels
from the corner. ``class_list`` names the classes. A particle file names its tomogram by its own
name.
"""

import re
from typing import Any

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.io.base import Format, NotParticlesError, Picks, formats, numbers
from cryoal.io.content import Content

_FIELDS = ("x", "y", "z", "method", "score", "class")
_MARKS = (b'"boxes_3d"', b'"class_list"', b'"apix_unbin"', b'"tlt_params"', b'"ali_loss"',
          b'"tlt_file"', b'"boxes"')  # fmt: skip


def _recognise(content: Content) -> int:
    head = content.start
    if head.startswith(b"#LSX"):
        return 3
    if head[:1] != b"{":
        return 0
    # An info file may open with hundreds of tilt parameters: the boxes can be anywhere.
    if any(mark in head for mark in _MARKS) or b"xform.align3d" in head:
        return 2
    return 2 if content.has(b'"boxes_3d"') else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    if content.start.startswith(b"#LSX"):
        raise NotParticlesError(
            f"{path}: an EMAN2 list of particle images, which keeps positions in their HDF "
            "headers; give the info/*_info.json of each tomogram"
        )
    info = content.json()
    boxes = info.get("boxes_3d") if isinstance(info, dict) else None
    if boxes is None:
        raise NotParticlesError(
            f"{path}: an EMAN2 file without boxes_3d, so without positions; give an "
            "info/*_info.json of a tomogram with boxes"
        )
    if not isinstance(boxes, list) or not boxes:
        raise CryoalError(f"{path}: boxes_3d holds no boxes")
    for n, box in enumerate(boxes, 1):
        if not isinstance(box, list) or len(box) < 3:
            raise CryoalError(f"{path}, box {n}: [x, y, z, ...] was expected, not {str(box)[:40]}")
    width = max(3, min(len(_FIELDS), *(len(box) for box in boxes)))
    table = pd.DataFrame(
        {name: [str(box[i]) for box in boxes] for i, name in enumerate(_FIELDS[:width])}, dtype=str
    )
    if "class" in table:
        table["class_name"] = _class_names(info.get("class_list"), table["class"].tolist())
    pixel = _unbinned_pixel(content, info.get("apix_unbin"))
    centred = pixel is not None and unit in (None, "unbinned_pixel")
    score = numbers(table, ["score"], path, missing=True)[:, 0] if "score" in table else None
    known = score is not None and bool(np.isfinite(score).any())
    return Picks(
        path=path,
        dialect="eman2",
        unit=unit or ("voxel" if pixel is None else "unbinned_pixel"),
        evidence="given by --unit" if unit else _evidence(pixel),
        xyz=numbers(table, ["x", "y", "z"], path),
        table=table,
        pixel_size=None if pixel is None else np.full(len(table), pixel),
        from_middle=centred,
        score=score if known else None,
        score_name="score" if known else "",
    )


def _evidence(pixel: float | None) -> str:
    if pixel is None:
        return "no apix_unbin: voxels from the corner (EMAN2 before September 2018)"
    return f"apix_unbin is {pixel:g} A: unbinned pixels from the tomogram's middle (EMAN2)"


def _unbinned_pixel(content: Content, stated: Any) -> float | None:
    if stated is None:
        return None
    try:
        pixel = float(stated)
    except (TypeError, ValueError):
        pixel = np.nan
    if not (np.isfinite(pixel) and pixel > 0):
        raise CryoalError(f"{content.path}: apix_unbin is {stated!r}, a pixel size was expected")
    return pixel


def _class_names(listed: Any, classes: list[str]) -> list[str]:
    if not isinstance(listed, dict):
        return [""] * len(classes)
    known = {
        re.sub(r"\.0$", "", str(key)): str(value.get("name", ""))
        for key, value in listed.items()
        if isinstance(value, dict)
    }
    return [known.get(re.sub(r"\.0$", "", name), "") for name in classes]


formats.register("eman2")(Format("eman2", _recognise, _read, placing=frozenset({"x", "y", "z"})))
