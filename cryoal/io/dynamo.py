"""Dynamo tables (.tbl): 26 to 42 numbers a line, no header.

Columns, counted from 1: 4-6 shifts, added to 24-26 x y z; 7-9 tdrot tilt narot; 10 correlation; 20
tomogram number (https://www.dynamo-em.org/w/index.php?title=Table_convention). The angles are those
of an extrinsic zxz rotation whose inverse turns the reference into the particle (teamtomo
``eulerangles``: "dynamo"). Positions are taken as they stand, as ArtiaX, copick and cryoCAT do.

Numbers become names through a table map beside the table, ``<stem>.doc`` or
``indices_column20.doc``, whose lines are ``1 /path/to/TS_01.rec``.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.io.base import Content, Format, Picks, formats, numbers
from cryoal.io.star import read_text

_WIDTH = range(26, 43)


def _recognise(content: Content) -> int:
    if b"\0" in content.head or content.blocks:
        return 0
    cells = content.text.lstrip().split("\n", 1)[0].split()
    return 2 if len(cells) in _WIDTH and all(_is_number(cell) for cell in cells) else 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    rows = [(n, line.split()) for n, line in enumerate(content.text.split("\n"), 1) if line.strip()]
    width = len(rows[0][1])
    for n, cells in rows:
        if len(cells) != width:
            raise CryoalError(f"{path}, line {n}: {len(cells)} numbers, {width} in the first line")
    columns = [f"column{i}" for i in range(1, width + 1)]
    table = pd.DataFrame([cells for _, cells in rows], columns=columns, dtype=str)
    values = numbers(table, columns[:26], path)
    tomogram = numbered_tomograms(values[:, 19], path)
    return Picks(
        path=path,
        dialect="dynamo",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "Dynamo counts voxels of the tomogram cropped from",
        xyz=values[:, 23:26],
        table=table,
        tomogram=tomogram,
        origin_xyz=-values[:, 3:6],
        origin_pixel_size=np.full(len(values), np.nan),
        rotation=Rotation.from_euler("zxz", values[:, 6:9], degrees=True).inv(),
        score=values[:, 9] if values[:, 9].any() else None,
        score_name="column10" if values[:, 9].any() else "",
    )


def numbered_tomograms(numbered: NDArray[np.float64], path: Path) -> NDArray[np.str_] | None:
    """Names of tomograms; None where one number stands for whatever tomogram is given."""
    for file in (path.with_suffix(".doc"), path.with_name("indices_column20.doc")):
        if file.is_file():
            return _mapped(numbered, file)
    if len(np.unique(numbered)) == 1:
        return None
    return np.array([f"{number:g}" for number in numbered])


def _mapped(numbered: NDArray[np.float64], file: Path) -> NDArray[np.str_]:
    known: dict[str, str] = {}
    for n, line in enumerate(read_text(file).split("\n"), 1):
        cells = line.split(maxsplit=1)
        if cells and (len(cells) != 2 or not _is_number(cells[0])):
            raise CryoalError(f"{file}, line {n}: 'number path' was expected")
        if cells:
            known[f"{float(cells[0]):g}"] = cells[1].strip()
    wanted = [f"{number:g}" for number in numbered]
    missing = next((number for number in wanted if number not in known), None)
    if missing is not None:
        raise CryoalError(f"{file}: no line for tomogram {missing}")
    return np.array([known[number] for number in wanted])


formats.register("dynamo")(Format("dynamo", _recognise, _read))
