"""``cryoal benchmark``: strategies against a known truth."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import progress, project_argument, say


@click.command()
@project_argument
@click.option(
    "--truth",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="TSV with columns id and label.",
)
@click.option(
    "--acquisitions",
    default="default,random",
    show_default=True,
    help="Names, with commas; default is what select takes, full trains on every label.",
)
@click.option(
    "--start",
    type=click.IntRange(min=2),
    default=50,
    show_default=True,
    help="First labels, at random.",
)
@click.option(
    "--step", type=click.IntRange(min=1), default=50, show_default=True, help="Labels a round."
)
@click.option(
    "--rounds",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    help="Rounds after the first.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Paired repetitions."
)
@click.option(
    "--oracle-error",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Mean share of wrong answers, on the particles of smallest margin.",
)
@click.option(
    "--max-steps", type=click.IntRange(min=1), help="Optimiser steps of every training, at most."
)
@click.option("--workers", "-j", type=click.IntRange(min=1), help="Processes; default: all cores.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the results."
)
def benchmark(
    project: Path,
    truth: Path,
    acquisitions: str,
    start: int,
    step: int,
    rounds: int,
    seeds: int,
    oracle_error: float,
    max_steps: int | None,
    workers: int | None,
    output: Path,
) -> None:
    """Measure how much accuracy each strategy buys with the same number of labels.

    Writes results.tsv (a row a strategy, seed and round), summary.tsv and report.html;
    interrupted, it goes on where it was.
    """
    from cryoal.io.tsv import write_tsv
    from cryoal.project.benchmark import Plan, run
    from cryoal.project.project import Project
    from cryoal.project.training import schedule_for
    from cryoal.report.benchmark import summarise, write_benchmark_page

    settings = Project.open(project).settings.train
    plan = Plan(
        project,
        truth,
        output,
        [name.strip() for name in acquisitions.split(",") if name.strip()],
        start,
        step,
        rounds,
        seeds,
        oracle_error,
        schedule_for(settings.model_copy(update={"max_steps": max_steps or settings.max_steps})),
    )
    with progress("strategies and seeds") as bar:
        results = run(plan, workers, bar)
    summary = summarise(results)
    write_tsv(output / "summary.tsv", summary)
    write_benchmark_page(output / "report.html", results)
    click.echo(summary.to_string(index=False))
    say(f"{len(results)} rows in {output / 'results.tsv'}; open {output / 'report.html'}")
