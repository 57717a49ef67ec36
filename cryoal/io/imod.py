"""IMOD models (.mod): every point of every object is a particle.

The centre of voxel (0, 0, 0) has model coordinates (0.5, 0.5, 0), so half a voxel is taken off x
and y. Chunks are those of IMOD's ``imodmodel`` specification: header, OBJT, CONT with its points
as big-endian floats, and others that are passed over
(https://bio3d.colorado.edu/imod/doc/binspec.html). Slicer angles, which 3dmod's users keep one to
a point, are kept in the table, not applied: they turn a view, not a reference.
"""

import struct

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.base import Format, NotParticlesError, Picks, formats
from cryoal.io.content import Content

_ID = b"IMODV1."
_HEADER, _OBJECT, _POINT = 240, 176, 12
_PLACE = ["x", "y", "z"]
#: Where xmax, ymax, zmax, the number of objects and the flags stand; the flag of a model that was
#: written while Y and Z were exchanged (``IMODF_FLIPYZ``, IMOD ``imodel.h``).
_LIMITS, _FLIPPED = 136, 1 << 16


def _recognise(content: Content) -> int:
    if content.head.startswith(_ID):
        return 3
    first = content.head.split(b"\n", 1)[0].lower()
    return 2 if first.startswith(b"imod ") or (b"pindex" in first and b"xoffset" in first) else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    if not content.head.startswith(_ID):
        peet = b"xoffset" in content.head.lower()
        raise NotParticlesError(
            f"{path}: a PEET motive list, which has shifts and angles but no positions; give the "
            ".mod beside it"
            if peet
            else f"{path}: an IMOD model in text; save it in 3dmod as binary, or write its points "
            "with 'model2point'"
        )
    raw = path.read_bytes()
    if len(raw) < _HEADER:
        raise CryoalError(f"{path}: shorter than the header of an IMOD model; cut off?")
    xyz, numbered = _points(content, raw)
    if not len(xyz):
        raise CryoalError(f"{path}: this IMOD model has no points")
    bad = np.flatnonzero(~np.isfinite(xyz).all(axis=1))
    if len(bad):
        raise CryoalError(f"{path}, point {bad[0] + 1}: not a number")
    *limits, _, flags = struct.unpack_from(">4iI", raw, _LIMITS)
    if flags & _FLIPPED:
        xyz = xyz[:, [0, 2, 1]]
    table = pd.DataFrame(
        {
            "object": [str(n) for n in numbered[:, 0]],
            "contour": [str(n) for n in numbered[:, 1]],
            **{axis: [f"{v:.9g}" for v in xyz[:, i]] for i, axis in enumerate(_PLACE)},
        },
        dtype=str,
    )
    remarks = []
    outside = int(((xyz < -0.5) | (xyz > np.array(limits) + 0.5)).any(axis=1).sum())
    if outside and all(side > 0 for side in limits):
        remarks.append(f"{outside} of its points lie outside the image it was drawn on, "
                       f"{limits[0]} x {limits[1]} x {limits[2]} voxels")  # fmt: skip
    return Picks(
        path=path,
        dialect="imod",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "IMOD counts voxels, their edges in x and y",
        xyz=xyz - np.array([0.5, 0.5, 0.0]),
        table=table,
        remarks=tuple(remarks),
    )


def _points(content: Content, raw: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (N, 3), xyz as written, and the object and contour of each, from 1: (N, 2)."""
    path = content.path
    points: list[NDArray[np.float64]] = []
    numbered: list[tuple[int, int, int]] = []
    at, objects, contours = _HEADER, 0, 0
    while at + 4 <= len(raw):
        name = raw[at : at + 4]
        if name == b"IEOF":
            break
        try:
            if name == b"OBJT":
                objects, contours, length = objects + 1, 0, _OBJECT
                start = at + 4
            elif name == b"CONT":
                contours += 1
                (count,) = struct.unpack_from(">i", raw, at + 4)
                start, length = at + 20, count * _POINT
            elif name == b"MESH":
                vertices, indices = struct.unpack_from(">ii", raw, at + 4)
                start, length = at + 20, vertices * _POINT + indices * 4
            else:
                (length,) = struct.unpack_from(">i", raw, at + 4)
                start = at + 8
        except struct.error:
            raise CryoalError(f"{path}, byte {at}: cut off within {name!r}") from None
        if length < 0 or start + length > len(raw):
            raise CryoalError(
                f"{path}, byte {at}: chunk {name.decode('latin-1')!r} claims {length} bytes, "
                f"{len(raw) - start} are left; cut off?"
            )
        if name == b"CONT" and count:
            block = np.frombuffer(raw, ">f4", count=3 * count, offset=start)
            points.append(block.reshape(count, 3).astype(np.float64))
            numbered.append((objects, contours, count))
        at = start + length
    if not points:
        return np.empty((0, 3)), np.empty((0, 2), dtype=np.int64)
    rows = [[[o, c]] * n for o, c, n in numbered]
    return np.vstack(points), np.array([row for part in rows for row in part], dtype=np.int64)


formats.register("imod")(Format("imod", _recognise, _read, placing=frozenset(_PLACE)))
