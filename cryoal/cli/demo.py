"""``cryoal demo``: the whole job on simulated tomograms, in under three minutes."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import say, seed_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("cryoal-demo"))
@seed_option
def demo(folder: Path, seed: int) -> None:
    """Simulate tomograms, extract, learn in rounds, export and report, in FOLDER."""
    from cryoal.project.demo import run

    result = run(folder, seed, say)
    say("Accuracy by the truth, on particles that were never asked about:")
    click.echo(result.table.to_string(index=False))
    say(f"Particles with class and confidence: {result.exported}")
    say(f"Open {result.report}")
