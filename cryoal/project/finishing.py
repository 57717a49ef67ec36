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
    balanced = settings.class_weights == "balanced"
    settles = settings.head == "settled" and settings.student_is != "average"
    if not settles and not balanced:
        return {}
    seen, told = np.concatenate([rows, pool]), np.arange(len(rows))
    allowed = sight.allowed[seen] if settings.views else None
    p, points = predict(teacher, sight.blocks(teacher, seen), views=allowed, device=settings.device)
    settled: dict[str, Settled] = {}
    if settles and _is_linear(teacher, points, p):
        settled = settle_head(teacher, points, told, targets, by_heart=True, seed=settings.seed)
        p = _as_sure(_head(teacher), points, p, len(rows))
    if settled or balanced:
        shares = pool_prior(np.log(np.maximum(p, 1e-12)), told, targets)
        for network in (teacher, student) if balanced else (teacher,):
            tell(_head(network), shares)
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


def _is_linear(network: Network, points: NDArray[np.float32], p: NDArray[np.float32]) -> bool:
    """Whether a linear head makes the network's probabilities of the embedding it answers."""
    head = linear_head(network)
    if head is not None and head.in_features == points.shape[1]:
        with torch.no_grad():
            again = head.cpu()(torch.from_numpy(points)).softmax(-1).numpy()
        if np.abs(again - p).max() < TOLERANCE:
            return True
    log.info(
        "network %r keeps the head it was trained with: its logits are not linear in its embedding",
        network.recipe.name,
    )
    return False


def _head(network: Network) -> torch.nn.Linear:
    head = linear_head(network)
    assert head is not None  # lesson_plan.check_settings refuses to balance others
    return head


def linear_head(network: Network) -> torch.nn.Linear | None:
    """The layer whose output is the logits, if it is linear and has a bias."""
    head = getattr(network, "head", None)
    return head if isinstance(head, torch.nn.Linear) and head.bias is not None else None
