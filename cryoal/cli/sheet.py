"""``cryoal sheet``: the queue as a page to label in any browser."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import progress, project_argument, say


@click.command()
@project_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("sheet.html"),
    show_default=True,
    help="The page to write.",
)
@click.option("--annotator", default="", help="Name to begin with; the page lets you change it.")
@click.option(
    "--context/--no-context",
    "with_context",
    default=True,
    show_default=True,
    help="Show each particle in its tomogram as well.",
)
def sheet(project: Path, output: Path, annotator: str, with_context: bool) -> None:
    """Write the newest queue as one HTML page: label in any browser, without a network."""
    from cryoal.annotate.sheet import write_sheet
    from cryoal.project.project import Project

    opened = Project.open(project)
    with progress("Drawing particles") as draw:
        written = write_sheet(
            opened, output, annotator=annotator, with_context=with_context, progress=draw
        )
    alone = written.without_context
    missing = f", {alone} of them without their tomogram, which cannot be read" if alone else ""
    if written.gone:
        missing += f", {written.gone} more have no box any more"
    if written.trouble:
        say(f"{written.trouble}.")
    say(
        f"Wrote {written.path}: {written.particles} particles{missing}, "
        f"{written.bytes / 1e6:.1f} MB. Open it in a browser, label, download, then: "
        f"cryoal label {project} --from FILE"
    )
