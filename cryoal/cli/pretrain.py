"""``cryoal pretrain``: teach the starting weights what a lab is looking for."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import progress, project_argument, say, seed_option, workers_option


@click.command()
@project_argument
@click.option(
    "--templates",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of maps (.mrc, .map, .em) and structures (.pdb, .cif, .bcif) of what to expect.",
)
@click.option("--scenes", type=int, default=60, show_default=True, help="Simulated arrangements.")
@seed_option
@workers_option
def pretrain(project: Path, templates: Path, scenes: int, seed: int, workers: int | None) -> None:
    """Train the starting weights on simulated tomograms of your own templates.

    Particles of the templates are simulated beside made-up ones at the project's voxel size;
    rounds start from the new weights (pretrained.safetensors) from then on. Delete that file to
    go back to the shipped ones.
    """
    from cryoal.project.pretraining import pretrain_project
    from cryoal.project.project import Project

    opened = Project.open(project)
    with progress("scenes") as bar:
        outcome = pretrain_project(opened, templates, scenes, seed, workers, bar)
    say(
        f"{opened.layout.pretrained}: names {outcome.accuracy:.0%} of held-out simulated "
        f"particles rightly. Next: cryoal select {project}"
    )
