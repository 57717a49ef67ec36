"""The project's own copy of what it was given: ``particles.star`` and ``tomograms.star``."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.geometry import relion_angles, relion_rotation, reverse_axes
from cryoal.core.particles import ParticleSet, concatenate
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import formats
from cryoal.io.columns import LARGEST_VOXEL, SMALLEST_VOXEL, Columns, tiltings_of
from cryoal.io.star import read_star, simple, write_star
from cryoal.io.volumes import mean_of_halves, open_volume

#: Columns that cryoal adds to ``particles.star``; positions in Angstrom, 0 at the first voxel.
OWN = ("cryoalId", "cryoalTomogram", "cryoalSource", "cryoalScore")
POSITION = ("cryoalX", "cryoalY", "cryoalZ")
ANGLES = ("cryoalRot", "cryoalTilt", "cryoalPsi")
FACTS = "cryoal"

#: Voxels along the longest edge of any volume.
LARGEST = 10**6

#: Columns of ``tomograms.star`` that say where the volumes of a tomogram are.
VOLUME = ("cryoalVolume1", "cryoalVolume2")
DISPLAY = ("cryoalDisplayTomogram",)


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
    """Read ``particles.star`` of a project.

    Raises
    ------
    CryoalError
        It is damaged: names the block, the row, and what was expected there.
    """
    blocks = dict(read_star(path))
    remedy = "move it away and run cryoal extract again with --tomograms and --particles"
    facts = Columns.of_block(blocks, FACTS, path, remedy)
    rows = Columns.of_block(blocks, "particles", path, remedy)
    del blocks[FACTS], blocks["particles"]
    facts.first_row()
    (score_name,), (dialect,) = facts.text("cryoalScoreName"), facts.text("cryoalDialect")
    if dialect and dialect not in formats.names():
        raise facts.refused(f"cryoalDialect is {dialect[:40]!r}, which is none")
    score = rows.numbers("cryoalScore", -np.inf, np.inf, missing=True)
    xyz = np.stack([rows.numbers(name) for name in POSITION], axis=1)
    own = [name for name in (*OWN, *POSITION, *ANGLES) if name in rows.table]
    turned = ANGLES[0] in rows.table and len(rows)
    return ParticleSet(
        id=np.array(rows.names("cryoalId"), dtype=str),
        tomogram=np.array(rows.text("cryoalTomogram"), dtype=str),
        position=reverse_axes(xyz),
        rotation=relion_rotation(np.stack([rows.numbers(name) for name in ANGLES], axis=1))
        if turned
        else None,
        score=None if np.isnan(score).all() else score,
        score_name="" if score_name == "none" else score_name,
        source=np.array(rows.text("cryoalSource"), dtype=str),
        table=rows.table.drop(columns=own),
        blocks=blocks,
        dialect=dialect,
    )


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
                **_files(VOLUME, tomogram.load),
                **_files(DISPLAY, tomogram.load_display),
                **_display_size(tomogram),
                "cryoalVoxelSize": repr(tomogram.voxel_size),
                "cryoalSizeX": str(x),
                "cryoalSizeY": str(y),
                "cryoalSizeZ": str(z),
                **tomogram.tilting.columns(),
            }
        )
    write_star(path, {"global": pd.DataFrame(rows, dtype=str).fillna("")})


def read_tomograms(path: Path, unpack_into: Path | None = None) -> dict[str, Tomogram]:
    """Read ``tomograms.star`` of a project; volumes are opened only when they are needed.

    Parameters
    ----------
    unpack_into : folder, optional
        Where compressed volumes are unpacked once, as in ``volumes.open_volume``.

    Raises
    ------
    CryoalError
        It is damaged: names the row, and what was expected there.
    """
    if not path.exists():
        return {}
    remedy = "move it away and run cryoal extract again with --tomograms"
    rows = Columns.of_block(read_star(path), "global", path, remedy)
    sizes = [rows.whole(f"cryoalSize{axis}", 1, LARGEST) for axis in "ZYX"]
    voxel_sizes = rows.numbers("cryoalVoxelSize", SMALLEST_VOXEL, LARGEST_VOXEL)
    tilted = tiltings_of(rows)
    tomograms = {}
    for at, name in enumerate(rows.names("rlnTomoName")):
        values = rows.table.iloc[at].to_dict()
        row = {str(name): str(value) for name, value in values.items()}
        own = {name: row.pop(name) for name in list(row) if name.startswith("cryoal")}
        tomograms[name] = Tomogram(
            name=name,
            shape=(int(sizes[0][at]), int(sizes[1][at]), int(sizes[2][at])),
            voxel_size=float(voxel_sizes[at]),
            load=_loader(VOLUME, own, unpack_into, path.parent),
            tilt_range=tilted[at].tilt_range,
            tilt_axis=tilted[at].tilt_axis,
            beam_axis=tilted[at].beam_axis,
            load_display=_loader(DISPLAY, own, unpack_into, path.parent),
            display_path=own.get(DISPLAY[0], ""),
            **_shown(own, rows),
            path=own.get("cryoalVolume1", ""),
            columns=row,
        )
    return tomograms


def _files(columns: tuple[str, ...], load: Callable[[], NDArray[Any]] | None) -> dict[str, str]:
    """Columns that name the files of a volume: one, or its two halves."""
    if not isinstance(load, functools.partial):
        return {}
    return {column: str(path) for column, path in zip(columns, load.args, strict=False)}


def _shown(columns: Mapping[str, str], rows: Columns) -> dict[str, Any]:
    """Voxel size and shape of the volume for looking at, as arguments of ``Tomogram``."""
    if not columns.get("cryoalDisplayVoxelSize"):
        return {}
    one = replace(rows, table=pd.DataFrame([columns], dtype=str))
    size = one.numbers("cryoalDisplayVoxelSize", SMALLEST_VOXEL, LARGEST_VOXEL)[0]
    shape = (int(one.whole(f"cryoalDisplaySize{axis}", 1, LARGEST)[0]) for axis in "ZYX")
    return {"display_voxel_size": float(size), "display_shape": tuple(shape)}


def _display_size(tomogram: Tomogram) -> dict[str, str]:
    if tomogram.load_display is None:
        return {}
    shown = tomogram.shown
    z, y, x = shown.shape
    return {
        "cryoalDisplayVoxelSize": repr(shown.voxel_size),
        "cryoalDisplaySizeX": str(x),
        "cryoalDisplaySizeY": str(y),
        "cryoalDisplaySizeZ": str(z),
    }


def _loader(
    kind: tuple[str, ...], columns: Mapping[str, str], unpack_into: Path | None, project: Path
) -> Callable[[], NDArray[Any]] | None:
    places = [columns[name] for name in kind if columns.get(name)]
    if not places:
        return None
    load = open_volume if len(places) == 1 else mean_of_halves
    option = "--tomograms" if kind == VOLUME else "--display-tomograms"
    options = {"if_gone": f"if it has moved, say where: cryoal extract {project} {option} NEW"}
    if unpack_into is not None:
        options["unpack_into"] = str(unpack_into)
    return functools.partial(load, *places, **options)
