"""What is done to heads once a training by steps has ended, where the settings ask for it."""

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.learn.discriminant import Settled, settle_head
from cryoal.learn.predict import predict
from cryoal.learn.prior import pool_prior
from cryoal.models.base import Network
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import Sight


def finish(
    teacher: Network,
    student: Network,
    sight: Sight,
    rows: NDArray[np.intp],
    targets: NDArray[np.intp],
    pool: NDArray[np.intp],
    settings: TrainSettings,
) -> dict[str, Settled]:
    """Settle the teacher's head in closed form, and tell networks how common classes are.

    The first where ``head`` is "settled": on labels and pool, as a pretrained teacher's. The second
    where classes were taken for equally common until here: in the teacher by that or by balanced
    weights, in the student by these alone.

    Parameters
    ----------
    teacher, student : Network
        Trained; changed in place.
    sight, rows, targets
        The particles, those that are labelled, and their classes.
    pool : (m,) int
        Rows that are not.
    settings : TrainSettings

    Returns
    -------
    {way: Settled}, as ``settle_head``; empty where nothing was settled
    """
    settled: dict[str, Settled] = {}
    if settings.head == "trained" and settings.class_weights == "equal":
        return settled
    for network in (teacher, student):
        linear_head(network)
    seen, told = np.concatenate([rows, pool]), np.arange(len(rows))
    shown, allowed = sight.show(seen, teacher), sight.allowed[seen] if settings.views else None
    p, points = predict(teacher, shown, views=allowed, device=settings.device)
    if settings.head == "settled":
        settled = settle_head(teacher, points, told, targets, seed=settings.seed)
        p, _ = predict(teacher, shown, views=allowed, device=settings.device)
    shares = pool_prior(np.log(np.maximum(p, 1e-12)), told, targets)
    for network in (teacher, student) if settings.class_weights == "balanced" else (teacher,):
        with torch.no_grad():
            linear_head(network).bias.add_(torch.from_numpy(np.log(shares)))
    return settled


def linear_head(network: Network) -> torch.nn.Linear:
    """The layer whose output is the logits.

    Raises
    ------
    CryoalError
        The network has none.
    """
    head = getattr(network, "head", None)
    if not isinstance(head, torch.nn.Linear) or head.bias is None:
        raise CryoalError(
            f'network {network.recipe.name!r} has no linear `head`, which head = "settled" and '
            'class_weights = "balanced" change: leave both at their defaults'
        )
    return head
