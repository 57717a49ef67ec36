"""What a file is, as far as it can be told without reading its volume."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Content, Format, Picks, formats, recognised
from cryoal.io.mrc import read_header
from cryoal.io.names import file_stem, match_names, pixel_size_in_name
from cryoal.io.particles import read_all
from cryoal.io.paths import is_star, resolve
from cryoal.io.placing import share_inside
from cryoal.io.tomograms import TILT_COLUMNS, read_tomograms, tomogram_rows
from cryoal.io.voxel_size import resolve_voxel_size

KINDS = ("particles", "tomogram", "tomogram_set", "optimisation_set", "tilt_series", "stack",
         "project", "unknown")  # fmt: skip
VOLUMES = (".mrc", ".rec", ".map", ".mrcs", ".st", ".ali", ".preali")


def inspect(
    path: str | Path,
    tomograms: Mapping[str, Tomogram] | None = None,
    *,
    unit: str | None = None,
    relion_centre: str = "half",
) -> dict[str, Any]:
    """Say what a file is; a file that would be refused is described as far as it could be read.

    Parameters
    ----------
    path : str or Path
    tomograms : mapping of name to Tomogram, optional
        With them, particles are placed and counted inside and outside.
    unit, relion_centre
        As in ``read_particles``.

    Returns
    -------
    dict
        Always ``file``, ``kind`` (one of ``KINDS``), ``dialect``, ``unit``, ``n_particles``,
        ``tomograms`` (names), ``voxel_size`` (Angstrom) and ``problems`` (sentences), each None
        or empty where it does not apply; ``refused`` is the sentence that an error would say, or
        None. Particles add ``evidence``, ``ranges`` (as written, xyz), ``score``, ``duplicates``
        and, with tomograms, ``inside`` (share) and ``unmatched`` (name to count).
    """
    path = Path(path)
    facts: dict[str, Any] = {
        "file": str(path),
        "kind": "unknown",
        "dialect": None,
        "unit": None,
        "n_particles": None,
        "tomograms": [],
        "voxel_size": None,
        "problems": [],
        "refused": None,
    }
    try:
        _look(path, facts, tomograms, unit, relion_centre)
    except CryoalError as problem:
        facts["refused"] = str(problem)
        facts["problems"].append(str(problem))
    except OSError as problem:
        facts["refused"] = f"{path}: cannot be read ({problem.strerror})"
        facts["problems"].append(facts["refused"])
    return facts


def _look(
    path: Path,
    facts: dict[str, Any],
    tomograms: Mapping[str, Tomogram] | None,
    unit: str | None,
    relion_centre: str,
) -> None:
    if not path.exists():
        raise CryoalError(f"{path}: no such file; the current folder is {Path.cwd()}")
    if path.is_dir():
        if not (path / "cryoal.toml").exists():
            raise CryoalError(f"{path}: a folder without cryoal.toml, so no project")
        facts["kind"] = "project"
        return
    content = Content(path)
    if path.suffix.lower() in VOLUMES and not is_star(path):
        _look_at_volume(path, facts)
        return
    if content.blocks and _look_at_other_star(content, facts):
        return
    try:
        form = recognised(content)
    except CryoalError:
        if b"\0" not in content.head:
            raise
        _look_at_volume(path, facts)  # an MRC file by another name, or an error that says so
        return
    facts["kind"] = "particles"
    facts["dialect"] = form.name
    _look_at_particles(form, content, facts, tomograms, unit, relion_centre)


def _look_at_volume(path: Path, facts: dict[str, Any]) -> None:
    header = read_header(path)
    facts["shape"] = list(header.shape)
    facts["dtype"] = header.dtype.name
    facts["problems"] += header.remarks
    name = path.suffix.lower()
    if name in (".st", ".ali", ".preali"):
        facts["kind"] = "tilt_series"
    elif header.volumes > 1 or name == ".mrcs":
        facts["kind"] = "stack"
        facts["n_particles"] = header.volumes if header.volumes > 1 else header.shape[0]
    elif header.shape[0] == 1:
        raise CryoalError(f"{path}: a single image (Z is 1); a tomogram is a volume")
    else:
        facts["kind"] = "tomogram"
        facts["tomograms"] = [file_stem(str(path))]
    if not header.cubic:
        facts["problems"].append("its voxels are not cubes by the header")
    claims = {"its name": pixel_size_in_name(str(path))}
    facts["voxel_size"] = resolve_voxel_size(claims, header.voxel_size, str(path), None)


def _look_at_other_star(content: Content, facts: dict[str, Any]) -> bool:
    """Describe a STAR file that lists no particles; False if it may."""
    for block in content.blocks.values():
        named = [c for c in ("rlnTomoParticlesFile", "rlnTomoTomogramsFile") if c in block]
        if named:
            facts["kind"] = "optimisation_set"
            for column in named:
                file = str(block[column].iloc[0]) if len(block) else ""
                facts[column] = file
                if resolve(file, content.path) is None:
                    facts["problems"].append(f"{column} names {file}, which is not there")
            return True
        if any(c in block for c in TILT_COLUMNS) and "rlnTomoName" not in block:
            facts["kind"] = "tilt_series"
            angles = pd.to_numeric(block[next(c for c in TILT_COLUMNS if c in block)])
            facts["tilt_range"] = [float(angles.min()), float(angles.max())]
            return True
    try:
        rows = tomogram_rows(content.blocks, content.path)
    except CryoalError:
        return False
    facts["kind"] = "tomogram_set"
    facts["tomograms"] = [row["rlnTomoName"] for row in rows]
    try:
        found = read_tomograms([content.path])
    except CryoalError as problem:
        facts["problems"].append(str(problem))
        found = read_tomograms([content.path], need_volumes=False)
    sizes = {name: tomogram.voxel_size for name, tomogram in found.items()}
    one = len(set(sizes.values())) == 1
    facts["voxel_size"] = next(iter(sizes.values())) if one else None
    if not one:
        facts["voxel_sizes"] = sizes
    return True


def _look_at_particles(
    form: Format,
    content: Content,
    facts: dict[str, Any],
    tomograms: Mapping[str, Tomogram] | None,
    unit: str | None,
    relion_centre: str,
) -> None:
    picks = form.read(content, unit)
    facts["unit"] = picks.unit
    facts["evidence"] = picks.evidence
    facts["n_particles"] = len(picks)
    names = picks.tomogram
    facts["tomograms"] = [] if names is None else np.unique(names).tolist()
    facts["ranges"] = {
        axis: [float(picks.xyz[:, i].min()), float(picks.xyz[:, i].max())]
        for i, axis in enumerate("xyz")
    }
    facts["score"] = picks.score_name or None
    facts["duplicates"] = _duplicates(picks)
    if facts["duplicates"]:
        facts["problems"].append(f"{facts['duplicates']} particles repeat the position of another")
    if names is None:
        facts["problems"].append("it names no tomograms")
    if picks.pixel_size is not None and picks.unit in ("unbinned_pixel", "output_pixel"):
        stated = picks.pixel_size[np.isfinite(picks.pixel_size)]
        if len(stated):
            facts["pixel_size"] = float(stated[0])
    if tomograms is not None:
        _place(content, picks, facts, tomograms, unit, relion_centre)


def _duplicates(picks: Picks) -> int:
    """Rows whose tomogram and coordinates (with their origins) stand in an earlier row."""
    origin = 0.0 if picks.origin_xyz is None else picks.origin_xyz
    rows = pd.DataFrame(np.hstack([picks.xyz, picks.xyz * 0 + origin]))
    rows["tomogram"] = "" if picks.tomogram is None else picks.tomogram
    return int(rows.duplicated().sum())


def _place(
    content: Content,
    picks: Picks,
    facts: dict[str, Any],
    tomograms: Mapping[str, Tomogram],
    unit: str | None,
    relion_centre: str,
) -> None:
    """Add what only the tomograms can tell; raises as reading these particles would."""
    if picks.tomogram is not None:
        match = match_names(picks.tomogram.tolist(), tomograms)
        facts["unmatched"] = {n: int((picks.tomogram == n).sum()) for n in match.missing}
        if match.missing:
            facts["problems"].append(match.complaint())
    options: dict[str, Any] = {"unit": unit, "relion_centre": relion_centre}
    particles = read_all([content.path], tomograms, check_inside=False, **options).particles
    facts["inside"] = share_inside(particles.position, particles.tomogram, tomograms)
    sizes = {tomograms[name].voxel_size for name in np.unique(particles.tomogram).tolist()}
    facts["voxel_size"] = sizes.pop() if len(sizes) == 1 else None
    if facts["inside"] < 1:
        facts["problems"].append(f"{1 - facts['inside']:.1%} of its positions lie outside")
    if facts["inside"] <= 0.5:
        read_all([content.path], tomograms, **options)


def dialects() -> list[str]:
    """Every dialect that is read, sorted."""
    return formats.names()
