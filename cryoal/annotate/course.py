"""The way through a queue: which question is asked, which are open, what was skipped."""

from collections.abc import Sequence

from cryoal.annotate.schedule import Item
from cryoal.annotate.statements import Statements


class Course:
    """Questions in their order, and the one that is asked.

    Parameters
    ----------
    items : sequence of Item
    said : Statements
        What answers them.
    """

    def __init__(self, items: Sequence[Item], said: Statements) -> None:
        self.items = list(items)
        self._said = said
        self._passed: set[Item] = set()
        self.at: int | None = None
        self.advance()

    @property
    def item(self) -> Item | None:
        """What is asked; None when nothing is left."""
        return None if self.at is None else self.items[self.at]

    @property
    def open(self) -> list[Item]:
        """What will still be asked, the next one first, without the one that is asked now."""
        start = 0 if self.at is None else self.at + 1
        order = [*range(start, len(self.items)), *range(start)]
        return [self.items[i] for i in order if self.is_open(self.items[i]) and i != self.at]

    @property
    def answered(self) -> int:
        """How many questions have an answer."""
        return sum(self.answer(item) is not None for item in self.items)

    @property
    def remaining(self) -> int:
        """How many will still be asked; what was skipped is not."""
        return sum(self.is_open(item) for item in self.items)

    @property
    def skipped(self) -> int:
        """How many were passed over and not answered since."""
        return sum(self.answer(item) is None for item in self._passed & set(self.items))

    def answer(self, item: Item) -> str | None:
        """Last standing answer to a question."""
        return self._said.at((item.id, item.round, item.repeat))

    def is_open(self, item: Item) -> bool:
        """Whether to ask this of one's own accord; a repeat only after its first time."""
        if item in self._passed or self.answer(item) is not None:
            return False
        return not item.repeat or self._said.at((item.id, item.round, False)) is not None

    def advance(self) -> None:
        """Ask the next open question, after the last from the beginning again."""
        start = 0 if self.at is None else self.at + 1
        order = [*range(start, len(self.items)), *range(min(start, len(self.items)))]
        self.at = next((i for i in order if self.is_open(self.items[i])), None)

    def pass_over(self) -> None:
        """Leave the question open, and do not ask it again of one's own accord."""
        if self.item is not None:
            self._passed.add(self.item)

    def take_up(self) -> None:
        """Forget that the question was passed over: it has an answer now."""
        if self.item is not None:
            self._passed.discard(self.item)

    def go_to(self, index: int) -> None:
        """Ask this question, answered or not."""
        if not 0 <= index < len(self.items):
            raise IndexError(f"question {index} of {len(self.items)}")
        self.at = index

    def ask(self, item: Item) -> None:
        """Ask this; what is no question of this course becomes one, in front of the present."""
        if item not in self.items:
            self.items.insert(0 if self.at is None else self.at, item)
        self.at = self.items.index(item)

    def next(self) -> None:
        """Ask the next one, answered or not; at the last one it stays."""
        if self.at is not None and self.at + 1 < len(self.items):
            self.at += 1

    def previous(self) -> None:
        """Ask the one before; when all is answered, the last."""
        if self.items:
            self.at = len(self.items) - 1 if self.at is None else max(self.at - 1, 0)
