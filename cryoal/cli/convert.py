"""``cryoal convert``: a particle file in another program's dialect."""

from pathlib import Path

import click


@click.command("convert")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", "dialect", required=True, metavar="DIALECT", help="relion5, warp, csv, ...")
@click.option(
    "--tomograms", multiple=True, metavar="FILE",
    help="tomograms.star, optimisation_set.star or MRC files; volumes need not exist.",
)  # fmt: skip
@click.option("--unit", metavar="U", help="What IN's coordinates count, where it does not show.")
@click.option(
    "--pick-voxel-size", type=float, metavar="A",
    help="Coordinates count voxels of this size, Angstrom: picked in another binning.",
)  # fmt: skip
@click.option(
    "--relion-centre", type=click.Choice(["half", "half-minus-one"]), default="half",
    show_default=True, help="Where centred coordinates count from, on whichever side has them.",
)  # fmt: skip
@click.option(
    "--voxel-size", type=float, metavar="A",
    help="Of the tomograms, Angstrom; with --tomograms it overrules the files.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the account as one JSON object.")
@click.pass_context
def convert(
    context: click.Context,
    source: Path,
    target: Path,
    dialect: str,
    tomograms: tuple[str, ...],
    unit: str | None,
    pick_voxel_size: float | None,
    relion_centre: str,
    voxel_size: float | None,
    as_json: bool,
) -> None:
    """Write the particles of IN to OUT in another dialect, and say what changed.

    IN may be a folder of lists. OUT may hold {tomogram} and {class}, which makes a file of each, or
    be a folder where a dialect keeps one tomogram a file (copick, portal, coords, em, dynamo).
    Every column that the target can carry goes along, the others into OUT.columns.tsv. OUT is read
    again and its positions are compared with those of IN.
    """
    import math
    from dataclasses import asdict
    from typing import Any

    from cryoal.cli.common import print_json
    from cryoal.core.errors import CryoalError
    from cryoal.io.convert import convert_file
    from cryoal.io.tomograms import read_tomograms

    options: dict[str, Any] = {
        "unit": unit,
        "pick_voxel_size": pick_voxel_size,
        "relion_centre": relion_centre,
    }
    found = None
    if tomograms:
        found = read_tomograms(tomograms, voxel_size=voxel_size, need_volumes=False)
    elif voxel_size is not None and not (math.isfinite(voxel_size) and voxel_size > 0):
        raise CryoalError(f"--voxel-size {voxel_size:g}: a positive number of Angstrom is needed")
    audit = convert_file(source, target, dialect, found, voxel_size=voxel_size, **options)
    if as_json:
        print_json(asdict(audit))
        context.exit(3 if audit.left_out else 0)
    several = f" in {audit.files_in} files" if audit.files_in > 1 else ""
    click.echo(f"read      {audit.rows_in} particles{several}: {audit.dialect_in}, {audit.unit_in}")
    click.echo(f"because   {audit.evidence}")
    many = f" in {audit.files_out} files" if (audit.target, audit.files_out) != (target, 1) else ""
    click.echo(f"written   {audit.rows_out} particles{many}: {audit.dialect_out}, {audit.unit_out}")
    if many:
        click.echo(f"as        {audit.target}")
    click.echo(f"moved by  at most {audit.largest_change:.2g} A, after reading {target} again")
    if audit.columns_left:
        columns = ", ".join(audit.columns_left[:6])
        more = f" and {len(audit.columns_left) - 6} more" if len(audit.columns_left) > 6 else ""
        click.echo(f"beside    {columns}{more}: no place in {dialect}, kept in {audit.side_table}")
    for name, count in audit.left_out.items():
        click.echo(f"left out  {count} particles of {name}, a tomogram that was not given")
    if audit.left_out:
        context.exit(3)
