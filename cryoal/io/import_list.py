"""RELION 5's list of lists: a coordinate file for each tomogram, as its import job takes them.

Columns rlnTomoName and rlnTomoImportParticleFile (``src/metadata_label.h`` of RELION 5).
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.io.content import Content
from cryoal.io.listing import Listed, open_content, open_list, particle_file
from cryoal.io.names import is_none, match_names
from cryoal.io.paths import resolve
from cryoal.io.relion_columns import particle_block
from cryoal.io.star_parsing import Blocks

log = logging.getLogger(__name__)

COLUMN = "rlnTomoImportParticleFile"


def open_lists(
    path: Path, unit: str | None = None, pick_voxel_size: float | None = None
) -> list[Listed]:
    """Open a particle file, or every one that a list of lists names.

    Raises
    ------
    CryoalError
        As ``open_list``; a list that is not there, that is a list of lists itself, or that is
        named for several tomograms and says of no particle in which it is.
    """
    content = particle_file(path)
    if import_table(content.blocks) is None:
        return [open_content(content, unit, pick_voxel_size)]
    return [
        _named(open_list(file, unit, pick_voxel_size), names, path)
        for file, names in lists_of(content).items()
        if not _empty(file, path)
    ]


def import_table(blocks: Blocks) -> pd.DataFrame | None:
    """The block that names lists; None where there is none, or where there are positions."""
    if particle_block(blocks) is not None:
        return None
    return next((block for block in blocks.values() if COLUMN in block), None)


def lists_of(content: Content) -> Mapping[Path, list[str]]:
    """The files that a list of lists names, and for which tomograms it does.

    Raises
    ------
    CryoalError
        One is not there or is a list of lists, or none is named.
    """
    path, table = content.path, import_table(content.blocks)
    assert table is not None
    names = table.get("rlnTomoName", pd.Series("", index=table.index)).tolist()
    found: dict[Path, list[str]] = {}
    without = []
    for name, named in zip(names, table[COLUMN].tolist(), strict=True):
        if is_none(named):
            without.append(name)
            continue
        file = resolve(named, path)
        if file is None:
            raise CryoalError(
                f"{path}: {COLUMN} names {named}, which is not there; paths count from the RELION "
                "project folder, so run cryoal from it, or from the folder of this file"
            )
        if import_table(particle_file(file).blocks) is not None:
            raise CryoalError(f"{path}: {named} is a list of lists too; name the lists themselves")
        found.setdefault(file, [])
        if name not in found[file] and not is_none(name):
            found[file].append(name)
    if without:
        log.warning("%s: names no list for %d of %d tomograms: %s", path, len(without), len(table),
                    ", ".join(without[:5]))  # fmt: skip
    if not found:
        raise CryoalError(f"{path}: {COLUMN} names no list")
    return found


def _empty(file: Path, path: Path) -> bool:
    if file.stat().st_size > 0:
        return False
    log.warning("%s: %s is empty, no particles are taken from it", path, file)
    return True


def _named(listed: Listed, names: list[str], path: Path) -> Listed:
    """A list with the names of tomograms that the list of lists states for it."""
    picks = listed.picks
    written = np.full(len(picks), "") if picks.tomogram is None else picks.tomogram
    own = [name for name in np.unique(written).tolist() if name]
    if not names:
        return replace(listed, named_in=path)
    if len(names) == 1 and (len(own) < 2 or picks.numbered):
        if own and not picks.numbered and not match_names(own, names).found:
            log.warning("%s: it names tomogram %s, %s says %s; that is taken", picks.path, own[0],
                        path, names[0])  # fmt: skip
        where = np.full(len(picks), names[0])
        return replace(listed, picks=replace(picks, tomogram=where, numbered=False), named_in=path)
    if not own:
        raise CryoalError(
            f"{path}: names {picks.path} for {len(names)} tomograms ({', '.join(names[:3])}), and "
            "it does not say which of its particles lie in which; give a list for each"
        )
    match = match_names(own, names)
    if match.ambiguous:
        raise CryoalError(f"{picks.path}: {match.complaint()}")
    if match.missing:
        at = np.isin(written, list(match.missing))
        log.warning(
            "%s: %d of its particles are in tomograms that %s does not name it for: %s",
            *(picks.path, int(at.sum()), path, ", ".join(list(match.missing)[:5])),
        )
    where = np.array([match.found.get(name, "") for name in written.tolist()], dtype=str)
    return replace(listed, picks=replace(picks, tomogram=where), named_in=path)
