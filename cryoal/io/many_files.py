"""Particles in many files: one a tomogram, or one a tomogram and class, and none lost on the way.

Which files were written stands in ``cryoal_files.tsv`` in the folder above them, so that writing
again replaces them, takes away those that are no more, and touches nothing else.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.labels import NONE
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Format, formats
from cryoal.io.classes import class_names
from cryoal.io.files import digest_of_bytes
from cryoal.io.names import safe_name
from cryoal.io.numbering import map_of
from cryoal.io.particles import form_of, refuse_several, write_anew, write_particles
from cryoal.io.side_table import side_table_of
from cryoal.io.tsv import read_tsv, write_tsv

log = logging.getLogger(__name__)

#: Files of a folder and whose they are: target, file, tomogram, class, particles, sha256.
MANIFEST = "cryoal_files.tsv"
_COLUMNS = ["target", "file", "tomogram", "class", "particles", "sha256"]
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
#: A file name may have 255 bytes; endings and what stands around the name need some.
_LONGEST = 120


@dataclass(frozen=True)
class Part:
    """One file: its path, its rows in the order of the list, and what it holds alone.

    Attributes
    ----------
    tomogram, label : str
        Empty where the file may hold several.
    """

    path: Path
    rows: NDArray[np.intp]
    tomogram: str = ""
    label: str = ""


@dataclass(frozen=True)
class Plan:
    """Which rows go to which file.

    Attributes
    ----------
    target : Path
        A file, or a path with ``{tomogram}`` and ``{class}``.
    parts : list of Part
        Each row is in one of them.
    folder : Path
        Above all of its files.
    """

    target: Path
    parts: list[Part]
    folder: Path

    @property
    def many(self) -> bool:
        """Whether it has a file a tomogram or class, however many that is."""
        return bool(_PLACEHOLDER.search(str(self.target)))


def plan_files(particles: ParticleSet, target: Path, dialect: str) -> Plan:
    """Say which rows go to which file; nothing is written.

    Parameters
    ----------
    target : Path
        A file; a path with ``{tomogram}``, ``{class}`` or both; or, in dialects with a layout of
        their own (``Format.layout``), a folder: one that exists, or in dialects of one tomogram a
        file any name without an ending.

    Raises
    ------
    CryoalError
        Several tomograms for one file of a dialect that holds one; names that would share a file;
        classes that are not known; unknown words in braces.
    """
    form = formats.get(dialect)
    folder = next(p for p in target.parents if not _PLACEHOLDER.search(str(p)))
    if form.layout and _is_folder(target, form):
        folder, target = target, target / form.layout
    words = set(_PLACEHOLDER.findall(str(target)))
    unknown = sorted(words - {"tomogram", "class"})
    if unknown:
        raise CryoalError(
            f"{target}: {{{unknown[0]}}} stands for nothing; there are {{tomogram}} and {{class}}"
        )
    n = len(particles)
    tomogram = particles.tomogram.astype(str) if "tomogram" in words else np.full(n, "")
    label = np.full(n, "")
    if "class" in words:
        known = class_names(particles, numbered=True)
        if known is None and "{class}" not in form.layout:
            raise CryoalError(f"{target}: these particles have no classes for {{class}}")
        label = np.full(n, "particle") if known is None else np.where(known == "", NONE, known)
    if not words:
        refuse_several(particles, target, form)
        return Plan(target, [Part(target, np.arange(n))], folder)
    groups: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(tomogram.tolist(), label.tolist(), strict=True)):
        groups.setdefault(key, []).append(row)
    parts = [
        Part(_filled(target, *key, form), np.array(groups[key]), *key) for key in sorted(groups)
    ]
    for part in parts:
        refuse_several(particles[part.rows], target, form)
    _refuse_shared(parts)
    _tell_names(parts, form)
    return Plan(target, parts, folder)


def write_files(
    particles: ParticleSet,
    plan: Plan,
    tomograms: Mapping[str, Tomogram] | None,
    dialect: str | None = None,
    *,
    relion_centre: str = "half",
    anew: bool = False,
) -> None:
    """Write the files of a plan; those that an earlier plan of this target left over go.

    Parameters
    ----------
    dialect : str, optional
        That of the plan; None for the one they came in, all columns as they were.
    anew : bool
        Count positions anew also in the dialect they came in.

    Raises
    ------
    CryoalError
        A file is there that was not written here, or was changed since: before any is written.
    """
    form = form_of(particles, dialect)

    def write(part: ParticleSet, path: Path) -> Path | None:
        if anew:
            return write_anew(part, path, tomograms, form.name, relion_centre=relion_centre)
        return write_particles(part, path, tomograms, dialect, relion_centre=relion_centre)

    if not plan.many:
        _tell_columns(plan, form, write(particles, plan.target))
        return
    before = _read_manifest(plan.folder)
    key = plan.target.relative_to(plan.folder).as_posix()
    mine = {part.path.relative_to(plan.folder).as_posix(): part for part in plan.parts}
    _refuse_foreign(plan, before, set(mine))
    others = before[~before["file"].isin(mine)]
    rows = pd.DataFrame(
        [(key, file, p.tomogram, p.label, len(p.rows), "") for file, p in mine.items()],
        columns=_COLUMNS,
    ).astype(str)
    manifest = plan.folder / MANIFEST
    # First, so that what a killed run leaves is known to be its own.
    write_tsv(manifest, pd.concat([others, rows]))
    beside: Path | None = None
    for part in plan.parts:
        chosen = particles[part.rows]
        if part.label and _names_class(form):
            table = chosen.table if len(chosen.table) else pd.DataFrame(index=range(len(chosen)))
            chosen = replace(chosen, table=table.assign(pickable_object_name=part.label))
        beside = write(chosen, part.path)
    _tell_columns(plan, form, beside)
    rows["sha256"] = [digest_of_bytes(part.path) for part in plan.parts]
    stale = others[others["target"] == key]
    kept = others[others["target"] != key]
    for file, digest in zip(stale["file"], stale["sha256"], strict=True):
        _take_away(plan, str(file), str(digest))
    write_tsv(manifest, pd.concat([kept, rows]))


def _names_class(form: Format) -> bool:
    """Whether files of a dialect state the one class that they hold."""
    return "pickable_object_name" in (form.carries or ())


def _is_folder(target: Path, form: Format) -> bool:
    if _PLACEHOLDER.search(str(target)):
        return False
    return target.is_dir() or (form.one_tomogram and not target.suffix and not target.is_file())


def _filled(target: Path, tomogram: str, label: str, form: Format) -> Path:
    values = {
        "tomogram": _cut(safe_name(tomogram)) if tomogram else "",
        "class": _cut(form.class_in_name(label)) if label else "",
    }
    return Path(_PLACEHOLDER.sub(lambda found: values[found.group(1)], str(target)))


def _cut(name: str) -> str:
    return name.encode()[:_LONGEST].decode(errors="ignore")


def _refuse_shared(parts: list[Part]) -> None:
    taken: dict[str, Part] = {}
    for part in parts:
        other = taken.setdefault(str(part.path).casefold(), part)
        if other is not part:
            named = [
                " of ".join(repr(word) for word in (p.label, p.tomogram) if word)
                for p in (other, part)
            ]
            raise CryoalError(
                f"{part.path}: {named[0]} and {named[1]} would share this file; rename one of them"
            )


def _tell_names(parts: list[Part], form: Format) -> None:
    """Say which names had to be changed, and which file names do not tell the tomogram."""
    changed = {p.tomogram: _cut(safe_name(p.tomogram)) for p in parts if p.tomogram}
    changed |= {p.label: _cut(form.class_in_name(p.label)) for p in parts if p.label}
    told = [f"{name!r} is {new!r}" for name, new in changed.items() if name != new]
    if told:
        more = f" and {len(told) - 5} more" if len(told) > 5 else ""
        log.warning("names made safe for files: %s%s", ", ".join(told[:5]), more)
    if not form.one_tomogram or _names_class(form):
        return
    names = {part.tomogram for part in parts}
    lost = [p.path.name for p in parts if _beginning(p.path.stem, names) != p.tomogram]
    if lost:
        log.warning(
            "%d of %d file names do not begin with the name of their tomogram, which stands in no "
            "%s file: %s; %s says which is whose",
            *(len(lost), len(parts), form.name, ", ".join(lost[:3]), MANIFEST),
        )


def _beginning(stem: str, names: set[str]) -> str:
    """Longest of these names that a file's begins with, by which a list is read; empty if none."""
    ends = (k for k in range(len(stem), 0, -1) if k == len(stem) or not stem[k].isalnum())
    return next((stem[:k] for k in ends if stem[:k] in names), "")


def _tell_columns(plan: Plan, form: Format, beside: Path | None) -> None:
    if beside is not None:
        log.info(
            "columns that %s has no place for are in %s", form.name, side_table_of(plan.target)
        )


def _read_manifest(folder: Path) -> pd.DataFrame:
    path = folder / MANIFEST
    if not path.exists():
        return pd.DataFrame(columns=_COLUMNS, dtype=str)
    return read_tsv(path, tuple(_COLUMNS))[_COLUMNS]


def _refuse_foreign(plan: Plan, before: pd.DataFrame, files: set[str]) -> None:
    """Refuse to overwrite what was not written here, or was changed since."""
    digests = dict(zip(before["file"], before["sha256"], strict=True))
    for file in sorted(files):
        path = plan.folder / file
        if not path.exists():
            continue
        if file not in digests:
            raise CryoalError(
                f"{path}: is there already and was not written by cryoal; move it, or name another "
                "folder"
            )
        if digests[file] and digests[file] != digest_of_bytes(path):
            raise CryoalError(
                f"{path}: was changed since cryoal wrote it; move it, or name another folder"
            )


def _take_away(plan: Plan, file: str, digest: str) -> None:
    """Remove a file of an earlier run, and what belongs to it, if it is as it was left."""
    path, pure = plan.folder / file, PurePosixPath(file)
    fits = re.escape(plan.target.relative_to(plan.folder).as_posix())
    fits = re.sub(r"\\\{\w+\\\}", "[^/]+", fits)
    if pure.is_absolute() or ".." in pure.parts or not re.fullmatch(fits, file):
        return
    if not path.is_file():
        return
    if digest and digest != digest_of_bytes(path):
        log.warning("%s: of an earlier run, stays: it was changed since", path)
        return
    log.info("%s: of an earlier run, has no particles any more and is removed", path)
    for gone in (path, side_table_of(path), map_of(path)):
        gone.unlink(missing_ok=True)
