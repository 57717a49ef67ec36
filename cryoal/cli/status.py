"""``cryoal status`` and ``cryoal report``: where a project stands."""

from pathlib import Path
from typing import Any

import rich_click as click

from cryoal.cli.common import close_labels, json_option, print_json, project_argument, say


@click.command()
@project_argument
@json_option
def status(project: Path, as_json: bool) -> None:
    """Say what there is, how good it is, and what to do next."""
    from cryoal.project.project import Project
    from cryoal.project.status import status as status_of

    facts = status_of(Project.open(project))
    if as_json:
        print_json(facts)
        return
    classes = ", ".join(f"{name} {n}" for name, n in facts["classes"].items()) or "none yet"
    click.echo(
        f"{facts['extracted']} of {facts['particles']} particles extracted from "
        f"{facts['tomograms']} tomograms (box {facts['box']} at {facts['voxel_size']:g} A)"
    )
    click.echo(f"{facts['labels']} labels: {classes}; {facts['unsure']} unsure")
    for line in (*facts["doubts"], *facts["weak_said"]):
        click.echo(line)
    if facts["disputed"]:
        click.echo(facts["disputed_said"])
    for pair in facts["between_annotators"]:
        click.echo(_between(pair))
    if facts["adrift"]:
        click.echo(
            f"{facts['adrift']} more {'has' if facts['adrift'] == 1 else 'have'} no particle any "
            "more; kept, to count again when one is picked there"
        )
    controls = facts["controls"]
    if controls["answered"]:
        low, high = controls["interval"]
        click.echo(
            f"Accuracy on random controls ({controls['answered']}): {controls['accuracy']:.0%} "
            f"(95 % interval {low:.0%} to {high:.0%})"
        )
    if facts["self_agreement"]["repeated"]:
        click.echo(_self_agreement(facts["self_agreement"]))
    if facts["predicted"]:
        alone = ", of weak labels alone," if facts["weak_alone"] else ""
        click.echo(f"Round {facts['round']}{alone} predicts: {facts['rows_said']}")
    if facts["labelled_close"]:
        click.echo(close_labels(facts["labelled_close"]))
    if facts["behind"]:
        click.echo(f"{facts['behind']}.")
    click.echo(facts["next"])


def _between(pair: dict[str, Any]) -> str:
    one, other = pair["annotators"]
    kappa = "" if pair["kappa"] is None else f" (kappa {pair['kappa']:.2f})"
    return f"{one} and {other} name {pair['same']} of {pair['both']} particles alike{kappa}"


def _self_agreement(facts: dict[str, Any]) -> str:
    (low, high), (least, most) = facts["interval"], facts["ceiling_interval"]
    return (
        f"Named alike twice: {facts['same']} of {facts['repeated']} repeats, {facts['share']:.0%} "
        f"(95 % interval {low:.0%} to {high:.0%}); measured against these labels, no classifier "
        f"can be right more often than {facts['ceiling']:.0%} ({least:.0%} to {most:.0%})"
    )


@click.command()
@project_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: report.html there.")
def report(project: Path, output: Path | None) -> None:
    """Write report.html: classes, pictures, what is asked next, what was left out."""
    from cryoal.project.project import Project
    from cryoal.project.reporting import write_report

    say(f"Open {write_report(Project.open(project), output=output)}")
