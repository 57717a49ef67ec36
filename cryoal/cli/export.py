"""``cryoal export``: every particle with class and confidence, in the dialect it came in."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import close_labels, project_argument, say


@click.command()
@project_argument
@click.option("--to", "dialect", help="Dialect; default: the one the particles came in.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file; or a name with {tomogram} and "
    "{class}, or a folder, for a file of each. Default: export/ there.",
)
@click.option("--class", "only_class", help="Only particles of this class.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Only particles at least this certain, 0 to 1.",
)
@click.option(
    "--min-distance",
    type=click.FloatRange(min=0),
    help="Of particles of one class closer than this, Angstrom, the most confident stays; default: "
    "half the diameter of the class, 0 keeps all.",
)
def export(
    project: Path,
    dialect: str | None,
    output: Path | None,
    only_class: str | None,
    min_confidence: float | None,
    min_distance: float | None,
) -> None:
    """Write every input row, its columns unchanged, with class, confidence and status.

    Without --class or --min-confidence every row is there and duplicates are marked in
    cryoalStatus; with one of them duplicates are left out, and what is left out is counted.
    """
    from cryoal.project.project import Project
    from cryoal.project.stopping import behind

    opened = Project.open(project)
    result = opened.export(
        output,
        dialect=dialect,
        only_class=only_class,
        min_confidence=min_confidence,
        min_distance=min_distance,
    )
    news = behind(opened)
    if news:
        say(f"{news}: cryoal select {project} learns from all there is; then export again.")
    if result.labelled_close:
        say(f"{close_labels(result.labelled_close)}.")
    if result.omitted:
        why = ", ".join(f"{n} {reason}" for reason, n in result.omitted.items())
        say(f"Left out of {result.rows + sum(result.omitted.values())} rows: {why}.")
    many = f"{result.files} files, " if result.files != 1 else ""
    say(
        f"{result.rows} rows in {many}{result.path} ({result.tally.sentence()}); class numbers in "
        f"{result.legend}."
    )
