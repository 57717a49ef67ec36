"""copick picks (JSON): Angstrom from the corner, one run and one object a file.

Fields: copick ``models.py`` (CopickPicksFile, CopickPoint). ``transformation_`` turns the reference
into the particle; its last column repeats or shifts the location depending on the program that
wrote it, and is not applied.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Content, Format, Picks, formats, numbers, rotations, scores_of
from cryoal.io.files import replacing


def _recognise(content: Content) -> int:
    return (
        2 if content.head.lstrip()[:1] == b"{" and b'"pickable_object_name"' in content.head else 0
    )


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    try:
        picks: dict[str, Any] = json.loads(content.text)
        points: list[dict[str, Any]] = list(picks.get("points") or [])
        table = pd.DataFrame(
            {
                **{axis: [str(point["location"][axis]) for point in points] for axis in "xyz"},
                "instance_id": [str(point.get("instance_id", "")) for point in points],
                "score": [_text(point.get("score")) for point in points],
                "pickable_object_name": [str(picks["pickable_object_name"])] * len(points),
            },
            dtype=str,
        )
        matrices = [point.get("transformation_") for point in points]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CryoalError(f"{path}: not copick picks as copick writes them ({problem!r})") from None
    if not points:
        raise CryoalError(f"{path}: no points in these copick picks")
    xyz = numbers(table, ["x", "y", "z"], path)
    run = picks.get("run_name")
    known = picks.get("trust_orientation", True) and all(m is not None for m in matrices)
    score, score_name = scores_of(table, path)
    return Picks(
        path=path,
        dialect="copick",
        unit=unit or "angstrom",
        evidence="given by --unit" if unit else "copick writes Angstrom",
        xyz=xyz,
        table=table,
        tomogram=np.full(len(points), run) if run else None,
        rotation=rotations(matrices, path) if known else None,
        score=score,
        score_name=score_name,
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _write(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    names = sorted(set(particles.tomogram.tolist()))
    if len(names) != 1:
        raise CryoalError(
            f"{path}: copick keeps one run a file and these particles lie in {len(names)}"
        )
    turned = particles.rotation or Rotation.identity(len(particles))
    matrices = np.tile(np.eye(4), (len(particles), 1, 1))
    matrices[:, :3, :3] = turned.as_matrix().reshape(-1, 3, 3)
    points = []
    for i, (x, y, z) in enumerate(reverse_axes(particles.position).tolist()):
        point = {"location": {"x": x, "y": y, "z": z}, "transformation_": matrices[i].tolist(),
                 "instance_id": i}  # fmt: skip
        if particles.score is not None and np.isfinite(particles.score[i]):
            point["score"] = float(particles.score[i])
        points.append(point)
    kinds = particles.table.get("pickable_object_name")
    picks = {
        "pickable_object_name": "particle" if kinds is None else str(kinds.iloc[0]),
        "user_id": "cryoal",
        "session_id": "0",
        "run_name": names[0],
        "voxel_spacing": tomograms[names[0]].voxel_size,
        "unit": "angstrom",
        "points": points,
        "trust_orientation": particles.rotation is not None,
    }
    with replacing(path) as file:
        json.dump(picks, file, indent=1)


formats.register("copick")(Format("copick", _recognise, _read, _write))
