"""Dynamo tables (.tbl): 26 numbers a line or more (42 today), no header.

Columns, counted from 1: 1 tag; 2, 3 aligned, averaged; 4-6 shifts, added to 24-26 x y z; 7-9 tdrot
tilt narot; 10 correlation; 20 tomogram number; 22 class; 36 voxel size in Angstrom
(https://www.dynamo-em.org/w/index.php?title=Table_convention). The angles are those of an extrinsic
zxz rotation whose inverse turns the reference into the particle (teamtomo ``eulerangles``:
"dynamo"; copick ``dynamo_to_copick_transform``). Positions are taken as they stand, as ArtiaX,
copick and cryoCAT do. Numbers become names as in ``numbering``.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import quiet_euler, reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Format, Picks, formats, is_number, numbers
from cryoal.io.classes import class_numbers
from cryoal.io.content import Content
from cryoal.io.files import replacing
from cryoal.io.numbering import number_names, numbered_tomograms, write_map
from cryoal.io.voxel_size import believable

_WIDTH = range(26, 61)
_WRITTEN = 35
_SHIFT, _ANGLES, _PLACE = slice(3, 6), slice(6, 9), slice(23, 26)
_TAG, _CC, _TOMOGRAM, _CLASS, _VOXEL_SIZE = 0, 9, 19, 21, 35


def _recognise(content: Content) -> int:
    if b"\0" in content.head or content.blocks:
        return 0
    cells = content.text.lstrip().split("\n", 1)[0].split()
    return 2 if len(cells) in _WIDTH and all(is_number(_real(cell)) for cell in cells) else 0


def _real(word: str) -> str:
    """Real part of a number that MATLAB wrote as a complex one; other words as they are.

    Examples
    --------
    >>> _real("0.53796"), _real("0.5+0i"), _real("-1.5e-3-0.2i"), _real("TS_i")
    ('0.53796', '0.5', '-0.0015', 'TS_i')
    """
    if not word.endswith("i"):
        return word
    try:
        return f"{complex(word[:-1] + 'j').real:.10g}"
    except ValueError:
        return word


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    rows = [(n, line.split()) for n, line in enumerate(content.text.split("\n"), 1) if line.strip()]
    width = len(rows[0][1])
    for n, cells in rows:
        if len(cells) != width:
            raise CryoalError(f"{path}, line {n}: {len(cells)} numbers, {width} in the first line")
    columns = [f"column{i}" for i in range(1, width + 1)]
    complex_cells = sum(cell.endswith("i") for _, cells in rows for cell in cells)
    table = pd.DataFrame([cells for _, cells in rows], columns=columns, dtype=str)
    real = table.map(_real) if complex_cells else table
    values = numbers(real, columns, path, missing=True)
    # MATLAB writes NaN into columns that it did not use; those below have to be numbers.
    needed = [*columns[3:9], columns[_TOMOGRAM], *columns[23:26]]
    numbers(real, needed, path)
    names, numbered = numbered_tomograms(values[:, _TOMOGRAM], path)
    score = values[:, _CC]
    scored = bool(np.nan_to_num(score).any())
    size = values[:, _VOXEL_SIZE] if width > _VOXEL_SIZE else np.zeros(len(values))
    stated = np.array([value if believable(value) else np.nan for value in size.tolist()])
    return Picks(
        path=path,
        dialect="dynamo",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "Dynamo counts voxels of the tomogram cropped from",
        xyz=values[:, _PLACE],
        table=table,
        tomogram=names,
        numbered=numbered,
        origin_xyz=-values[:, _SHIFT],
        origin_pixel_size=np.full(len(values), np.nan),
        rotation=Rotation.from_euler("zxz", values[:, _ANGLES], degrees=True).inv(),
        score=score if scored else None,
        score_name="column10" if scored else "",
        stated_voxel=stated if np.isfinite(stated).any() else None,
        remarks=(
            (f"{complex_cells} of its numbers are complex; their real parts are read",)
            if complex_cells
            else ()
        ),
    )


def _rewrite(particles: ParticleSet, path: Path) -> None:
    """The table as it came, but for the class that it may have been given."""
    table = particles.table[[c for c in particles.table if str(c).startswith("column")]].copy()
    if "rlnClassNumber" in particles.table:
        table[f"column{_CLASS + 1}"] = particles.table["rlnClassNumber"]
    rows = table.to_numpy().tolist()
    with replacing(path) as file:
        file.writelines(" ".join(row) + "\n" for row in rows)
    _map_beside(particles, path)


def _map_beside(particles: ParticleSet, path: Path) -> None:
    """Write the map again where the numbers of the table had become names."""
    numbered = particles.table["column20"].astype(float).astype(int).astype(str).tolist()
    pairs = dict(zip(particles.tomogram.tolist(), numbered, strict=True))
    if any(name != number for name, number in pairs.items()):
        write_map(path, {name: int(number) for name, number in pairs.items()})


def _write(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    """Voxels, with the map of tomogram numbers beside it in ``<file>.doc``."""
    n = len(particles)
    values = np.zeros((n, _WRITTEN + 1))
    numbers_of = number_names(particles.tomogram.tolist())
    size = np.array([tomograms[name].voxel_size for name in particles.tomogram.tolist()])
    values[:, _TAG] = np.arange(1, n + 1)
    values[:, 1:3] = 1
    values[:, _PLACE] = reverse_axes(particles.position) / size[:, None]
    if particles.rotation is not None and n:
        values[:, _ANGLES] = quiet_euler(particles.rotation.inv(), "zxz")
    if particles.score is not None:
        values[:, _CC] = np.nan_to_num(particles.score)
    values[:, 12] = 1  # ftype: single tilt
    values[:, _TOMOGRAM] = [numbers_of[name] for name in particles.tomogram.tolist()]
    values[:, _CLASS] = class_numbers(particles)
    values[:, _VOXEL_SIZE] = size
    for name in numbers_of:
        rows = particles.tomogram == name
        values[rows, 13], values[rows, 14] = tomograms[name].tilt_range
    with replacing(path) as file:
        file.writelines(" ".join(f"{v:.10g}" for v in row) + "\n" for row in values.tolist())
    write_map(path, numbers_of)


formats.register("dynamo")(
    Format(
        "dynamo",
        _recognise,
        _read,
        _write,
        _rewrite,
        placing=frozenset(f"column{i}" for i in (4, 5, 6, 7, 8, 9, 20, 24, 25, 26)),
        carries=frozenset({"score", "class"}),
        suffix=".tbl",
        layout="{tomogram}.tbl",
        own=frozenset({*(f"column{i}" for i in range(1, 61)), "rlnClassNumber"}),
    )
)
