"""TOM, AV3 and Artiatomi motive lists (.em): 20 numbers a particle, voxels counted from 1.

Rows, counted from 1: 1 score; 4 number; 5 tomogram number; 8-10 x y z; 11-13 shifts, added; 17-19
phi, psi, theta; 20 class. The angles phi, theta, psi are those of an extrinsic zxz rotation that
turns the reference into the particle (cryoCAT ``Motl.apply_rotation``), and 1 is taken off the
coordinates before cropping (cryoCAT; copick ``read_em_motivelist``). An EM header states no voxel
size (``em_header``).
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import quiet_euler, reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Format, Picks, formats, numbers
from cryoal.io.classes import class_numbers
from cryoal.io.content import Content
from cryoal.io.em_header import DTYPES, HEADER_BYTES, EmHeader, readings
from cryoal.io.files import replacing
from cryoal.io.numbering import number_names, numbered_tomograms, write_map

_TYPES = (5, 9)  # 32- and 64-bit floats
_COLUMNS = ("score", "row2", "row3", "subtomo_id", "tomo_id", "object_id", "row7", "x", "y", "z",
            "shift_x", "shift_y", "shift_z", "row14", "row15", "row16", "phi", "psi", "theta",
            "class")  # fmt: skip
_ANGLES = [16, 18, 17]  # phi, theta, psi


def _layout(head: bytes) -> EmHeader | None:
    """The reading of a header that makes a motive list of it, by its sizes.

    A list that lost or gained a row is still one, and refused as such.
    """
    return next(
        (
            found
            for found in readings(head)
            if abs(found.sizes[0] - len(_COLUMNS)) <= 1
            and min(found.sizes[1:]) <= 1
            and found.kind in _TYPES
        ),
        None,
    )


def _recognise(content: Content) -> int:
    return 2 if len(content.head) >= HEADER_BYTES and _layout(content.head) is not None else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    raw = path.read_bytes()
    layout = _layout(raw[:HEADER_BYTES])
    if layout is None:
        raise CryoalError(f"{path}: not a motive list of 32- or 64-bit numbers")
    rows, count = layout.sizes[0], layout.sizes[1] * max(layout.sizes[2], 1)
    dtype = np.dtype(layout.order + DTYPES[layout.kind])
    if rows != len(_COLUMNS):
        raise CryoalError(f"{path}: {rows} rows in this motive list, 20 were expected")
    if min(layout.sizes) < 0 or len(raw) < HEADER_BYTES + math.prod((20, count, dtype.itemsize)):
        raise CryoalError(f"{path}: shorter than its header says ({count} particles); cut off?")
    if count < 1:
        raise CryoalError(f"{path}: this motive list holds no particles")
    values = np.frombuffer(raw, dtype, count=20 * count, offset=HEADER_BYTES).reshape(count, 20)
    table = pd.DataFrame(
        {name: [f"{v:.9g}" for v in values[:, i].tolist()] for i, name in enumerate(_COLUMNS)},
        dtype=str,
    )
    with np.errstate(invalid="ignore"):  # a damaged file can hold signalling NaN
        known = values.astype(np.float64)
    numbers(table, [_COLUMNS[i] for i in (4, *range(7, 13), 16, 17, 18)], path)
    scored = bool(np.nan_to_num(known[:, 0]).any())
    names, numbered = numbered_tomograms(known[:, 4], path)
    return Picks(
        path=path,
        dialect="em",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "motive lists count voxels, from 1",
        xyz=known[:, 7:10] - 1,
        table=table,
        tomogram=names,
        numbered=numbered,
        origin_xyz=-known[:, 10:13],
        origin_pixel_size=np.full(count, np.nan),
        rotation=Rotation.from_euler("zxz", known[:, _ANGLES], degrees=True),
        score=known[:, 0] if scored else None,
        score_name="score" if scored else "",
    )


def _write(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    """Whole voxels and shifts, with the map of tomogram numbers beside it in ``<file>.doc``.

    A 32-bit float near 4,000 is exact to 2e-4 voxels; whole numbers with the rest as a shift are
    exact to 1e-7.
    """
    n = len(particles)
    values = np.zeros((n, len(_COLUMNS)))
    numbers_of = number_names(particles.tomogram.tolist())
    size = np.array([tomograms[name].voxel_size for name in particles.tomogram.tolist()])
    xyz = reverse_axes(particles.position) / size[:, None]
    whole = np.rint(xyz)
    values[:, 3] = np.arange(1, n + 1)
    values[:, 4] = [numbers_of[name] for name in particles.tomogram.tolist()]
    values[:, 7:10], values[:, 10:13] = whole + 1, xyz - whole
    if particles.score is not None:
        values[:, 0] = np.nan_to_num(particles.score)
    if particles.rotation is not None and n:
        values[:, _ANGLES] = quiet_euler(particles.rotation, "zxz")
    values[:, 19] = class_numbers(particles)
    write_motl(path, values)
    write_map(path, numbers_of)


def write_motl(path: Path, values: np.ndarray) -> None:
    """Write a motive list: (N, 20) numbers, as 32-bit floats."""
    header = bytearray(HEADER_BYTES)
    header[0], header[3] = 6, 5
    header[4:16] = np.array([len(_COLUMNS), len(values), 1], "<i4").tobytes()
    with replacing(path, "wb") as file:
        file.write(bytes(header))
        with np.errstate(over="ignore", invalid="ignore"):  # in columns that nothing is said of
            file.write(values.astype("<f4").tobytes())


def _rewrite(particles: ParticleSet, path: Path) -> None:
    """The list as it came, but for the class that it may have been given."""
    values = numbers(particles.table, list(_COLUMNS), path, missing=True)
    if "rlnClassNumber" in particles.table:
        values[:, 19] = class_numbers(particles)
    write_motl(path, values)
    numbered = [str(int(number)) for number in values[:, 4]]
    pairs = dict(zip(particles.tomogram.tolist(), numbered, strict=True))
    if any(name != number for name, number in pairs.items()):
        write_map(path, {name: int(number) for name, number in pairs.items()})


formats.register("em")(
    Format(
        "em",
        _recognise,
        _read,
        _write,
        _rewrite,
        placing=frozenset({"tomo_id", *_COLUMNS[7:13], *_COLUMNS[16:19]}),
        carries=frozenset({"score", "class"}),
        suffix=".em",
        layout="{tomogram}.em",
        own=frozenset({*_COLUMNS, "rlnClassNumber"}),
    )
)
