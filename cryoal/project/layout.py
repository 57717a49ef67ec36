"""Where everything of a project lies; every path is named here and nowhere else."""

import re
from dataclasses import dataclass
from pathlib import Path

from cryoal.core.errors import CryoalError
from cryoal.io.names import LONGEST_NAME, safe_name

SETTINGS = "cryoal.toml"

#: The one way in which ``Layout.round`` writes a number: other digits, and 07 beside 007, are none.
_ROUND = re.compile("[0-9]{3}|[1-9][0-9]{3,8}")


@dataclass(frozen=True)
class RoundLayout:
    """The files of one round; which exist is its state."""

    folder: Path

    @property
    def number(self) -> int:
        """The round's number."""
        return int(self.folder.name)

    @property
    def settings(self) -> Path:
        """What this round was trained with."""
        return self.folder / "settings.toml"

    @property
    def labels(self) -> Path:
        """The labels it was trained on: id, label."""
        return self.folder / "labels.tsv"

    @property
    def training(self) -> Path:
        """State to resume training from; gone when training is done."""
        return self.folder / "training.safetensors"

    @property
    def teacher(self) -> Path:
        """The classifier."""
        return self.folder / "teacher.safetensors"

    @property
    def student(self) -> Path:
        """The network that learnt from it."""
        return self.folder / "student.safetensors"

    @property
    def history(self) -> Path:
        """One line of JSON every few training steps."""
        return self.folder / "history.jsonl"

    @property
    def predictions(self) -> Path:
        """What both networks think of every particle."""
        return self.folder / "predictions" / "predictions.safetensors"

    @property
    def scores(self) -> Path:
        """How good the classifier is, as far as labels tell."""
        return self.folder / "scores.json"

    @property
    def queries(self) -> Path:
        """Which particles to ask about."""
        return self.folder / "queries.star"


@dataclass(frozen=True)
class Layout:
    """The files of a project."""

    root: Path

    @property
    def settings(self) -> Path:
        """The one file people edit."""
        return self.root / SETTINGS

    @property
    def pretrained(self) -> Path:
        """Weights that rounds start from instead of the shipped ones, where there are any."""
        return self.root / "pretrained.safetensors"

    @property
    def particles(self) -> Path:
        """Every particle, as read, plus cryoalId."""
        return self.root / "particles.star"

    @property
    def tomograms(self) -> Path:
        """Every tomogram."""
        return self.root / "tomograms.star"

    @property
    def subtomograms(self) -> Path:
        """Stacks of boxes and their index."""
        return self.root / "subtomograms"

    @property
    def left_out(self) -> Path:
        """Every particle not extracted, with the reason."""
        return self.root / "left_out.tsv"

    @property
    def labels(self) -> Path:
        """The ledgers."""
        return self.root / "labels"

    @property
    def weak(self) -> Path:
        """What lists say of particles; beside the ledgers, since no person said it."""
        return self.root / "weak.tsv"

    @property
    def classes(self) -> Path:
        """Order and colours of the classes, for those who label."""
        return self.labels / "classes.toml"

    @property
    def rounds(self) -> Path:
        """One folder a round."""
        return self.root / "rounds"

    @property
    def export(self) -> Path:
        """Default folder of ``cryoal export``."""
        return self.root / "export"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    @property
    def log(self) -> Path:
        """One line of JSON a command."""
        return self.root / "log.jsonl"

    @property
    def lock(self) -> Path:
        """Held while a command changes the project."""
        return self.root / ".lock"

    @property
    def cache(self) -> Path:
        """Compressed tomograms, unpacked; hidden, and made again when deleted."""
        return self.root / ".cache"

    def stack(self, tomogram: str) -> Path:
        """Boxes of one tomogram."""
        return self.subtomograms / f"{safe_name(tomogram)}.mrc"

    def ledger(self, annotator: str) -> Path:
        """Statements of one annotator.

        Raises
        ------
        CryoalError
            The name is too long for a file's: cut off, it could be another's.
        """
        if len(annotator.encode("utf-8", errors="replace")) > LONGEST_NAME:
            raise CryoalError(
                f"annotator {annotator[:20]!r}... has over {LONGEST_NAME} bytes; shorten the name"
            )
        return self.labels / f"{safe_name(annotator)}.tsv"

    def round(self, number: int) -> RoundLayout:
        """Files of one round."""
        return RoundLayout(self.rounds / f"{number:03d}")

    def existing_rounds(self) -> list[RoundLayout]:
        """Rounds that have a folder, oldest first; folders of other names are the user's own.

        Raises
        ------
        CryoalError
            A file stands where a round's folder would.
        """
        if not self.rounds.exists():
            return []
        if not self.rounds.is_dir():
            raise CryoalError(f"{self.rounds}: is a file, a folder was expected; move it away")
        entries = sorted(entry for entry in self.rounds.iterdir() if _ROUND.fullmatch(entry.name))
        for entry in entries:
            if not entry.is_dir():
                raise CryoalError(f"{entry}: is a file, a round is a folder; move it away")
        return sorted(map(RoundLayout, entries), key=lambda found: found.number)

    @property
    def next_round(self) -> RoundLayout:
        """The round that is yet to be."""
        return self.round(max((r.number for r in self.existing_rounds()), default=0) + 1)


def refuse_own(layout: Layout, path: Path) -> None:
    """Refuse to write over a file of the project itself; ``export/`` is there to be written to.

    Raises
    ------
    CryoalError
        Names it.
    """
    place, root = path.resolve(), layout.root.resolve()
    inside = root in place.parents and layout.export.resolve() not in place.parents
    single = {layout.settings, layout.pretrained, layout.particles, layout.tomograms,
              layout.left_out, layout.weak, layout.log, layout.lock}  # fmt: skip
    kept = (layout.subtomograms, layout.labels, layout.rounds, layout.cache)
    if inside and (
        place in {one.resolve() for one in single}
        or any(folder.resolve() in place.parents for folder in kept)
    ):
        raise CryoalError(f"{path}: belongs to the project itself; name another file")


def refuse_collisions(names: list[str]) -> None:
    """Refuse two names that would share a file, also where upper and lower case are one.

    Raises
    ------
    CryoalError
        Names both.
    """
    taken: dict[str, str] = {}
    for name in names:
        other = taken.setdefault(safe_name(name).lower(), name)
        if other != name:
            raise CryoalError(
                f"tomograms {other!r} and {name!r} would share the file {safe_name(name)}.mrc; "
                "rename one of them"
            )
