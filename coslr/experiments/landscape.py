"""The loss along the straight line from one trained network to another.

Two networks in one basin can be joined by a line on which the loss stays low. Between two that
were trained from different initial weights it usually rises high (Frankle et al., "Linear Mode
Connectivity and the Lottery Ticket Hypothesis", ICML 2020).
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from coslr.experiments.data import Images
from coslr.experiments.models import SmallCNN
from coslr.experiments.training import evaluate


def along_line(
    first: Mapping[str, ArrayLike],
    second: Mapping[str, ArrayLike],
    images: Images,
    *,
    points: int = 9,
    n_statistics: int = 2000,
    model: Callable[..., nn.Module] = SmallCNN,
) -> pd.DataFrame:
    """Test accuracy and loss of the networks with weights ``(1 - share) * first + share * second``.

    Batch normalisation keeps means and variances of what it has seen, and those of the two ends
    do not fit a mixture of their weights. So they are computed anew at every point, the ends
    included, from training images (Izmailov et al., "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI 2018).

    Args:
        first, second: weights by name, as in a ``state_dict`` or a study's snapshots.
        images: whose test images are evaluated.
        points: how many along the line, from 2; the ends are among them.
        n_statistics: training images for batch normalisation, at most so many.
        model: called as ``model(size=...)``: what the weights belong to.

    Returns:
        One row per point: share (0 is `first`, 1 is `second`), accuracy, loss.

    Raises:
        ValueError: weights of different names or shapes; fewer than two points.

    Example:
        >>> from coslr.experiments.data import fashion_mnist
        >>> ends = [SmallCNN(size=14, seed=seed).state_dict() for seed in (0, 1)]
        >>> line = along_line(*ends, fashion_mnist(size=14).subset(500, 100), points=3)
        >>> line["share"].tolist(), list(line)
        ([0.0, 0.5, 1.0], ['share', 'accuracy', 'loss'])
    """
    if type(points) is not int or points < 2:
        raise ValueError(f"points={points!r}: must be a whole number from 2")
    ends = [
        {name: torch.as_tensor(value) for name, value in end.items()} for end in (first, second)
    ]
    shapes = [{name: value.shape for name, value in end.items()} for end in ends]
    if shapes[0] != shapes[1]:
        raise ValueError("first, second: must have weights of the same names and shapes")
    network = model(size=images.x_test.shape[-1]).to(images.x_test.device)
    rows = []
    for share in np.linspace(0, 1, points):
        network.load_state_dict(
            {name: _between(a, ends[1][name], float(share)) for name, a in ends[0].items()}
        )
        _see_anew(network, images.x_train[:n_statistics])
        accuracy, loss = evaluate(network, images.x_test, images.y_test)
        rows.append({"share": float(share), "accuracy": accuracy, "loss": loss})
    return pd.DataFrame(rows)


def barrier(line: pd.DataFrame) -> float:
    """How far the loss rises above the straight line between its values at the two ends, in nats.

    0 where it nowhere does.

    >>> barrier(pd.DataFrame({"share": [0.0, 0.5, 1.0], "loss": [0.4, 0.9, 0.6]}))
    0.4
    """
    share, loss = line["share"].to_numpy(), line["loss"].to_numpy()
    return float((loss - ((1 - share) * loss[0] + share * loss[-1])).max())


def _between(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    # A count of batches is no weight: there is nothing between two of them.
    return torch.lerp(a, b, share) if a.is_floating_point() else a


def _see_anew(network: nn.Module, x: torch.Tensor, batch_size: int = 500) -> None:
    """Let batch normalisation, and no other layer, see the images as if for the first time."""
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over all batches
        layer.train()
    with torch.no_grad():
        for part in x.split(batch_size):
            network(part)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
