"""What a file is, as far as it can be told without reading its volume."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import NotParticlesError, formats, recognised
from cryoal.io.content import Content
from cryoal.io.inspect_particles import about_particles, placed_facts
from cryoal.io.inspect_tomograms import about_other_star, about_volume
from cryoal.io.listing import Listed, open_list
from cryoal.io.paths import is_star
from cryoal.io.relion_columns import nearest_dialect
from cryoal.io.star_parsing import BrokenStarError
from cryoal.io.tilts import tilt_series
from cryoal.io.volumes import ENDINGS, is_remote, is_zarr

KINDS = ("particles", "tomogram", "tomogram_set", "optimisation_set", "tilt_series", "stack",
         "project", "unknown")  # fmt: skip


@dataclass
class Look:
    """A file that was looked at once: what is known of it, and its particles where it has any.

    Attributes
    ----------
    facts : dict
        As ``inspect`` returns it.
    particles : ParticleSet, optional
        Once they have been placed in tomograms.
    others : mapping of list to reading to positions
        As ``particles.Reading`` has them, once they have been placed.
    """

    path: Path | str
    facts: dict[str, Any]
    listed: Listed | None = field(default=None, repr=False)
    particles: ParticleSet | None = field(default=None, repr=False)
    others: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def refuse(self, problem: Exception) -> None:
        """Note why this file would be refused."""
        words = (
            f"{self.path}: cannot be read ({problem.strerror})"
            if isinstance(problem, OSError)
            else str(problem)
        )
        self.facts["refused"] = words
        self.facts["problems"].append(words)

    @property
    def failed(self) -> bool:
        """Whether it is damaged: its kind or dialect is known, and it is refused."""
        named = self.facts["kind"] != "unknown" or self.facts["dialect"] is not None
        return self.facts["refused"] is not None and named


def inspect(
    path: str | Path,
    tomograms: Mapping[str, Tomogram] | None = None,
    *,
    unit: str | None = None,
    pick_voxel_size: float | None = None,
    relion_centre: str = "half",
    voxel_size: float | None = None,
) -> dict[str, Any]:
    """Say what a file is; a file that would be refused is described as far as it could be read.

    Parameters
    ----------
    path : str or Path
    tomograms : mapping of name to Tomogram, optional
        With them, particles are placed and counted inside and outside.
    unit, pick_voxel_size, relion_centre
        As in ``read_all``.
    voxel_size : float, Angstrom, optional
        Of a volume; overrules what its file says.

    Returns
    -------
    dict
        Always ``file``, ``kind`` (one of ``KINDS``), ``dialect``, ``unit``, ``n_particles``,
        ``tomograms`` (names), ``voxel_size`` (Angstrom) and ``problems`` (sentences), each None
        or empty where it does not apply; ``refused`` is the sentence that an error would say, or
        None. ``voxel_sizes`` names each place that claims one, ``voxel_sizes_agree`` whether they
        do. Particles add ``evidence``, ``ranges`` (as written, xyz), ``score``, ``duplicates``
        and, with tomograms, what ``inspect_particles.placed_facts`` says.
    """
    found = look(path, unit=unit, pick_voxel_size=pick_voxel_size, voxel_size=voxel_size)
    if tomograms is not None:
        look_in(found, tomograms, relion_centre)
    return found.facts


def look(
    path: str | Path,
    *,
    unit: str | None = None,
    pick_voxel_size: float | None = None,
    voxel_size: float | None = None,
) -> Look:
    """Open a file once and say what it is; ``look_in`` goes on from there."""
    path = path if is_remote(path) else Path(path)
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
    found = Look(path, facts)
    try:
        _look(found, unit, pick_voxel_size, voxel_size)
    except BrokenStarError as problem:
        _name_what_is_left(found, problem)
        found.refuse(problem)
    except (CryoalError, OSError) as problem:
        if isinstance(problem, NotParticlesError):
            facts["kind"] = "unknown"
        found.refuse(problem)
    return found


def look_in(found: Look, tomograms: Mapping[str, Tomogram], relion_centre: str = "half") -> None:
    """Place the particles of a file in tomograms and add what that tells."""
    if found.listed is None or found.facts["refused"]:
        return
    try:
        reading = placed_facts(found.listed, tomograms, relion_centre, found.facts)
        if reading is not None:
            found.particles, found.others = reading.particles, reading.others
    except CryoalError as problem:
        found.refuse(problem)


def members(folder: Path) -> list[Path]:
    """What is looked at one by one in a folder: files, and folders that are one thing.

    Hidden files are passed over; a project and a zarr folder are one thing each.
    """
    if is_one(folder):
        return [folder]
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        found += members(path) if path.is_dir() else [path]
    return found


def is_one(folder: Path) -> bool:
    """Whether a folder is a project or a zarr volume."""
    return (folder / "cryoal.toml").exists() or is_zarr(folder)


def _look(
    found: Look, unit: str | None, pick_voxel_size: float | None, voxel_size: float | None
) -> None:
    facts = found.facts
    if is_remote(found.path):
        about_volume(found.path, facts, voxel_size)
        return
    path = Path(found.path)
    if not path.exists():
        raise CryoalError(f"{path}: no such file; the current folder is {Path.cwd()}")
    if path.is_dir():
        if is_zarr(path):
            about_volume(path, facts, voxel_size)
        elif (path / "cryoal.toml").exists():
            facts["kind"] = "project"
        else:
            raise CryoalError(f"{path}: a folder without cryoal.toml, so no project")
        return
    content = Content(path)
    if content.head.startswith(b"MATLAB 5.0 MAT-file"):
        raise CryoalError(
            f"{path}: a MATLAB file (emClarity and others), which is not read here; write its "
            "particles as a Dynamo table, a motive list or text with x y z"
        )
    if content.head and content.blocks and about_other_star(content, facts):
        return
    series = tilt_series(content) if content.head else None
    if series is not None:
        facts["kind"] = "tilt_series"
        facts.update(series)
        return
    try:
        form = recognised(content)
    except CryoalError:
        by_name = path.name.lower().endswith(ENDINGS) and not is_star(path)
        if b"\0" not in content.head and not by_name:
            raise
        about_volume(path, facts, voxel_size)  # or an error that says what it is
        return
    facts["kind"] = "particles"
    facts["dialect"] = form.name
    found.listed = open_list(path, unit, pick_voxel_size)
    about_particles(found.listed.picks, facts)


def _name_what_is_left(found: Look, problem: BrokenStarError) -> None:
    """Name the dialect of a damaged STAR file from what stood before the damage."""
    content = Content(Path(found.path))
    content.__dict__["blocks"] = problem.blocks  # what the cached property would hold
    try:
        if about_other_star(content, found.facts):
            return
        found.facts["dialect"] = recognised(content).name
    except CryoalError:
        found.facts["dialect"] = nearest_dialect(problem.blocks)
    if found.facts["dialect"]:
        found.facts["kind"] = "particles"


def dialects() -> list[str]:
    """Every dialect that is read, sorted."""
    return formats.names()
