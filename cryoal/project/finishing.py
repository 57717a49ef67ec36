"""What is done to heads once a training by steps has ended, where the settings ask for it."""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from cryoal.learn.calibrate import fit_to_teacher
from cryoal.learn.discriminant import Settled, settle_head
from cryoal.learn.predict import predict
from cryoal.learn.prior import pool_prior, tell
from cryoal.models.base import Network
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import Sight

log = logging.getLogger(__name__)

#: Largest difference of probabilities that rounding makes.
TOLERANCE = 1e-3


def finish(
    teacher: Network,
    sight: Sight,
    rows: NDArray[np.intp],
    targets: NDArray[np.intp],
    pool: NDArray[np.intp],
    settings: TrainSettings,
) -> dict[str, Settled]:
    """Settle the teacher's head in closed form, and tell it how common classes are.

    Where ``head`` is "settled": on labels and pool, as a pretrained teacher's, which takes classes
    for equally common until it is told.

    Parameters
    ----------
    teacher : Network
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
    if settings.head != "settled" or settings.student_is == "average":
        return {}
    seen, told = np.concatenate([rows, pool]), np.arange(len(rows))
    allowed = sight.allowed[seen] if settings.views else None
    p, points = predict(teacher, sight.blocks(teacher, seen), views=allowed, device=settings.device)
    head = linear_head(teacher)
    if head is None or not _is_linear(teacher, head, points, p):
        log.info(
            "network %r keeps the head it was trained with: its logits are not linear in its "
            "embedding",
            teacher.recipe.name,
        )
        return {}
    settled = settle_head(teacher, points, told, targets, by_heart=True, seed=settings.seed)
    p = _as_sure(head, points, p, len(rows))
    tell(head, pool_prior(np.log(np.maximum(p, 1e-12)), told, targets))
    return settled


def _as_sure(
    head: torch.nn.Linear, points: NDArray[np.float32], p: NDArray[np.float32], labelled: int
) -> NDArray[np.floating]:
    """Make a settled head as sure as the trained one was of the unlabelled, in place.

    Its layers have learnt the labels by heart, so that labels set aside find it right always, and
    it comes certain of everything, so that nobody could say of which particle it is least. What
    `fit_to_teacher` may flatten at most leaves it surer than the trained one, at its own scale.

    Returns
    -------
    (N, C), its probabilities
    """
    weight, bias = (part.detach().numpy() for part in (head.weight, head.bias))
    logits = points @ weight.T + bias
    settled = softmax(logits.astype(np.float64), axis=1)
    temperature = 1.0
    if len(p) > labelled:
        temperature = fit_to_teacher(settled[labelled:], p[labelled:])
    with torch.no_grad():
        head.weight.div_(temperature)
        head.bias.div_(temperature)
    return np.asarray(softmax(logits / temperature, axis=1))


def _is_linear(
    network: Network, head: torch.nn.Linear, points: NDArray[np.float32], p: NDArray[np.float32]
) -> bool:
    """Whether the head makes the network's probabilities of the embedding it answers."""
    if head.in_features != points.shape[1]:
        return False
    with torch.no_grad():
        again = head.cpu()(torch.from_numpy(points)).softmax(-1).numpy()
    return bool(np.abs(again - p).max() < TOLERANCE)


def linear_head(network: Network) -> torch.nn.Linear | None:
    """The layer whose output is the logits, if it is linear and has a bias."""
    head = getattr(network, "head", None)
    return head if isinstance(head, torch.nn.Linear) and head.bias is not None else None
