"""``cryoal benchmark``: strategies and trainings against a known truth."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import progress, project_argument, say, workers_option

#: Columns of the summary that fit on a terminal; summary.tsv has them all.
SHOWN = ["acquisition", "recipe", "labels", "accuracy", "macro_f1", "area", "gain", "labels_95"]

_positive, _error = click.IntRange(min=1), click.FloatRange(0, 0.5)


def _names(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
    """Names parted by commas, each once."""
    return list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


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
    default="default,random,stratified,score",
    show_default=True,
    callback=_names,
    help="Names, with commas; default is what select takes, full trains on every label.",
)
@click.option(
    "--recipes",
    default="project",
    show_default=True,
    callback=_names,
    help="Ways to train, with commas, each crossed with every acquisition: project (as in "
    "cryoal.toml), pretrained, scratch, compact, twins, labels_only, average, or TOML files.",
)
@click.option(
    "--start",
    type=click.IntRange(min=2),
    default=50,
    show_default=True,
    help="First labels.",
)
@click.option(
    "--start-with",
    type=click.Choice(["random", "cold_start"]),
    default="random",
    show_default=True,
    help="How the first particles are chosen, alike for every strategy.",
)
@click.option("--step", type=_positive, default=50, show_default=True, help="Labels a round.")
@click.option(
    "--rounds",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    help="Rounds after the first.",
)
@click.option("--seeds", type=_positive, default=3, show_default=True, help="Paired repetitions.")
@click.option(
    "--subpool",
    type=_positive,
    help="Rank only this many random particles, the same for all; default: as in cryoal.toml.",
)
@click.option(
    "--oracle-error",
    type=_error,
    default=0.0,
    show_default=True,
    help="Mean share of wrong answers, on the particles that are hard to tell.",
)
@click.option(
    "--oracle-unsure",
    type=_error,
    default=0.0,
    show_default=True,
    help='Mean share of "unsure" answers, on the same particles.',
)
@click.option(
    "--full/--no-full",
    default=True,
    show_default=True,
    help="Train once on every label too (full.tsv), the target that labels are counted to.",
)
@click.option("--max-steps", type=_positive, help="Optimiser steps of every training, at most.")
@workers_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the results."
)
def benchmark(
    project: Path,
    truth: Path,
    acquisitions: list[str],
    recipes: list[str],
    start: int,
    start_with: str,
    step: int,
    rounds: int,
    seeds: int,
    subpool: int | None,
    oracle_error: float,
    oracle_unsure: float,
    full: bool,
    max_steps: int | None,
    workers: int | None,
    output: Path,
) -> None:
    """Measure how much accuracy each strategy buys with the same number of labels.

    Writes results.tsv (a row a strategy, recipe, seed and round), full.tsv, scores.tsv,
    summary.tsv and report.html; interrupted, it goes on where it was.
    """
    from cryoal.io.tsv import write_tsv
    from cryoal.project.benchmark import Plan, full_rows, run, score_rows
    from cryoal.report.benchmark import summarise, write_benchmark_page

    plan = Plan(
        project,
        truth,
        output,
        acquisitions,
        start,
        step,
        rounds,
        seeds,
        oracle_error,
        oracle_unsure=oracle_unsure,
        recipes=recipes,
        max_steps=max_steps,
        full=full,
        start_with=start_with,
        subpool=subpool,
    )
    with progress("strategies and seeds") as bar:
        results = run(plan, workers, bar)
    every_label, scores = full_rows(plan), score_rows(plan)
    summary = summarise(results, full=every_label)
    write_tsv(output / "summary.tsv", summary)
    said = [
        f"{share:.0%} of the answers {kind}"
        for share, kind in ((oracle_error, "wrong"), (oracle_unsure, "unsure"))
        if share
    ]
    write_benchmark_page(output / "report.html", results, every_label, scores, note=", ".join(said))
    shown = summary[[name for name in SHOWN if name in summary]]
    click.echo(shown.to_string(index=False, na_rep="-"))
    say(f"{len(results)} rows in {output / 'results.tsv'}; open {output / 'report.html'}")
