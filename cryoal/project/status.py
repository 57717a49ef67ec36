"""What a project holds and where it stands, as one object."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cryoal.project.agreement import facts as self_agreement
from cryoal.project.disputes import between_annotators, disputed, sentence
from cryoal.project.doubts import doubts
from cryoal.project.exporting import tally
from cryoal.project.stopping import (
    advice,
    agreement,
    behind,
    control_accuracy,
    learnt_from_weak_alone,
)
from cryoal.project.weak import found_right

if TYPE_CHECKING:
    from cryoal.project.project import Project


def status(project: "Project") -> dict[str, Any]:
    """Everything ``cryoal status --json`` prints."""
    store = project.subtomograms
    labels = project.labels
    current = labels.current()
    queue = project.queue
    answered = labels.book().answers().keys()
    differing = disputed(project)
    weak = found_right(labels.weak(), current)
    controls = control_accuracy(project)
    low, high = controls.interval
    classified = project.classify()
    rows = tally(classified.label, classified.status)
    return {
        "project": str(project.layout.root),
        "particles": len(project.particles),
        "extracted": len(store),
        "left_out": len(store.index.left_out),
        "tomograms": len(store.index.tomograms),
        "box": store.geometry.box,
        "voxel_size": store.geometry.voxel_size,
        "diameter": store.geometry.diameter,
        "labels": len(current),
        "classes": dict(sorted(Counter(current.values()).items())),
        "weak": {name: asdict(found) for name, found in weak.items()},
        "weak_alone": learnt_from_weak_alone(project),
        "weak_said": [found.sentence(name) for name, found in weak.items()],
        "doubts": doubts(current),
        "unsure": len(labels.unsure()),
        "adrift": labels.adrift(),
        "disputed": differing,
        "disputed_said": sentence(differing, project.layout.root),
        "between_annotators": between_annotators(labels.book()),
        "annotators": sorted({label.annotator for label in labels.book().statements}),
        "round": project.rounds[-1].number if project.rounds else 0,
        "queue": None
        if queue is None
        else {
            "round": project.newest_queue_number,
            "acquisition": queue.acquisition,
            "size": len(queue),
            "answered": sum(name in answered for name in queue.ids),
        },
        "controls": {
            "answered": controls.answered,
            "correct": controls.correct,
            "accuracy": controls.accuracy if controls.answered else None,
            "interval": [low, high] if controls.answered else None,
        },
        "agreement": agreement(project),
        "self_agreement": self_agreement(labels.book()),
        "predicted": None if project.predictions is None else rows.classes,
        "duplicates": rows.duplicates,
        "unclassified": rows.unclassified,
        "labelled_close": classified.labelled_close,
        "rows": {**asdict(rows), "total": rows.rows},
        "rows_said": rows.sentence(),
        "behind": behind(project),
        "next": advice(project),
    }
