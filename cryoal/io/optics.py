"""Optics groups of a STAR file on the way from one dialect to another, and the sizes they state."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.relion_star import group_number, optics_rows
from cryoal.io.tomogram_star import number

UNBINNED = "rlnTomoTiltSeriesPixelSize"


def grouped(kept: pd.DataFrame, optics: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Say the group where it goes without saying: particles of a file with one optics row."""
    column = "rlnOpticsGroup"
    if len(optics) != 1 or (column in kept and column in optics):
        return kept, optics
    group = str(optics[column].iloc[0]) if column in optics else "1"
    return kept.assign(**{column: group}), optics.assign(**{column: group})


def six_decimals(values: NDArray[np.float64]) -> list[str]:
    """Numbers as STAR files have them."""
    return [f"{value:.6f}" for value in values]


def _per_tomogram(particles: ParticleSet, value: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([value[name] for name in particles.tomogram.tolist()], dtype=np.float64)


def voxel_sizes(particles: ParticleSet, tomograms: Mapping[str, Tomogram]) -> NDArray[np.float64]:
    """Voxel size of each particle's tomogram: (N,), Angstrom."""
    sizes = {name: tomograms[name].voxel_size for name in set(particles.tomogram.tolist())}
    return _per_tomogram(particles, sizes)


def unbinned_sizes(
    particles: ParticleSet, tomograms: Mapping[str, Tomogram]
) -> NDArray[np.float64]:
    """Unbinned pixel size of each particle's tomogram; its voxel size where no file states it."""
    sizes = {}
    for name in set(particles.tomogram.tolist()):
        row = tomograms[name].columns or {}
        sizes[name] = number(row, UNBINNED, f"tomogram {name}") or tomograms[name].voxel_size
    return _per_tomogram(particles, sizes)


def stated_sizes(kept: pd.DataFrame, optics: pd.DataFrame) -> NDArray[np.float64]:
    """Unbinned pixel size of each particle by its optics group: (N,), Angstrom."""
    sizes = np.asarray(pd.to_numeric(optics[UNBINNED]), dtype=np.float64)  # (groups,)
    return np.take(sizes, optics_rows(optics, kept, "the particles"))


def fold_optics(kept: pd.DataFrame, optics: pd.DataFrame) -> pd.DataFrame:
    """Columns of the optics groups as columns of the particles, for dialects without groups."""
    if not len(optics) or "rlnOpticsGroup" not in kept or "rlnOpticsGroup" not in optics:
        return kept
    at = optics_rows(optics, kept, "the particles")
    skipped = {*kept.columns, UNBINNED}
    new = [c for c in optics.columns if c not in skipped]
    added = optics.loc[:, new].iloc[at].reset_index(drop=True)
    return pd.concat([kept.reset_index(drop=True), added], axis=1)


def tomo_optics(
    kept: pd.DataFrame,
    optics: pd.DataFrame,
    particles: ParticleSet,
    tomograms: Mapping[str, Tomogram],
    *,
    needed: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Optics groups that state rlnTomoTiltSeriesPixelSize; as they came where they do."""
    if UNBINNED in optics or (not needed and not len(optics)):
        return kept, optics
    return _groups_by(kept, optics, UNBINNED, unbinned_sizes(particles, tomograms), tomograms)


def image_optics(
    kept: pd.DataFrame,
    optics: pd.DataFrame,
    particles: ParticleSet,
    tomograms: Mapping[str, Tomogram],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Optics groups that state rlnImagePixelSize; of the tomogram where no images are known."""
    optics = optics.drop(columns=[c for c in (UNBINNED,) if c in optics])
    if "rlnImagePixelSize" in optics:
        return kept, optics
    return _groups_by(
        kept, optics, "rlnImagePixelSize", voxel_sizes(particles, tomograms), tomograms
    )


def _groups_by(
    kept: pd.DataFrame,
    optics: pd.DataFrame,
    column: str,
    sizes: NDArray[np.float64],
    tomograms: Mapping[str, Tomogram],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One optics group for each incoming group and pixel size."""
    old = ["1"] * len(kept)
    if "rlnOpticsGroup" in kept:
        old = kept["rlnOpticsGroup"].map(group_number).tolist()
    keys = list(zip(old, six_decimals(sizes), strict=True))
    order = list(dict.fromkeys(keys))
    unchanged = len({group for group, _ in order}) == len(order)
    numbers = {key: key[0] if unchanged else str(i) for i, key in enumerate(order, 1)}
    groups = [group_number(group) for group in optics.get("rlnOpticsGroup", [])]
    known = dict(zip(groups, range(len(optics)), strict=True))
    example: Mapping[str, str] = next((t.columns for t in tomograms.values() if t.columns), {})
    rows = []
    for group, size in order:
        row = {str(c): str(optics[c].iloc[known[group]]) for c in optics} if group in known else {}
        if not row:
            row["rlnOpticsGroupName"] = f"opticsGroup{numbers[group, size]}"
            for shared in ("rlnSphericalAberration", "rlnVoltage", "rlnAmplitudeContrast"):
                if shared in example:
                    row[shared] = example[shared]
        rows.append({"rlnOpticsGroup": numbers[group, size]} | row
                    | {"rlnOpticsGroup": numbers[group, size], column: size})  # fmt: skip
    kept = kept.assign(rlnOpticsGroup=pd.Series([numbers[key] for key in keys], dtype=str).values)
    return kept, pd.DataFrame(rows, dtype=str).fillna("0")
