"""What was done to a project, when, with what: one line of JSON a command."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from cryoal.core.version import __version__
from cryoal.io.files import unwritable
from cryoal.project.layout import Layout

log = logging.getLogger(__name__)


def write(layout: Layout, command: str, arguments: dict[str, Any], began: float) -> None:
    """Add a line to ``log.jsonl``; where the project can only be read, say that there is none.

    Parameters
    ----------
    began : float
        ``time.monotonic()`` when the command began.
    """
    entry = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "command": command,
        "arguments": arguments,
        "seconds": round(time.monotonic() - began, 2),
    }
    try:
        with layout.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=str) + "\n")
    except OSError as problem:
        if not unwritable(problem):
            raise
        log.info("%s: can only be read, so this command is not noted there", layout.log)
