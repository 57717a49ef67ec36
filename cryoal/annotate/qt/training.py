"""Training and selecting in another process, with progress in napari's activity dock."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.utils import progress
from qtpy.QtCore import QObject, QProcess


class Training(QObject):
    """One training at a time; labelling goes on meanwhile.

    Parameters
    ----------
    owner : QObject
        The process ends with it.
    tell : callable (sentence, failed)
        Called when something is to be said; at the end with what came of it.
    """

    def __init__(self, owner: QObject, tell: Callable[[str, bool], None]) -> None:
        super().__init__(owner)
        self._tell = tell
        self._process: QProcess | None = None
        self._bar: Any = None
        self._result: dict[str, Any] = {}
        self._cancelled = False

    @property
    def running(self) -> bool:
        """Whether a training is under way."""
        return self._process is not None

    def start(self, root: Path) -> None:
        """Begin; a second call while one is under way does nothing."""
        if self._process is not None:
            return
        self._result, self._cancelled = {}, False
        self._bar = progress(total=0, desc="cryoal: getting ready")
        process = self._process = QProcess(self)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._failed_to_start)
        process.start(
            sys.executable, ["-W", "ignore", "-m", "cryoal.annotate.select_again", str(root)]
        )
        self._tell("Training; go on labelling meanwhile.", False)

    def cancel(self) -> None:
        """Stop; what was trained so far is kept for the next time."""
        if self._process is not None:
            self._cancelled = True
            self._process.kill()

    def _read(self) -> None:
        process = self._process
        while process is not None and process.canReadLine():
            line = bytes(process.readLine().data())
            try:
                facts = json.loads(line)
            except ValueError:  # a library that talks
                continue
            if "total" in facts:
                self._advance(int(facts["done"]), int(facts["total"]))
            else:
                self._result = facts

    def _advance(self, done: int, total: int) -> None:
        if self._bar.total != total:
            self._bar.set_description("cryoal: training and selecting")
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def _failed_to_start(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._finished()

    def _finished(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        self._read()
        errors = bytes(process.readAllStandardError().data()).decode(errors="replace")
        self._process = None
        process.deleteLater()
        self._bar.close()
        self._bar = None
        self._tell(*self._sentence(errors))

    def _sentence(self, errors: str) -> tuple[str, bool]:
        if self._cancelled:
            return "Training stopped; it goes on from here the next time.", False
        if "problem" in self._result:
            return self._result["problem"], True
        if "asked" not in self._result:
            last = errors.strip().splitlines()[-1:] or ["the process ended without a word"]
            return f"Training failed: {last[0]}; run cryoal select to see more", True
        if not self._result["asked"]:
            return "No particle is left to ask about. Next: cryoal export", False
        if not self._result["new"]:
            return "Nothing new was said since the last training: the queue stays.", False
        return f"{self._result['new']} new particles to look at.", False
