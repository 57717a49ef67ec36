"""``cryoal annotate``: label the queue in napari."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import annotator_option, project_argument, release, say


@click.command()
@project_argument
@annotator_option
def annotate(project: Path, annotator: str | None) -> None:
    """Open napari and answer the newest queue, by keys or by clicks.

    Every answer is on the disk before the next particle is shown.
    """
    from cryoal.annotate.launch import check_window, run
    from cryoal.project.project import Project

    Project.open(project)
    check_window()
    release()
    session = run(project, annotator).session
    if session is not None:
        answered, total = session.progress
        say(
            f"{answered} of {total} answered by {session.annotator}; {session.agreement}. "
            f"Next: cryoal select {project}"
        )
