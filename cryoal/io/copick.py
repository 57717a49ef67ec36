"""copick picks (JSON): Angstrom from the corner, one run and one object a file.

Fields: copick ``models.py`` (CopickPicksFile, CopickPoint). ``transformation_`` turns the reference
into the particle; its last column is a shift in Angstrom that is added to the location (copick
``util/formats.py``: "shifts encoded in the matrix translation"). Where it repeats the location of
every point, as MTFit writes it, it is no shift.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Format, Picks, formats, numbers, rotations, scores_of
from cryoal.io.classes import class_names
from cryoal.io.content import Content
from cryoal.io.files import replacing

#: Who made the picks, as copick has it in the names of files.
USER, SESSION = "cryoal", "0"
#: Bytes of an object's name, which is part of a file's.
LONGEST = 120


def object_name(name: str) -> str:
    """Name of a pickable object: what copick's file names cannot hold becomes "-".

    Source: copick ``util/escape.py``; "_" separates user, session and object there.

    Examples
    --------
    >>> object_name("80 S_mature")
    '80-S-mature'
    """
    safe = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f\s_]', "-", name).strip("-")
    if not safe:
        raise CryoalError(f"{name!r} cannot be made into a name of a copick object; rename it")
    return safe.encode()[:LONGEST].decode(errors="ignore")


def _recognise(content: Content) -> int:
    """Keys may stand in any order, so behind thousands of points too."""
    mark, points = b'"pickable_object_name"', b'"points"'
    if content.start[:1] != b"{" or not (mark in content.head or points in content.head):
        return 0
    return 3 if content.has(mark) else 0


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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise CryoalError(f"{path}: not copick picks as copick writes them ({problem!r})") from None
    if not points:
        raise CryoalError(f"{path}: no points in these copick picks")
    xyz = numbers(table, ["x", "y", "z"], path)
    run = picks.get("run_name") or _run_of(path)
    turned = all(m is not None for m in matrices)
    known = picks.get("trust_orientation", True) and turned
    shift, remarks = _shifts(matrices, xyz, path) if turned else (None, ())
    stated = _positive(picks.get("voxel_spacing"))
    score, score_name = scores_of(table, path)
    return Picks(
        path=path,
        dialect="copick",
        unit=unit or "angstrom",
        evidence="given by --unit" if unit else "copick writes Angstrom",
        xyz=xyz,
        table=table,
        tomogram=np.full(len(points), str(run)) if run else None,
        origin_xyz=None if shift is None else -shift,
        origin_pixel_size=np.ones(len(points)),
        stated_voxel=None if stated is None else np.full(len(points), stated),
        remarks=remarks,
        rotation=rotations(matrices, path) if known else None,
        score=score,
        score_name=score_name,
    )


def _run_of(path: Path) -> str:
    """Run that a copick folder names: ``ExperimentRuns/<run>/Picks/<file>``; else nothing."""
    parts = path.absolute().parts
    inside = len(parts) > 3 and parts[-4] == "ExperimentRuns" and parts[-2] == "Picks"
    return parts[-3] if inside else ""


def _shifts(
    matrices: list[Any], xyz: NDArray[np.float64], path: Path
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Shifts in Angstrom, (N, 3), and what was odd about them; None where there are none."""
    try:
        shift = np.array([np.asarray(m, dtype=np.float64)[:3, 3] for m in matrices])
    except (ValueError, TypeError, IndexError) as problem:
        raise CryoalError(f"{path}: a transformation_ is no 4 x 4 matrix ({problem})") from None
    if not np.isfinite(shift).all():
        raise CryoalError(f"{path}: a transformation_ holds a shift that is no number")
    if not shift.any():
        return None, ()
    if np.allclose(shift, xyz, atol=1e-3):
        return None, ("its transformations repeat the locations as shifts, which are not added",)
    return shift, ()


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _instances(particles: ParticleSet) -> list[int]:
    """Instance number of every particle: its own, else its place in the list."""
    if "instance_id" in particles.table:
        stated = pd.to_numeric(particles.table["instance_id"], errors="coerce")
        if stated.notna().all() and (stated % 1 == 0).all():
            return [int(number) for number in stated]
    return list(range(len(particles)))


def _write(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    run = str(particles.tomogram[0])
    kinds = class_names(particles)
    found = [] if kinds is None else np.unique(kinds).tolist()
    if len(found) > 1:
        raise CryoalError(
            f"{path}: copick keeps one object a file and these particles are of {len(found)} "
            f"classes ({', '.join(found[:5])}); name a folder, or a file with {{class}} in its name"
        )
    kind = object_name(found[0]) if found and found[0] else "particle"
    turned = particles.rotation or Rotation.identity(len(particles))
    matrices = np.tile(np.eye(4), (len(particles), 1, 1))
    matrices[:, :3, :3] = turned.as_matrix().reshape(-1, 3, 3)
    points = []
    instances = _instances(particles)
    for i, (x, y, z) in enumerate(reverse_axes(particles.position).tolist()):
        point = {"location": {"x": x, "y": y, "z": z}, "transformation_": matrices[i].tolist(),
                 "instance_id": instances[i]}  # fmt: skip
        if particles.score is not None and np.isfinite(particles.score[i]):
            point["score"] = float(particles.score[i])
        points.append(point)
    picks = {
        "pickable_object_name": kind,
        "user_id": USER,
        "session_id": SESSION,
        "run_name": run,
        "voxel_spacing": tomograms[run].voxel_size,
        "unit": "angstrom",
        "points": points,
        "trust_orientation": particles.rotation is not None,
    }
    with replacing(path) as file:
        json.dump(picks, file, indent=1)


formats.register("copick")(
    Format(
        "copick",
        _recognise,
        _read,
        _write,
        placing=frozenset({"x", "y", "z"}),
        suffix=".json",
        one_tomogram=True,
        layout=f"ExperimentRuns/{{tomogram}}/Picks/{USER}_{SESSION}_{{class}}.json",
        class_in_name=object_name,
        carries=frozenset({"score", "pickable_object_name", "instance_id"}),
    )
)
