"""A project's page: what it holds, what the classifier thinks, and how good it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryoal.core.version import __version__
from cryoal.project.exporting import Classified
from cryoal.project.layout import refuse_own
from cryoal.project.status import status
from cryoal.report.figures import class_counts, uncertainty_histogram
from cryoal.report.montage import class_montage
from cryoal.report.page import Card, Section, write_page
from cryoal.report.tables import counts_table

if TYPE_CHECKING:
    from cryoal.project.project import Project

#: Pictures a class in the montage.
PICTURES = 8


def write_report(
    project: "Project", more: Sequence[Section] = (), output: Path | None = None
) -> Path:
    """Write the page of a project.

    Parameters
    ----------
    more : sequence of Section
        Put first: learning curves of a benchmark, where there is one.
    output : Path, optional
        Default ``report.html`` in the project.
    """
    path = output or project.layout.report
    refuse_own(project.layout, path)
    facts = status(project)
    sections = [
        *more,
        *_classes(project, facts),
        *_self_agreement(facts),
        *_between_annotators(facts),
        *_weak(facts),
        *_queue(project),
        _left_out(project),
    ]
    write_page(
        path,
        project.layout.root.resolve().name,
        sections,
        subtitle=f"{facts['extracted']} subtomograms of {facts['box']} voxels at "
        f"{facts['voxel_size']:g} A from {facts['tomograms']} tomograms",
        cards=_cards(facts),
        footer=f"cryoal {__version__}. {facts['next']}",
    )
    return path


def _cards(facts: dict[str, Any]) -> list[Card]:
    cards = [
        Card("Particles", str(facts["particles"]), f"{facts['left_out']} left out"),
        Card("Labels", str(facts["labels"]), _labels_note(facts)),
        Card("Rounds", str(facts["round"])),
    ]
    controls = facts["controls"]
    if controls["answered"]:
        low, high = controls["interval"]
        cards.append(
            Card(
                "Accuracy",
                f"{controls['accuracy']:.0%}",
                f"on {controls['answered']} random controls, 95 % interval {low:.0%} to {high:.0%}",
            )
        )
    again = facts["self_agreement"]
    if again["repeated"]:
        low, high = again["interval"]
        cards.append(
            Card(
                "Self-agreement",
                f"{again['share']:.0%}",
                f"on {again['repeated']} particles named twice, 95 % interval {low:.0%} to "
                f"{high:.0%}",
            )
        )
    return cards


def _labels_note(facts: dict[str, Any]) -> str:
    note = f"{len(facts['classes'])} classes"
    for what in ("disputed", "unsure", "adrift"):
        count = facts[what] if isinstance(facts[what], int) else len(facts[what])
        note += f", {count} {what}" if count else ""
    return note


def _between_annotators(facts: dict[str, Any]) -> list[Section]:
    sections = []
    if facts["between_annotators"]:
        rows = [
            (*pair["annotators"], pair["both"], pair["same"], pair["kappa"])
            for pair in facts["between_annotators"]
        ]
        columns = ["annotator", "and", "both named", "alike", "kappa"]
        table = pd.DataFrame(rows, columns=columns).set_index("annotator")
        text = "Cohen's kappa is the agreement beyond what chance would give: 1 is all of it."
        sections.append(Section("How far people agree", text, table=table))
    if facts["disputed"]:
        found = [
            (name, ", ".join(f"{who}: {word}" for who, word in sorted(words.items())))
            for name, words in facts["disputed"].items()
        ]
        table = pd.DataFrame(found, columns=["particle", "said"]).set_index("particle")
        sections.append(Section("Labels that do not count", facts["disputed_said"], table=table))
    return sections


def _self_agreement(facts: dict[str, Any]) -> list[Section]:
    again = facts["self_agreement"]
    if not again["repeated"]:
        return []
    low, high = again["ceiling_interval"]
    text = (
        f"{again['same']} of {again['repeated']} particles that were shown again, unmarked, "
        "were named alike. Whoever contradicts themselves cannot be met by any classifier every "
        f"time: measured against these labels, accuracy ends at {again['ceiling']:.0%} (95 % "
        f"interval {low:.0%} to {high:.0%}), the square root of the share named alike. Memory of "
        "the first look makes both look better than they are."
    )
    table = pd.DataFrame.from_dict(again["annotators"], orient="index")
    table = table.rename(columns={"repeated": "named twice", "same": "alike"})
    return [Section("How sure the labels are", text, table=table.rename_axis("annotator"))]


def _weak(facts: dict[str, Any]) -> list[Section]:
    if not facts["weak"]:
        return []
    text = (
        "What lists say of their particles, beside what people say. No weak label counts as a "
        "label. Particles are asked about because they are hard: of all of them, more may be right."
    )
    rows = [
        (name, found["particles"], found["answered"], found["answers"].get(name, 0))
        for name, found in facts["weak"].items()
    ]
    table = pd.DataFrame(rows, columns=["weak class", "particles", "answered", "agree"])
    mostly = [next(iter(found["answers"]), "") for found in facts["weak"].values()]
    return [Section("Weak labels", text, table=table.assign(mostly=mostly).set_index("weak class"))]


def _classes(project: "Project", facts: dict[str, Any]) -> list[Section]:
    predictions = project.predictions
    if predictions is None:
        return []
    classified = project.classify()
    counted = np.isin(classified.status, ["labelled", "predicted"])
    table = counts_table(project.particles.tomogram[counted], classified.label[counted])
    chosen, names = confident(project, classified)
    figures = [(class_counts(table), "particles of each class, without duplicates")]
    if chosen:
        caption = "central slabs (five slices) of the most confident predictions of each class"
        order = [str(name) for name in table.columns]
        figures.append((class_montage(project.subtomograms[chosen], names, order=order), caption))
    text = f"{facts['rows_said']}."
    if facts["labelled_close"]:
        text += (
            f" {facts['labelled_close']} labelled particles lie on another labelled one, too close "
            "for both to stand; they are kept and counted."
        )
    return [Section("Classes", text, table=_totals(table), figures=figures)]


def confident(project: "Project", classified: Classified) -> tuple[list[str], list[str]]:
    """Ids of the most confident predictions of each class, and the class of each."""
    chosen: list[str] = []
    names: list[str] = []
    for name in sorted(set(classified.label[classified.status == "predicted"])):
        rows = np.flatnonzero((classified.label == name) & (classified.status == "predicted"))
        best = rows[np.argsort(-classified.confidence[rows], kind="stable")][:PICTURES]
        chosen += [str(i) for i in project.particles.id[best]]
        names += [str(name)] * len(best)
    return chosen, names


def _totals(table: pd.DataFrame) -> pd.DataFrame:
    totals = table.sum().rename("particles").to_frame()
    totals["share"] = (totals["particles"] / max(1, int(totals["particles"].sum()))).round(3)
    return totals.rename_axis("class")


def _queue(project: "Project") -> list[Section]:
    queue = project.queue
    if queue is None:
        return []
    scores = np.array(list(queue.scores.values()))
    if not np.isfinite(scores).any():
        return []
    text = (
        f"{len(queue)} particles chosen by `{queue.acquisition}` in round "
        f"{project.newest_queue_number}, {len(queue.controls)} of them random controls."
    )
    figure = uncertainty_histogram(scores[np.isfinite(scores)])
    return [Section("What is asked next", text, figures=[(figure, "score of the queue")])]


def _left_out(project: "Project") -> Section:
    left_out = project.subtomograms.index.left_out
    if not len(left_out):
        return Section("Left out", "Every particle has its subtomogram.")
    reasons = left_out["cryoalStatus"].str.split(":").str[0].value_counts()
    table = reasons.rename_axis("reason").rename("particles").to_frame()
    return Section("Left out", "One line each, with the reason, in `left_out.tsv`.", table=table)
