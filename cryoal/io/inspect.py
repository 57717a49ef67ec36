"""What a file is, as far as it can be told without reading its volume."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError, MachineError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import NotParticlesError, formats, recognised
from cryoal.io.content import Content
from cryoal.io.import_list import COLUMN, import_table, open_lists
from cryoal.io.inspect_particles import about_particles, placed_facts
from cryoal.io.inspect_tomograms import about_other_star, about_volume
from cryoal.io.listing import Listed, open_list
from cryoal.io.particles import place_all
from cryoal.io.paths import is_star
from cryoal.io.placing import share_inside
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
    lists : list of Look
        Of a list of lists: those that it names.
    particles : ParticleSet, optional
        Once they have been placed in tomograms.
    others : mapping of list to reading to positions
        As ``particles.Reading`` has them, once they have been placed.
    machine : bool
        It is refused because the disk, the memory or the network failed.
    """

    path: Path | str
    facts: dict[str, Any]
    listed: Listed | None = field(default=None, repr=False)
    lists: "list[Look]" = field(default_factory=list, repr=False)
    particles: ParticleSet | None = field(default=None, repr=False)
    others: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    machine: bool = False

    def refuse(self, problem: Exception) -> None:
        """Note why this file would be refused."""
        words = (
            f"{self.path}: cannot be read ({problem.strerror})"
            if isinstance(problem, OSError)
            else str(problem)
        )
        self.machine = isinstance(problem, MachineError)
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

    Raises
    ------
    MachineError
        The disk or the network failed, which says nothing of the file.
    """
    found = look(path, unit=unit, pick_voxel_size=pick_voxel_size, voxel_size=voxel_size)
    if tomograms is not None:
        look_in(found, tomograms, relion_centre)
    if found.machine:
        raise MachineError(found.facts["refused"])
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
    if found.facts["refused"] or not (found.listed or found.lists):
        return
    try:
        if found.listed is None:
            _look_in_lists(found, tomograms, relion_centre)
            return
        reading = placed_facts(found.listed, tomograms, relion_centre, found.facts)
        if reading is not None:
            found.particles, found.others = reading.particles, reading.others
    except CryoalError as problem:
        found.refuse(problem)


def _look_in_lists(found: Look, tomograms: Mapping[str, Tomogram], relion_centre: str) -> None:
    """Place the particles of every list that a list of lists names."""
    for one in found.lists:
        look_in(one, tomograms, relion_centre)
        _tell(found, one)
    for fact in ("matches", "unmatched", "near", "ambiguous", "ranges_in_voxels"):
        found.facts[fact] = {
            k: v for one in found.lists for k, v in one.facts.get(fact, {}).items()
        }
    if any(one.facts["refused"] for one in found.lists):
        return
    lists = [one.listed for one in found.lists if one.listed is not None]
    reading = place_all(
        lists, tomograms, relion_centre=relion_centre, check_inside=False, other_options=True
    )
    placed = found.particles = reading.particles
    found.others = reading.others
    found.facts["inside"] = share_inside(placed.position, placed.tomogram, tomograms)


def _tell(found: Look, one: Look) -> None:
    """Say of a list of lists what is odd about one of them, once."""
    for problem in one.facts["problems"]:
        words = problem if str(one.path) in problem else f"{one.path}: {problem}"
        if words not in found.facts["problems"]:
            found.facts["problems"].append(words)
    found.facts["refused"] = found.facts["refused"] or one.facts["refused"]
    found.machine |= one.machine


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
    if content.head and import_table(content.blocks) is not None:
        _about_lists(found, path, unit, pick_voxel_size)
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


def _about_lists(found: Look, path: Path, unit: str | None, pick_voxel_size: float | None) -> None:
    """Add what the lists that a list of lists names say of themselves, taken together."""
    facts = found.facts
    facts["kind"], facts["dialect"] = "particles", "relion5"
    for listed in open_lists(path, unit, pick_voxel_size):
        one = Look(listed.content.path, {"problems": [], "refused": None})
        one.listed = listed
        about_particles(listed.picks, one.facts)
        found.lists.append(one)
        _tell(found, one)
    picks = [one.listed.picks for one in found.lists if one.listed is not None]
    facts["lists"] = [str(one.path) for one in found.lists]
    facts["n_particles"] = sum(map(len, picks))
    facts["unit"] = " and ".join(dict.fromkeys(one.unit for one in picks)) or None
    dialects = dict.fromkeys(one.dialect for one in picks)
    facts["evidence"] = f"{COLUMN} names lists of {' and '.join(dialects)}"
    facts["tomograms"] = list(
        dict.fromkeys(name for one in found.lists for name in one.facts["tomograms"])
    )
    sizes = {one.facts["voxel_size"] for one in found.lists if one.facts.get("voxel_size")}
    facts["voxel_size"] = sizes.pop() if len(sizes) == 1 else None


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
