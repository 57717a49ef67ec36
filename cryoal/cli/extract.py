"""``cryoal extract``: tomograms and picks to subtomograms."""

import sys
from pathlib import Path

import rich_click as click

from cryoal.cli.common import (
    json_option,
    new_project_argument,
    print_json,
    progress,
    say,
    workers_option,
)


@click.command()
@new_project_argument
@click.option(
    "--tomograms",
    multiple=True,
    help="Volume (MRC, OME-Zarr, EM, TIFF, also gz), quoted glob, tomograms.star or "
    "optimisation_set.star; may be repeated.",
)
@click.option(
    "--particles",
    multiple=True,
    help="Particle file, quoted glob or optimisation_set.star; may be repeated.",
)
@click.option("--diameter", type=float, help="Longest axis of the largest particle, Angstrom.")
@click.option("--box", type=int, help="Stored box in working voxels, even, instead of a diameter.")
@click.option(
    "--voxel-size",
    type=float,
    help="Working voxel size, Angstrom. Default: 10, or the tomogram's own when that is coarser. "
    "Where a tomogram's header names none, this is also taken for its own.",
)
@click.option(
    "--contrast",
    type=click.Choice(["auto", "dark", "bright"]),
    help="Of protein in the tomograms: dark (RELION, IMOD), bright (Warp); auto asks the mean box. "
    "[auto]",
)
@click.option(
    "--edge",
    type=click.Choice(["pad", "drop"]),
    help="Keep boxes at least 75 % inside, or only those wholly inside. [pad]",
)
@click.option(
    "--unit",
    type=click.Choice(
        [
            "voxel",
            "unbinned_pixel",
            "angstrom",
            "centred_angstrom",
            "fraction",
            "output_pixel",
        ]
    ),
    help="Unit of the coordinates; default: told from the file, and said.",
)
@click.option(
    "--pick-voxel-size",
    type=float,
    metavar="A",
    help="The lists count voxels of this size, Angstrom: picked in a volume of another binning.",
)
@click.option(
    "--relion-centre",
    type=click.Choice(["half", "half-minus-one"]),
    default="half",
    show_default=True,
    help="Where centred coordinates count from.",
)
@click.option("--tilt-range", type=float, nargs=2, help="Lowest and highest tilt, degrees.")
@click.option(
    "--tilt-axis",
    type=float,
    metavar="DEGREES",
    help="In the plane across the beam, anti-clockwise from y (from z where the beam runs along "
    "y). [0]",
)
@click.option(
    "--beam-axis",
    type=click.Choice(["z", "y", "x"]),
    help="Along which the beam ran: y in volumes that were written unrotated (IMOD). [z]",
)
@click.option(
    "--display-tomograms",
    metavar="GLOB",
    help="Denoised volumes, for looking at: named like the tomograms, of their size or binned.",
)
@click.option("--float16", is_flag=True, default=None, help="Store boxes in half the space.")
@workers_option
@click.option("--scheduler", help="Address of a Dask scheduler to run on, instead of processes.")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@json_option
def extract(
    project: Path,
    tomograms: tuple[str, ...],
    particles: tuple[str, ...],
    diameter: float | None,
    box: int | None,
    voxel_size: float | None,
    contrast: str | None,
    edge: str | None,
    unit: str | None,
    pick_voxel_size: float | None,
    relion_centre: str,
    tilt_range: tuple[float, float] | None,
    tilt_axis: float | None,
    beam_axis: str | None,
    display_tomograms: str | None,
    float16: bool | None,
    workers: int | None,
    scheduler: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Cut every pick out of its tomogram, normalised, on a common voxel size.

    Run it again to add tomograms or picks, or to go on after an interruption; what is finished
    is not done twice. Everything left out stands in left_out.tsv with its reason.
    """
    from cryoal.project.extraction import extract as run
    from cryoal.project.layout import Layout

    options = {
        "diameter": diameter,
        "box": box,
        "voxel_size": voxel_size,
        "contrast": contrast,
        "edge": edge,
        "float16": float16,
    }
    with progress("tomograms") as bar:
        result = run(
            Layout(project),
            tomograms,
            particles,
            options=options,
            unit=unit,
            pick_voxel_size=pick_voxel_size,
            relion_centre=relion_centre,
            tilt_range=tilt_range,
            tilt_axis=tilt_axis,
            beam_axis=beam_axis,
            display=display_tomograms,
            workers=workers,
            scheduler=scheduler,
            dry_run=dry_run,
            progress=bar,
        )
    if as_json:
        print_json(result.as_dict())
    geometry = f"boxes of {result.geometry.box} at {result.geometry.voxel_size:g} A"
    if dry_run:
        say(
            f"{result.particles} particles in {result.tomograms} tomograms, {geometry}: "
            "nothing stands in the way."
        )
    elif result.extracted and result.already_done == result.tomograms:
        say(f"Nothing to do: {result.extracted} particles are there. Next: cryoal select {project}")
    elif not result.extracted:
        say(f"None of {result.left_out} particles has a box: {project / 'left_out.tsv'} says why.")
    else:
        left = f", {result.left_out} left out (left_out.tsv)" if result.left_out else ""
        say(
            f"{result.extracted} particles from {result.tomograms} tomograms{left}, {geometry}. "
            f"Next: cryoal select {project}"
        )
    if result.unexpected:
        sys.exit(3)
