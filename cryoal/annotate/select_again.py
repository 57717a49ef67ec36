"""A process of its own that trains and selects while labelling goes on: ``python -m ... PROJECT``.

It says on stdout, a JSON object a line, how far it is (``done``, ``total``), and last what came of
it: ``asked`` and ``new`` (numbers of particles), or ``problem`` (a sentence). It may be killed at
any time: training goes on from where it was, and every file is written whole or not at all.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError
from cryoal.project.project import Project

#: Seconds between two words about progress.
EVERY = 0.1


def select_again(root: Path, say: Any) -> dict[str, Any]:
    """Train on today's labels and ask again.

    Parameters
    ----------
    say : callable (done, total)
    """
    project = Project.open(root)
    before = project.queue
    queue = project.select(progress=say)
    known = set() if before is None else set(before.ids)
    return {"asked": len(queue), "new": len(set(queue.ids) - known)}


def main() -> None:
    """Run as a program; ends when whoever started it ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    last = 0.0

    def say(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY or done == total:
            last = time.monotonic()
            _write({"done": done, "total": total})

    try:
        _write(select_again(Path(sys.argv[1]), say))
    except CryoalError as problem:
        _write({"problem": " ".join(str(problem).split())})


def _write(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
