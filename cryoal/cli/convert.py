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
    "--relion-centre", type=click.Choice(["half", "half-minus-one"]), default="half",
    show_default=True, help="Where centred coordinates count from, on whichever side has them.",
)  # fmt: skip
@click.pass_context
def convert(
    context: click.Context,
    source: Path,
    target: Path,
    dialect: str,
    tomograms: tuple[str, ...],
    unit: str | None,
    relion_centre: str,
) -> None:
    """Write the particles of IN to OUT in another dialect, and say what changed.

    Every column that the target can carry goes along. OUT is read again and its positions are
    compared with those of IN.
    """
    from cryoal.io.convert import convert_file
    from cryoal.io.tomograms import read_tomograms

    found = read_tomograms(tomograms, need_volumes=False) if tomograms else None
    audit = convert_file(
        source, target, dialect, found, unit=unit, relion_centre=relion_centre
    )  # fmt: skip
    click.echo(f"read      {audit.rows_in} particles: {audit.dialect_in}, {audit.unit_in}")
    click.echo(f"because   {audit.evidence}")
    click.echo(f"written   {audit.rows_out} particles: {audit.dialect_out}, {audit.unit_out}")
    click.echo(f"moved by  at most {audit.largest_change:.2g} A, after reading {target} again")
    for name, count in audit.left_out.items():
        click.echo(f"left out  {count} particles of {name}, a tomogram that was not given")
    if audit.left_out:
        context.exit(3)
