"""``cryoal select``, ``train`` and ``predict``: one round of learning, in parts or as a whole."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import json_option, print_json, progress, project_argument, say, seed_option

_mine = "or your own code, as file.py:Name; default: that of cryoal.toml."
network_option = click.option("--network", help=f"The teacher's network, {_mine}")
student_option = click.option("--student", help=f"The student's network, {_mine}")


@click.command()
@project_argument
@click.option("-n", "n", type=int, help="How many particles, random controls included. [50]")
@click.option("--acquisition", help="How to choose; default: what measured best.")
@network_option
@student_option
@seed_option
@json_option
def select(
    project: Path,
    n: int | None,
    acquisition: str | None,
    network: str | None,
    student: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Choose the particles that teach most; trains and predicts first if labels changed.

    Writes rounds/NNN/queries.star. Without any label the first particles are chosen to be
    typical and different. Asking again with nothing new gives the same list; a larger -n
    makes it longer.
    """
    from cryoal.project.doubts import doubts
    from cryoal.project.project import Project

    opened = Project.open(project)
    with progress("done") as bar:
        queue = opened.select(n, acquisition, seed, bar, network=network, student=student)
    for doubt in doubts(opened.labels.current()):
        say(doubt)
    path = opened.layout.round(opened.newest_queue_number).queries
    if as_json:
        print_json(
            {
                "round": opened.newest_queue_number,
                "acquisition": queue.acquisition,
                "seed": queue.seed,
                "queries": str(path),
                "ids": queue.ids,
                "controls": queue.controls,
            }
        )
    if not len(queue):
        say(f"No particle is left to ask about. Next: cryoal export {project}")
        return
    say(
        f"{len(queue)} particles to look at ({queue.acquisition}, {len(queue.controls)} of them "
        f"random controls): {path}. Next: cryoal annotate {project}, or label them, then "
        f"cryoal label {project} --from labels.tsv"
    )


@click.command()
@project_argument
@click.option(
    "--from-scratch",
    is_flag=True,
    help="Start from random weights instead of those pretrained on simulated tomograms.",
)
@network_option
@student_option
def train(project: Path, from_scratch: bool, network: str | None, student: str | None) -> None:
    """Train teacher and student on today's labels; goes on where it was interrupted."""
    from cryoal.project.project import Project

    with progress("done") as bar:
        done = Project.open(project).train(
            bar, from_scratch=from_scratch, network=network, student=student
        )
    say(f"Round {done.number} is trained: {done.teacher}. Next: cryoal predict {project}")


@click.command()
@project_argument
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True),
    help="Another project, a round's folder or a teacher.safetensors; default: the newest round.",
)
@click.option("--network", help="Your own code, if the teacher's file names it: lets it run.")
@click.option("--student", help="The same for the student's file.")
def predict(project: Path, model: Path | None, network: str | None, student: str | None) -> None:
    """Predict every particle with teacher and student."""
    from cryoal.project.project import Project

    with progress("particles") as bar:
        opened = Project.open(project)
        predictions = opened.predict(model, bar, network=network, student=student)
    unknown = set(opened.labels.current().values()) - set(predictions.classes)
    if unknown:
        say(f"This model knows no {', '.join(sorted(unknown))}, which people named here.")
    classes = ", ".join(predictions.classes)
    say(f"{len(predictions)} particles predicted as {classes}. Next: cryoal export {project}")
