"""``cryoal inspect``: what a file is, before anything is done with it."""

import logging
import math
from pathlib import Path
from typing import Any

import click

log = logging.getLogger(__name__)


@click.command("inspect")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file, one a line.")
@click.option(
    "--tomograms", multiple=True, metavar="FILE",
    help="Place particles in these; tomograms among FILE... are used without it.",
)  # fmt: skip
@click.option("--voxel-size", type=float, metavar="A", help="Angstrom; overrules the files.")
@click.option("--unit", metavar="U", help="What coordinates count, where a file does not show.")
@click.option(
    "--pick-voxel-size", type=float, metavar="A",
    help="Coordinates count voxels of this size, Angstrom: picked in another binning.",
)  # fmt: skip
@click.option(
    "--relion-centre", type=click.Choice(["half", "half-minus-one"]), default="half",
    show_default=True, help="Where centred coordinates count from.",
)  # fmt: skip
@click.option(
    "--diameter", type=float, default=200.0, show_default=True, metavar="A",
    help="Of the particles, Angstrom, to look whether they are where the list says.",
)  # fmt: skip
def inspect(
    files: tuple[str, ...],
    as_json: bool,
    tomograms: tuple[str, ...],
    voxel_size: float | None,
    unit: str | None,
    pick_voxel_size: float | None,
    relion_centre: str,
    diameter: float,
) -> None:
    """Say what each FILE is: kind, dialect, unit and why, tomograms, voxel size, problems.

    A folder stands for its files, a project for itself.
    """
    import json

    from cryoal.core.errors import CryoalError, MachineError
    from cryoal.io.inspect import look, look_in
    from cryoal.io.tomograms import read_tomograms

    if not 0 < diameter < math.inf:
        raise CryoalError(f"--diameter {diameter:g}: a positive number of Angstrom is needed")
    paths, listed = _paths(files)
    found = [
        look(path, unit=unit, pick_voxel_size=pick_voxel_size, voxel_size=voxel_size)
        for path in paths
    ]
    sets = [
        str(one.path)
        for one in found
        if one.facts["kind"] in ("tomogram", "tomogram_set")
        and not one.facts["refused"]
        and (one.facts["kind"] == "tomogram_set" or one.facts["voxel_size"])
    ]
    for one in found:
        if one.path not in listed:
            _missing_voxels(one)
    problem: CryoalError | None = None
    if tomograms or (sets and any(one.listed or one.lists for one in found)):
        try:
            known = read_tomograms(tomograms or sets, voxel_size=voxel_size, need_volumes=False)
            for one in found:
                look_in(one, known, relion_centre)
                _placement(one, known, diameter)
        except CryoalError as why:
            if tomograms or isinstance(why, MachineError):
                problem = why
            else:
                log.warning("lists were not placed in the tomograms beside them: %s", why)
    for one in found:
        click.echo(json.dumps(one.facts) if as_json else _in_lines(one.facts))
    # In a folder there may be anything; only what is damaged is worth an error.
    failed = [one.facts["refused"] for one in found if one.machine]
    if failed:
        raise MachineError(failed[0])
    refused = [
        one.facts["refused"]
        for one in found
        if one.failed or (one.facts["refused"] and one.path not in listed)
    ]
    if refused:
        raise CryoalError(refused[0])
    if problem is not None:
        raise problem


def _paths(files: tuple[str, ...]) -> tuple[list[Path | str], set[Path | str]]:
    """Files to look at, each once, and which of them were found in folders."""
    from cryoal.core.errors import CryoalError
    from cryoal.io.inspect import is_one, members
    from cryoal.io.paths import expand
    from cryoal.io.volumes import is_remote

    paths: dict[Path | str, None] = {}
    listed: set[Path | str] = set()
    for name in files:
        path = Path(name)
        if is_remote(name):
            paths[name] = None
        elif path.is_dir() and not is_one(path):
            inside = members(path)
            listed.update(inside)
            paths.update(dict.fromkeys(inside))
        elif path.exists() or not any(sign in name for sign in "*?["):
            paths[path] = None
        else:
            paths.update(dict.fromkeys(expand([name])))
    if not paths:
        raise CryoalError(f"{files[0]}: there are no files in this folder")
    return list(paths), listed


def _placement(one: Any, tomograms: dict[str, Any], diameter: float) -> None:
    """Add whether particles are where the list says, from the mean box of each tomogram."""
    from cryoal.data.placement import checks, misread_lists
    from cryoal.data.readings import FEW

    if one.particles is None or one.facts["refused"]:
        return
    found = checks(one.particles, tomograms, diameter, one.others)
    placed = {n: c.placement for n, c in found.items() if c.placement.given.picks >= FEW}
    one.facts["contrast"] = {
        name: f"{where.contrast or 'undecided'} (z {where.given.z:+.1f})"
        for name, where in placed.items()
    }
    one.facts["problems"] += [f"{name}: {p.problem}" for name, p in placed.items() if p.problem]
    one.facts["problems"] += misread_lists(found).values()
    for name, check in found.items():
        wedge = check.wedge.contradicts(tomograms[name].tilting) if check.wedge else ""
        one.facts["problems"] += [f"{name}: {wedge}"] if wedge else []
    missing = {name: check.missing for name, check in found.items() if check.missing}
    if missing:
        one.facts["missing_voxels"] = missing
        one.facts["problems"] += [_missing(count, name) for name, count in missing.items()]


def _missing_voxels(one: Any) -> None:
    """Count the voxels of a volume that are no numbers; it is read to the end."""
    from cryoal.data.missing import count_missing
    from cryoal.io.volumes import is_remote, open_volume

    if one.facts["kind"] != "tomogram" or one.facts["refused"] or is_remote(one.path):
        return
    count = count_missing(open_volume(one.path))
    if count:
        one.facts["missing_voxels"] = {one.facts["tomograms"][0]: count}
        one.facts["problems"].append(_missing(count, ""))


def _missing(count: int, name: str) -> str:
    where = f"{name}: " if name else ""
    one = "one voxel is" if count == 1 else f"{count} voxels are"
    return f"{where}{one} no number (NaN or infinite)"


def _in_lines(fact: dict[str, Any]) -> str:
    """One fact a line, long lists cut."""
    lines = [str(fact["file"])]
    for key, value in fact.items():
        if key in ("file", "refused", "problems") or value in (None, [], {}):
            continue
        if isinstance(value, list):
            value = _cut([_short(item) for item in value], ", ")
        elif isinstance(value, dict):
            value = _cut([f"{name}: {_short(item)}" for name, item in value.items()], "; ")
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        lines.append(f"  {key.replace('_', ' '):<12} {_short(value)}")
    lines += [f"  {'problem':<12} {problem}" for problem in fact["problems"]]
    return "\n".join(lines)


def _cut(parts: list[str], separator: str, most: int = 8) -> str:
    shown = separator.join(parts[:most])
    return shown if len(parts) <= most else f"{shown}{separator}... ({len(parts)})"


def _short(value: Any) -> str:
    """A value in few characters: numbers to six digits, lowest, highest and size as a range."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{axis} {_short(limits)}" for axis, limits in value.items())
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], float):
        return f"{value[0]:.6g} to {value[1]:.6g} of {value[2]}"
    if isinstance(value, list):
        return (
            " to ".join(map(_short, value)) if len(value) == 2 else " x ".join(map(_short, value))
        )
    return str(value)
