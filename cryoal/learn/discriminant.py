"""A head in closed form: linear discriminant analysis on what a network already sees."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from cryoal.data.augment import central
from cryoal.learn.calibrate import fit_to_labels
from cryoal.learn.predict import predict
from cryoal.models.base import Network

#: Parts that the labels are dealt into, to see how sure a discriminant may be.
FOLDS = 5


def start_head(
    network: Network,
    boxes: NDArray[np.floating],
    targets: NDArray[np.integer],
    *,
    views: NDArray[np.bool_] | None = None,
    device: str = "auto",
) -> None:
    """Set the head of a network, in place, to the linear discriminant of its own embedding.

    With a body that has learnt elsewhere a few labels a class settle this at once, where
    gradient steps from a random head would first pull at the body.

    Parameters
    ----------
    network : Network
        Its ``head`` is the last layer, linear in the embedding.
    boxes : (N, S, S, S)
    targets : (N,) int
    views : (N, 4) bool, optional
        As ``predict`` takes them.
    """
    _settle_scales(network, boxes)
    _, embedding = predict(network, boxes, views=views, device=device)
    emphasis = getattr(network, "emphasis", None)
    scale = np.ones(embedding.shape[1]) if emphasis is None else emphasis.cpu().numpy()
    weight, bias = discriminant(embedding, targets, network.recipe.n_classes, scale)
    sharpness = 1 / _temperature(embedding, targets, network.recipe.n_classes, scale)
    weight, bias = weight * np.float32(sharpness), bias * np.float32(sharpness)
    head = network.head
    assert isinstance(head, torch.nn.Linear)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))


def discriminant(
    points: NDArray[np.floating],
    targets: NDArray[np.integer],
    n_classes: int,
    emphasis: NDArray[np.floating] | float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (C, D) and biases (C,) of linear discriminant analysis, equal priors.

    The covariance within classes is shrunk towards its diagonal's mean by the share that Ledoit
    and Wolf (J. Multivariate Analysis 88, 2004) find best, so that fewer points than dimensions
    are enough. ``emphasis`` (D,) is the deviation each column is given before: shrinking takes
    most from the columns of the smallest.
    """
    scale = (points.std(axis=0).astype(np.float64) + 1e-6) / emphasis
    scaled = points / scale
    means = np.stack(
        [
            scaled[targets == c].mean(0) if (targets == c).any() else scaled.mean(0)
            for c in range(n_classes)
        ]
    )
    precision = np.linalg.inv(shrunk_covariance(scaled - means[targets]))
    weight = means @ precision
    bias = -0.5 * np.einsum("cd,cd->c", weight, means)
    return (weight / scale).astype(np.float32), bias.astype(np.float32)


def _settle_scales(network: Network, boxes: NDArray[np.floating]) -> None:
    """Give layers that standardise columns the mean and deviation of these boxes."""
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm1d)]
    if not layers or len(boxes) < 2:
        return
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over what it sees
        layer.train()
    with torch.no_grad():
        for block in np.array_split(boxes, max(1, len(boxes) // 128)):
            network(central(torch.as_tensor(block), network.recipe.box))
    for layer in layers:
        layer.momentum = 0.1
    network.eval()


def _temperature(
    points: NDArray[np.floating],
    targets: NDArray[np.integer],
    n_classes: int,
    emphasis: NDArray[np.floating],
) -> float:
    """Temperature that fits the discriminant's confidence to labels it was not settled on."""
    fold = np.random.default_rng(0).permutation(len(targets)) % FOLDS
    logits = np.zeros((len(targets), n_classes))
    for number in range(FOLDS):
        aside = fold == number
        if not aside.any() or aside.all():
            return 1.0
        weight, bias = discriminant(points[~aside], targets[~aside], n_classes, emphasis)
        logits[aside] = points[aside] @ weight.T + bias
    return fit_to_labels(softmax(logits, axis=1), targets)


def shrunk_covariance(centred: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ledoit-Wolf estimate of the covariance of centred points: (N, D) -> (D, D)."""
    x = np.asarray(centred, dtype=np.float64)
    n, d = x.shape
    sample = x.T @ x / n
    mean = np.trace(sample) / d
    target = mean * np.eye(d)
    distance = ((sample - target) ** 2).sum()
    # Mean squared error of the sample covariance, from the spread of the single products.
    error = (((x**2).T @ (x**2)) / n - sample**2).sum() / n
    share = 1.0 if distance == 0 else min(1.0, error / distance)
    covariance: NDArray[np.float64] = share * target + (1 - share) * sample
    return covariance + 1e-6 * np.eye(d)
