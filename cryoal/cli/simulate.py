"""``cryoal simulate``: tomograms whose every particle is known."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import progress, say, seed_option


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--templates",
    type=click.Path(path_type=Path),
    help="Folder of maps (.mrc, .map, .em, voxel size in the header) and structures (.pdb, .cif, "
    ".bcif), one a class. Default: phantoms of known complexes.",
)
@click.option("--tomograms", type=int, default=4, show_default=True, help="How many.")
@click.option(
    "--per-tomogram", type=int, default=150, show_default=True, help="Picks a tomogram, with junk."
)
@click.option(
    "--snr",
    type=float,
    default=0.1,
    show_default=True,
    help="Var(s) / Var(n); simulation.toml says of what.",
)
@click.option(
    "--imbalance",
    type=float,
    default=1.0,
    show_default=True,
    help="Particles of the most abundant class for each one of the rarest.",
)
@click.option(
    "--junk", type=float, default=0.0, show_default=True, help="Share of picks without a particle."
)
@click.option(
    "--picks",
    type=click.Choice(["perfect", "jittered", "matched"]),
    default="perfect",
    show_default=True,
    help="True positions; with errors of about a voxel; or found by template matching.",
)
@click.option(
    "--method",
    type=click.Choice(["volume", "projections"]),
    default="volume",
    show_default=True,
    help="Noise and wedge in three dimensions; or a tilt series, reconstructed.",
)
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    help="A project: its voxel size, tilt range, contrast, and no class above its diameter.",
)
@click.option("--tilt-range", type=float, nargs=2, help="Degrees; default: -60 60.")
@click.option("--voxel-size", type=float, help="Angstrom; default: 10.")
@click.option("--classes", type=int, help="Only the first so many templates or phantoms.")
@click.option(
    "--only",
    help="Only these classes: names with commas between, the most abundant first (--imbalance).",
)
@click.option(
    "--ctf-state",
    type=click.Choice(["phase-flipped", "uncorrected"]),
    default="phase-flipped",
    show_default=True,
    help="Of the tomograms.",
)
@click.option(
    "--defocus-error",
    type=float,
    default=0.0,
    show_default=True,
    help="Angstrom: how far off the defocus is by which phases are flipped.",
)
@seed_option
def simulate(
    out: Path,
    templates: Path | None,
    tomograms: int,
    per_tomogram: int,
    snr: float,
    imbalance: float,
    junk: float,
    picks: str,
    method: str,
    like: Path | None,
    tilt_range: tuple[float, float] | None,
    voxel_size: float | None,
    classes: int | None,
    only: str | None,
    ctf_state: str,
    defocus_error: float,
    seed: int,
) -> None:
    """Make tomograms with a known truth, to learn with, to practise on, and to measure by.

    OUT gets tomograms/*.mrc, tomograms.star and particles.star as RELION 5 writes them, truth.tsv
    (id, label), placed.tsv (everything that is there, picked or not) and simulation.toml.
    """
    import math

    from cryoal.core.errors import CryoalError
    from cryoal.simulate.settings import settings_like
    from cryoal.simulate.write import simulate as write_simulation

    if only is not None and classes is not None:
        raise CryoalError("--only and --classes both choose classes; give one of them")
    names = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    taken = {} if like is None else settings_like(like)
    for name, value in (("voxel_size", voxel_size), ("tilt_range", tilt_range)):
        if value is not None:
            taken.pop(name, None)
    if taken:
        say("Taken over: " + ", ".join(f"{key} {value}" for key, value in taken.items()))
    # A box of 1.5 diameters forgives a class that is a little larger than its project's.
    largest = 1.05 * taken["diameter"] if "diameter" in taken else None
    with progress("tomograms") as bar:
        result = write_simulation(
            out,
            templates=templates,
            tomograms=tomograms,
            per_tomogram=per_tomogram,
            snr=snr,
            imbalance=imbalance,
            junk=junk,
            picks=picks,
            method=method,
            voxel_size=taken.get("voxel_size", 10.0) if voxel_size is None else voxel_size,
            tilt_range=tilt_range or taken.get("tilt_range", (-60.0, 60.0)),
            ctf_state=ctf_state,
            defocus_error=defocus_error,
            contrast=taken.get("contrast", "dark"),
            classes=names or classes,
            largest=largest,
            seed=seed,
            progress=bar,
        )
    diameter = taken.get("diameter", math.ceil(result.diameter / 10) * 10)
    say(
        f"{sum(result.counts.values())} picks of {len(result.classes)} classes"
        f"{' and junk' if result.counts['junk'] else ''} in {tomograms} tomograms. "
        f"Next: cryoal extract PROJECT --tomograms {result.tomograms} "
        f"--particles {result.particles} --diameter {diameter:g}"
    )
