"""One round: train on today's labels, predict every particle, choose what to ask next.

A round's state is which of its files exist; each step is skipped when its result is there and
its inputs have not changed.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoal.acquire.base import acquisitions
from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.io.files import locked, replacing
from cryoal.io.predictions import read_predictions, write_predictions
from cryoal.learn.discriminant import Settled
from cryoal.project import journal
from cryoal.project.adopting import adopted, fitting_pair, newest_trained
from cryoal.project.classes import Classes
from cryoal.project.disputes import ask_disputed
from cryoal.project.layout import RoundLayout
from cryoal.project.lesson_plan import check_settings, check_trainable
from cryoal.project.round_inputs import (
    PARTS,
    own_weights,
    round_of,
    training_facts,
    usable_labels,
    usable_weak,
    with_networks,
    write_inputs,
)
from cryoal.project.selecting import COLD_START, DISPUTED, Queue, choose, find, make_pool
from cryoal.project.settling import unlearned_embedding
from cryoal.project.sight import boxes_digest, look
from cryoal.project.supplying import supplied_round
from cryoal.project.training import (
    Pair,
    load_pair,
    predict_pair,
    save_pair,
    train_pair,
)
from cryoal.project.weak import stand_in

if TYPE_CHECKING:
    from cryoal.project.project import Project

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


#: Names of teacher's and student's network, None for those of cryoal.toml.
Networks = tuple[str | None, str | None]


def train(
    project: "Project",
    progress: Progress,
    *,
    from_scratch: bool = False,
    networks: Networks = (None, None),
) -> RoundLayout:
    """Train a round on today's labels, or go on with one that was interrupted.

    Parameters
    ----------
    from_scratch : bool
        Start this round from random weights, whatever the settings say.
    networks : (teacher's, student's)
        Of this round, instead of those of the settings.

    Returns
    -------
    RoundLayout
        The newest one, untouched, if it was trained on just these labels and settings; one that
        was asked to start from scratch, or for other networks, will do for a later call that does
        not ask.

    Raises
    ------
    CryoalError
        There are no labels, or all are of one class, and no weak ones in their place.
    """
    labels, weak = usable_labels(project), usable_weak(project)
    alone = stand_in(labels, weak)
    # What teaches: labels, or, where they are of one class, weak ones in the place of others.
    unsure = project.labels.unsure()
    hinted = {name: word for name, word in weak.items() if alone and name not in unsure}
    lessons = hinted | labels
    classes = check_trainable(lessons)
    box = project.subtomograms.geometry.network_box
    settings = project.settings.train
    named = {part: name for part, name in zip(PARTS, networks, strict=True) if name is not None}
    settings = with_networks(settings, named)
    facts_of = settings
    if from_scratch:
        settings = settings.model_copy(update={"start": "scratch"})
    check_settings(settings, len(classes), box, project.layout.settings)
    with locked(project.layout.lock):
        facts = training_facts(project, facts_of, labels, weak)
        here = round_of(project, labels, facts, from_scratch, named)
        if here.teacher.exists():
            return here
        began = time.monotonic()
        write_inputs(here, labels, facts, from_scratch, named)
        if alone:
            log.warning(
                "trained on %d weak labels: people have named %s, and nothing tells yet how right "
                "weak ones are",
                len(lessons) - len(labels),
                "one class only" if labels else "no particle",
            )
        store = project.subtomograms
        ids = np.array(sorted(lessons), dtype=str)
        rows = store.rows(ids)
        pair = train_pair(
            look(store, settings.device, lambda done: progress(done, len(store))),
            rows,
            [lessons[name] for name in ids],
            settings,
            weak=None if alone or not weak else [weak.get(str(name), "") for name in store.ids],
            weights=own_weights(project),
            earlier=_earlier(project, here) if settings.start == "previous" else None,
            resume_path=here.training,
            progress=lambda done, total, _loss: progress(done, total),
        )
        if pair.settled:
            log.info("%s", chosen_head(pair.settled))
        with replacing(here.history) as file:
            ways = [{"head": way, **found.facts} for way, found in pair.settled.items()]
            file.writelines(json.dumps(line) + "\n" for line in (*ways, *pair.history.records))
        save_pair(pair, here.teacher, here.student, store)
        here.training.unlink(missing_ok=True)
        journal.write(project.layout, "train", {"round": here.number, "labels": len(labels)}, began)
        return here


def chosen_head(settled: Mapping[str, Settled]) -> str:
    """Say which head was taken, the first of these, and what labels that it had not seen say."""
    agree = [f"{way} {found.accuracy:.0%}" for way, found in settled.items() if found.accuracy >= 0]
    taken = f"Classifier: {next(iter(settled))}"
    if not agree:
        return f"{taken} (too few labels to hold any out)"
    return (
        f"{taken}. Agreement with held-out labels: {', '.join(agree)} (they chose it and are no "
        "random sample: how right it is, random controls tell)"
    )


def predict(project: "Project", model: Path | None, progress: Progress) -> Predictions:
    """Predict every particle.

    Parameters
    ----------
    model : Path, optional
        Another project (its newest round), a round's folder or a teacher.safetensors; its
        networks and predictions become a round of this project. Default: the newest round.

    Raises
    ------
    CryoalError
        Nothing is trained, or the model sees larger boxes or other voxels than these.
    """
    with locked(project.layout.lock):
        here = newest_trained(project) if model is None else adopted(project, model)
    return _predicted(project, here, progress)


def _predicted(project: "Project", here: RoundLayout, progress: Progress) -> Predictions:
    """Predictions of a round, made where there are none of today's boxes."""
    store = project.subtomograms
    digest = boxes_digest(store)
    with locked(project.layout.lock):
        if here.predictions.exists():
            predictions, made_from = read_predictions(here.predictions, set(map(str, store.ids)))
            if made_from == digest:
                return predictions
        began = time.monotonic()
        pair = fitting_pair(here, store)
        device = project.settings.train.device
        box = pair.teacher.recipe.box  # another project's may be smaller
        predictions = predict_pair(
            pair,
            look(store, device, lambda done: progress(done, len(store)), box=box),
            project.settings.train,
            progress=lambda done: progress(done, len(store)),
        )
        # A queue that other predictions chose is no answer to these.
        here.queries.unlink(missing_ok=True)
        write_predictions(here.predictions, predictions, digest)
        journal.write(project.layout, "predict", {"round": here.number}, began)
        return predictions


def select(
    project: "Project",
    n: int | None,
    acquisition: str | None,
    seed: int,
    progress: Progress,
    networks: Networks = (None, None),
) -> Queue:
    """Choose n particles to ask about; trains and predicts first if labels changed.

    Asking again with nothing new returns the same queue; a larger n extends it, and so does having
    answered all of it where that teaches nothing: with "unsure", or one class for all. Without
    labels of two classes a model that was taken over chooses, or the boxes alone do.
    """
    settings = project.settings.select
    wanted = settings.batch if n is None else n
    if wanted < 1:
        raise CryoalError(f"-n {wanted}: ask for at least one particle")
    if acquisition == DISPUTED:
        return ask_disputed(project, n)
    labels = usable_labels(project)
    acquisitions.refuse_private(acquisition or settings.acquisition, project.layout.settings)
    name, _ = find(acquisition or settings.acquisition)
    weak = usable_weak(project)
    untaught = len(set(labels.values())) < 2 and not (labels and stand_in(labels, weak))
    if untaught and not project.rounds:
        here, name = project.layout.round(0), COLD_START
        Queue.read(here.queries)  # a damaged one is refused before every box is looked at
        predictions = _unlearned(project, progress)
    else:
        here = newest_trained(project) if untaught else train(project, progress, networks=networks)
        predictions = supplied_round(project, here, _predicted(project, here, progress), name)
    # The queue of disputed particles stands in a round of its own, which nothing was trained in.
    here = project.layout.round(max(here.number, project.newest_queue_number))
    before = Queue.read(here.queries)
    if before is not None and (before.acquisition, before.seed) != (name, seed):
        before = None
    if before is not None and len(before) >= wanted:
        if not project.labels.book().answers().keys() >= set(before.ids):
            return before
        wanted += len(before)  # all of it is answered, and nothing was learnt from that
    began = time.monotonic()
    asked = set() if before is None else set(before.ids)
    pool = make_pool(
        project.particles[project.particles.rows(predictions.ids)],
        predictions,
        labels,
        project.labels.unsure() | asked,
        project.diameter,
        settings.subpool,
        np.random.default_rng([seed, here.number]),
        weak=weak,
        diameters=project.diameters,
    )
    queue = choose(pool, wanted - len(asked), name, settings.controls, seed, before=before)
    with locked(project.layout.lock):
        queue.write(here.queries)
        facts = {"round": here.number, "acquisition": name, "n": len(queue)}
        journal.write(project.layout, "select", facts, began)
    return queue


def _unlearned(project: "Project", progress: Progress) -> Predictions:
    """Ids, and an embedding that needs no label."""
    store, settings = project.subtomograms, project.settings.train
    sight = look(store, settings.device, lambda done: progress(done, len(store)))
    return Predictions(
        store.ids, (), {}, unlearned_embedding(sight, settings, own_weights(project))
    )


def _earlier(project: "Project", here: RoundLayout) -> Pair | None:
    """Teacher and student of the round before, if there is one, under today's class names."""
    kept = [found for found in project.rounds if found.number < here.number]
    if not kept:
        return None
    pair, today = (
        load_pair(kept[-1].teacher, kept[-1].student),
        Classes.read(project.layout.classes),
    )
    return replace(pair, classes=tuple(map(today.now, pair.classes)))
