"""``cryoal inspect``: what a file is, before anything is done with it."""

from pathlib import Path
from typing import Any

import click


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
    relion_centre: str,
    diameter: float,
) -> None:
    """Say what each FILE is: kind, dialect, unit and why, tomograms, voxel size, problems."""
    import json

    from cryoal.core.errors import CryoalError
    from cryoal.io.inspect import inspect as look
    from cryoal.io.paths import expand
    from cryoal.io.tomograms import read_tomograms

    paths: list[Path] = []
    for name in files:
        there = Path(name).exists() or not any(sign in name for sign in "*?[")
        paths += [Path(name)] if there else expand([name])
    options: dict[str, Any] = {"unit": unit, "relion_centre": relion_centre}
    facts = {path: look(path, **options) for path in paths}
    sets = [str(p) for p, fact in facts.items() if fact["kind"] in ("tomogram", "tomogram_set")]
    if tomograms or sets:
        found = read_tomograms(tomograms or sets, voxel_size=voxel_size, need_volumes=False)
        for path, fact in facts.items():
            if fact["kind"] == "particles" and not fact["refused"]:
                facts[path] = look(path, found, **options)
                _placement(path, facts[path], found, options, diameter)
    for fact in facts.values():
        click.echo(json.dumps(fact) if as_json else _in_lines(fact))
    refused = [fact["refused"] for fact in facts.values() if fact["refused"]]
    if refused:
        raise CryoalError(refused[0])


def _placement(
    path: Path,
    fact: dict[str, Any],
    tomograms: dict[str, Any],
    options: dict[str, Any],
    diameter: float,
) -> None:
    """Add whether particles are where the list says, from the mean box of each tomogram."""
    from cryoal.data.placement import placements
    from cryoal.io.particles import read_all

    if fact["refused"]:
        return
    particles = read_all([path], tomograms, check_inside=False, **options).particles
    found = placements(particles, tomograms, diameter)
    fact["contrast"] = {
        name: f"{where.contrast or 'undecided'} (z {where.given.z:+.1f})"
        for name, where in found.items()
    }
    fact["problems"] += [f"{name}: {p.problem}" for name, p in found.items() if p.problem]


def _in_lines(fact: dict[str, Any]) -> str:
    """One fact a line, long lists cut."""
    lines = [str(fact["file"])]
    for key, value in fact.items():
        if key in ("file", "refused", "problems") or value in (None, [], {}):
            continue
        if isinstance(value, list) and len(value) > 8:
            value = f"{', '.join(map(str, value[:8]))}, ... ({len(value)})"
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        elif isinstance(value, dict):
            value = "; ".join(f"{k}: {v}" for k, v in value.items())
        lines.append(f"  {key.replace('_', ' '):<12} {value}")
    lines += [f"  problem      {problem}" for problem in fact["problems"]]
    return "\n".join(lines)
