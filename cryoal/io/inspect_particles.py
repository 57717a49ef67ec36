"""What a particle file says of itself, and what its tomograms say of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Picks
from cryoal.io.listing import Listed, name_match
from cryoal.io.names import pixel_size_in_name, series_name
from cryoal.io.particles import Reading, place_all
from cryoal.io.placing import share_inside

#: Columns that state a size in Angstrom, in words that say of what.
_SIZES = ("rlnTomoTiltSeriesPixelSize", "rlnImagePixelSize", "rlnPixelSize", "rlnDetectorPixelSize",
          "rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")  # fmt: skip


def about_particles(picks: Picks, facts: dict[str, Any]) -> None:
    """Add what the file alone tells: unit and why, ranges, score, names, sizes, oddities."""
    facts["unit"] = picks.unit
    facts["evidence"] = picks.evidence
    facts["n_particles"] = len(picks)
    names = None if picks.tomogram is None else picks.tomogram[picks.tomogram != ""]
    facts["tomograms"] = [] if names is None else np.unique(names).tolist()
    facts["ranges"] = {
        axis: [float(picks.xyz[:, i].min()), float(picks.xyz[:, i].max())]
        for i, axis in enumerate("xyz")
    }
    facts["score"] = picks.score_name or None
    facts["rotations"] = picks.rotation is not None
    facts["duplicates"] = _duplicates(picks)
    problems = facts["problems"]
    problems += picks.remarks
    if facts["duplicates"]:
        problems.append(f"{facts['duplicates']} of its particles repeat the position of another")
    if names is None or not len(names):
        problems.append("it names no tomograms")
    elif len(names) < len(picks):
        problems.append(f"{len(picks) - len(names)} of its particles name no tomogram")
    if picks.numbered:
        problems.append("it numbers its tomograms, and no table map stands beside it")
    _repeated_ids(picks, problems)
    _spellings(facts["tomograms"], facts)
    _sizes(picks, facts)


def _duplicates(picks: Picks) -> int:
    """Rows whose tomogram and coordinates (with their origins) stand in an earlier row."""
    origin = 0.0 if picks.origin_xyz is None else picks.origin_xyz
    rows = pd.DataFrame(np.hstack([picks.xyz, picks.xyz * 0 + origin]))
    rows["tomogram"] = "" if picks.tomogram is None else picks.tomogram
    return int(rows.duplicated().sum())


def _repeated_ids(picks: Picks, problems: list[str]) -> None:
    for column in ("cryoalId", "rlnTomoParticleName", "rlnImageName"):
        if column in picks.table and not picks.table[column].is_unique:
            count = int(picks.table[column].duplicated().sum())
            problems.append(f"{column} repeats in {count} rows, so it cannot tell particles apart")


def _spellings(names: list[str], facts: dict[str, Any]) -> None:
    """Names of one file that may mean one tomogram: TS_01, TS_01.tomostar, rec_TS_01.mrc."""
    series: dict[str, list[str]] = {}
    for name in names:
        series.setdefault(series_name(name), []).append(name)
    several = {key: spelt for key, spelt in series.items() if len(spelt) > 1}
    if several:
        facts["spellings"] = several
        facts["problems"] += [
            f"{' and '.join(map(repr, spelt[:3]))} may be one tomogram"
            for spelt in several.values()
        ]


def _sizes(picks: Picks, facts: dict[str, Any]) -> None:
    """Every size that the file states, and the voxel size where all agree on it."""
    claims: dict[str, float] = {}
    tables = {"": picks.table, **{name: b for name, b in picks.blocks.items() if len(b)}}
    for name, table in tables.items():
        for column in _SIZES:
            if column in table:
                values = pd.to_numeric(table[column], errors="coerce").dropna().unique()
                place = f"{column} of data_{name}" if name else column
                if len(values):
                    claims[place] = float(values[0])
                if len(values) > 1:
                    facts["problems"].append(
                        f"{place} has {len(values)} values, from {values.min():g} to "
                        f"{values.max():g} A"
                    )
    named = {n: pixel_size_in_name(n) for n in facts["tomograms"]}
    in_names = sorted({size for size in named.values() if size})
    voxels = {f"names of tomograms ({size:g})": size for size in in_names}
    if picks.stated_voxel is not None and np.isfinite(picks.stated_voxel).any():
        stated = picks.stated_voxel[np.isfinite(picks.stated_voxel)]
        voxels["the list itself"] = float(stated[0])
    facts["voxel_sizes"] = {**claims, **voxels}
    if voxels:
        sizes = list(voxels.values())
        facts["voxel_sizes_agree"] = max(sizes) - min(sizes) <= 0.01 * min(sizes)
        if facts["voxel_sizes_agree"]:
            facts["voxel_size"] = sizes[-1]
        else:
            spread = ", ".join(f"{size:g} A by {place}" for place, size in voxels.items())
            facts["problems"].append(f"it states several voxel sizes: {spread}")
    if picks.pixel_size is not None and picks.unit in ("unbinned_pixel", "output_pixel"):
        known = picks.pixel_size[np.isfinite(picks.pixel_size)]
        if len(known):
            facts["pixel_size"] = float(known[0])


def placed_facts(
    listed: Listed,
    tomograms: Mapping[str, Tomogram],
    relion_centre: str,
    facts: dict[str, Any],
) -> Reading | None:
    """Add what only the tomograms can tell, and return what came of placing the particles.

    ``matches`` (name as written to tomogram, where they differ), ``unmatched`` (name to count),
    ``near`` (unmatched name to those like it), ``ambiguous``, ``inside`` (share of positions),
    ``ranges_in_voxels`` (tomogram to axis to low, high and size).

    Raises
    ------
    CryoalError
        As reading these particles would, but for names: those are problems, not refusals.
    """
    picks = listed.picks
    if picks.tomogram is not None and (picks.tomogram != "").any():
        match = name_match(picks, tomograms)
        facts["matches"] = {w: known for w, known in match.found.items() if w != known}
        facts["unmatched"] = {n: int((picks.tomogram == n).sum()) for n in match.missing}
        facts["near"] = {name: near for name, near in match.missing.items() if near}
        facts["ambiguous"] = match.ambiguous
        facts["problems"] += [words for words in (match.complaint(), match.guesses()) if words]
        if match.ambiguous or not match.found:
            return None
    reading = place_all(
        [listed], tomograms, relion_centre=relion_centre, check_inside=False, other_options=True
    )
    particles = reading.particles
    facts["inside"] = share_inside(particles.position, particles.tomogram, tomograms)
    facts["ranges_in_voxels"] = _ranges(particles, tomograms)
    used = {name: tomograms[name].voxel_size for name in np.unique(particles.tomogram).tolist()}
    sizes = set(used.values())
    facts["voxel_sizes"]["its tomograms"] = min(sizes)
    _compare(picks, facts, sizes)
    facts["voxel_size"] = sizes.pop() if len(sizes) == 1 else None
    if facts["inside"] < 1:
        facts["problems"].append(f"{1 - facts['inside']:.1%} of its positions lie outside")
    if facts["inside"] <= 0.5:
        place_all([listed], tomograms, relion_centre=relion_centre)
    return reading


def _compare(picks: Picks, facts: dict[str, Any], sizes: set[float]) -> None:
    """Whether the list's own voxel size is that of its tomograms."""
    if picks.stated_voxel is None or not np.isfinite(picks.stated_voxel).any():
        return
    stated = float(picks.stated_voxel[np.isfinite(picks.stated_voxel)][0])
    agree = all(abs(stated - size) <= 0.01 * size for size in sizes)
    facts["voxel_sizes_agree"] = agree
    if not agree:
        facts["problems"].append(
            f"it states voxels of {stated:g} A, its tomograms have {min(sizes):g} A"
        )


def _ranges(
    particles: ParticleSet, tomograms: Mapping[str, Tomogram]
) -> dict[str, dict[str, list[float]]]:
    """Lowest and highest voxel of the positions along each axis, and the volume's size."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in np.unique(particles.tomogram).tolist():
        tomogram = tomograms[name]
        voxels = particles.position[particles.tomogram == name] / tomogram.voxel_size
        found[name] = {
            axis: [
                round(float(voxels[:, i].min()), 2),
                round(float(voxels[:, i].max()), 2),
                tomogram.shape[i],
            ]
            for axis, i in (("x", 2), ("y", 1), ("z", 0))
        }
    return found
