"""CryoET Data Portal annotations (ndjson): voxels of the annotated tomogram, one point a line.

Types ``point``, ``orientedPoint`` and ``instancePoint``; ``xyz_rotation_matrix`` turns the
reference into the particle (copick ``cryoet_data_portal.py`` reads both the same way).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Format, Picks, formats, numbers, rotations
from cryoal.io.content import Content
from cryoal.io.files import replacing


def _recognise(content: Content) -> int:
    first = next(iter(content.start.splitlines()), b"")
    return 2 if first[:1] == b"{" and b'"location"' in first and b'"type"' in first else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    points: list[dict[str, Any]] = []
    for n, line in enumerate(content.text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            point = json.loads(line)
            point = {**point, **{axis: str(point["location"][axis]) for axis in "xyz"}}
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            raise CryoalError(f"{path}, line {n}: not a portal annotation ({problem!r})") from None
        points.append(point)
    kept = ["type", "x", "y", "z", "instance_id"]
    table = pd.DataFrame(
        {name: [str(point.get(name, "")) for point in points] for name in kept}, dtype=str
    )
    matrices = [p.get("xyz_rotation_matrix", p.get("rotation_matrix")) for p in points]
    return Picks(
        path=path,
        dialect="portal",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "the portal writes voxels",
        xyz=numbers(table, ["x", "y", "z"], path),
        table=table,
        rotation=rotations(matrices, path) if all(m is not None for m in matrices) else None,
    )


def _whole(text: str) -> int | None:
    """An instance's number; None for none."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _write(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    xyz = reverse_axes(particles.position) / tomograms[str(particles.tomogram[0])].voxel_size
    turned = particles.rotation
    matrices = None if turned is None else np.atleast_3d(turned.as_matrix()).reshape(-1, 3, 3)
    instances = None
    if "instance_id" in particles.table:
        instances = [_whole(text) for text in particles.table["instance_id"].tolist()]
    with replacing(path) as file:
        for i, (x, y, z) in enumerate(xyz.tolist()):
            point: dict[str, Any] = {"type": "point", "location": {"x": x, "y": y, "z": z}}
            if instances is not None and instances[i]:
                point["type"], point["instance_id"] = "instancePoint", instances[i]
            if matrices is not None:
                point["type"] = "orientedPoint"
                point["xyz_rotation_matrix"] = matrices[i].tolist()
            file.write(json.dumps(point) + "\n")


formats.register("portal")(
    Format(
        "portal",
        _recognise,
        _read,
        _write,
        placing=frozenset({"x", "y", "z"}),
        suffix=".ndjson",
        one_tomogram=True,
        layout="{tomogram}.ndjson",
        carries=frozenset({"type", "instance_id"}),
    )
)
