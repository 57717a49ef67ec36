"""The project's own copy of what it was given: ``particles.star`` and ``tomograms.star``."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_angles, relion_rotation, reverse_axes
from cryoal.core.particles import ParticleSet, concatenate
from cryoal.core.tomogram import Tomogram
from cryoal.io.mrc import open_volume
from cryoal.io.star import read_star, simple, write_star
from cryoal.io.tomograms import mean_of_halves

#: Columns that cryoal adds to ``particles.star``; positions in Angstrom, 0 at the first voxel.
OWN = ("cryoalId", "cryoalTomogram", "cryoalSource", "cryoalScore")
POSITION = ("cryoalX", "cryoalY", "cryoalZ")
ANGLES = ("cryoalRot", "cryoalTilt", "cryoalPsi")
FACTS = "cryoal"


def write_particles(path: Path, particles: ParticleSet) -> None:
    """Write every incoming column and block, and where each particle is as cryoal reads it."""
    table = particles.table.copy()
    if not len(table):
        table = pd.DataFrame(index=range(len(particles)))
    table["cryoalId"] = particles.id
    table["cryoalTomogram"] = particles.tomogram
    table["cryoalSource"] = "" if particles.source is None else particles.source
    table["cryoalScore"] = (
        "nan" if particles.score is None else [f"{value:.6g}" for value in particles.score]
    )
    for name, values in zip(POSITION, reverse_axes(particles.position).T, strict=True):
        table[name] = [f"{value:.4f}" for value in values]
    if particles.rotation is not None:
        for name, values in zip(ANGLES, relion_angles(particles.rotation).T, strict=True):
            table[name] = [f"{value:.4f}" for value in values]
    facts = simple(cryoalDialect=particles.dialect, cryoalScoreName=particles.score_name or "none")
    blocks = {name: block for name, block in particles.blocks.items() if name != FACTS}
    write_star(path, {FACTS: facts, **blocks, "particles": table})


def read_particles(path: Path) -> ParticleSet:
    """Read ``particles.star`` of a project."""
    blocks = dict(read_star(path))
    try:
        table, facts = blocks.pop("particles"), blocks.pop(FACTS).iloc[0]
        xyz = table[list(POSITION)].to_numpy(dtype=float)
        score = table["cryoalScore"].to_numpy(dtype=float)
        own = [name for name in (*OWN, *POSITION, *ANGLES) if name in table]
        turned = ANGLES[0] in table and len(table)
        return ParticleSet(
            id=table["cryoalId"].to_numpy(dtype=str),
            tomogram=table["cryoalTomogram"].to_numpy(dtype=str),
            position=reverse_axes(xyz),
            rotation=relion_rotation(table[list(ANGLES)].to_numpy(float)) if turned else None,
            score=None if np.isnan(score).all() else score,
            score_name="" if facts["cryoalScoreName"] == "none" else facts["cryoalScoreName"],
            source=table["cryoalSource"].to_numpy(dtype=str),
            table=table.drop(columns=own),
            blocks=blocks,
            dialect=facts["cryoalDialect"],
        )
    except (KeyError, ValueError) as problem:
        raise CryoalError(
            f"{path}: not a particle file of a cryoal project ({problem}); run cryoal extract again"
        ) from problem


def merge(old: ParticleSet | None, new: ParticleSet) -> ParticleSet:
    """Add picks to those a project has; labels keep their particles.

    A list that is given again replaces its former self. An id that a *different* particle of
    another list already has gets its list's name in front.
    """
    if old is None:
        return new
    sources = set(np.unique(new.source)) if new.source is not None else set()
    kept = old if old.source is None else old[~np.isin(old.source, list(sources))]
    if not len(kept):
        return new
    taken = set(kept.id)
    ids = [
        f"{source}:{name}" if name in taken else name
        for name, source in zip(new.id, new.source if new.source is not None else "", strict=True)
    ]
    return concatenate([kept, replace(new, id=np.array(ids, dtype=str))])


def write_tomograms(path: Path, tomograms: dict[str, Tomogram]) -> None:
    """Write every tomogram with its incoming columns and what cryoal resolved."""
    rows = []
    for tomogram in tomograms.values():
        z, y, x = tomogram.shape
        rows.append(
            {
                **(tomogram.columns or {}),
                "rlnTomoName": tomogram.name,
                **_files("cryoalVolume", tomogram.load),
                **_files("cryoalDisplay", tomogram.load_display),
                "cryoalVoxelSize": repr(tomogram.voxel_size),
                "cryoalSizeX": str(x),
                "cryoalSizeY": str(y),
                "cryoalSizeZ": str(z),
                "cryoalTiltMin": f"{tomogram.tilt_range[0]:g}",
                "cryoalTiltMax": f"{tomogram.tilt_range[1]:g}",
                "cryoalTiltAxis": tomogram.tilt_axis,
            }
        )
    write_star(path, {"global": pd.DataFrame(rows, dtype=str).fillna("")})


def read_tomograms(path: Path) -> dict[str, Tomogram]:
    """Read ``tomograms.star`` of a project; volumes are opened only when they are needed."""
    if not path.exists():
        return {}
    table = read_star(path)["global"]
    tomograms = {}
    for values in table.to_dict("records"):
        row = {str(name): str(value) for name, value in values.items()}
        own = {name: row.pop(name) for name in list(row) if name.startswith("cryoal")}
        tomograms[row["rlnTomoName"]] = Tomogram(
            name=row["rlnTomoName"],
            shape=(
                int(own["cryoalSizeZ"]),
                int(own["cryoalSizeY"]),
                int(own["cryoalSizeX"]),
            ),
            voxel_size=float(own["cryoalVoxelSize"]),
            load=_loader("cryoalVolume", own),
            tilt_range=(float(own["cryoalTiltMin"]), float(own["cryoalTiltMax"])),
            tilt_axis=own["cryoalTiltAxis"],
            load_display=_loader("cryoalDisplay", own),
            path=own.get("cryoalVolume1", ""),
            columns=row,
        )
    return tomograms


def _files(kind: str, load: Callable[[], NDArray[Any]] | None) -> dict[str, str]:
    """Columns that name the files of a volume: one, or its two halves."""
    if not isinstance(load, functools.partial):
        return {}
    return {f"{kind}{number}": str(path) for number, path in enumerate(load.args, 1)}


def _loader(kind: str, columns: Mapping[str, str]) -> Callable[[], NDArray[Any]] | None:
    paths = [Path(columns[name]) for name in (f"{kind}1", f"{kind}2") if columns.get(name)]
    if not paths:
        return None
    return functools.partial(open_volume if len(paths) == 1 else mean_of_halves, *paths)
