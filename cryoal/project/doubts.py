"""What labels are short of, said before somebody wonders about the predictions."""

from collections import Counter
from collections.abc import Mapping

#: A class of fewer labels is hardly learnt: its head is one particle's noise.
FEW = 3


def doubts(labels: Mapping[str, str]) -> list[str]:
    """Sentences on ``{id: label}``: one class alone, classes of few labels, two spellings."""
    counts = Counter(labels.values())
    said = []
    if len(counts) == 1:
        said.append(
            f"A classifier needs a second class: all labels are {next(iter(counts))!r} "
            "(junk counts as one)."
        )
    few = [f"{name} ({n})" for name, n in sorted(counts.items()) if n < FEW]
    if few and len(counts) > 1:
        said.append(f"Few labels of {', '.join(few)}: believe what is predicted of it with more.")
    spellings: dict[str, list[str]] = {}
    for name in sorted(counts):
        spellings.setdefault(name.casefold(), []).append(name)
    said += [
        f"{' and '.join(map(repr, names))} are kept as different classes; if they are one, label "
        "their particles again under one name."
        for names in spellings.values()
        if len(names) > 1
    ]
    return said
