"""The loss along the straight line from one trained network to another.

If two networks lie in one basin, a line joins them on which the loss stays low. Between two
networks trained from different initial weights, it usually rises high (Frankle et al., "Linear Mode
Connectivity and the Lottery Ticket Hypothesis", ICML 2020).
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from coslr._arguments import require, require_type, whole
from coslr._optional import extra
from coslr.experiments.batchnorm import recompute_statistics
from coslr.experiments.data import Images
from coslr.experiments.models import SmallCNN
from coslr.experiments.training import evaluate

with extra("train"):
    import pandas as pd
    import torch
    from torch import nn


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

    The means and variances that batch normalisation keeps at the two ends do not fit a mixture of
    their weights. So they are computed from training images at every point, the ends included.

    Args:
        first, second: weights by name, as in a ``state_dict`` or a study's snapshots.
        images: the test images are evaluated, the training images give the statistics.
        points: how many networks along the line, at least 2; the two ends are among them.
        n_statistics: how many training images give the statistics, at least 1; all of them if there
            are fewer.
        model: called as ``model(size=...)``; makes the network that the weights belong to.

    Returns:
        One row per point: share (0 is `first`, 1 is `second`), accuracy (a fraction), loss (mean
        cross entropy, in nats).

    Raises:
        ValueError, TypeError: weights of different names, shapes or types; fewer than two points;
            no training images for the statistics.

    Example:
        >>> from coslr.experiments.data import fashion_mnist
        >>> ends = [SmallCNN(size=14, seed=seed).state_dict() for seed in (0, 1)]
        >>> line = along_line(*ends, fashion_mnist(size=14).subset(500, 100), points=3)
        >>> line["share"].tolist(), list(line)
        ([0.0, 0.5, 1.0], ['share', 'accuracy', 'loss'])
    """
    require_type(isinstance(images, Images), "images", images, "coslr.experiments.data.Images")
    require_type(callable(model), "model", model, "a function of size that makes a network")
    points = whole("points", points, least=2)
    n_statistics = whole("n_statistics", n_statistics)
    start, end = _tensors("first", first), _tensors("second", second)
    _check_alike(start, end)
    network = model(size=images.x_test.shape[-1]).to(images.x_test.device)
    rows = []
    for share in np.linspace(0, 1, points).tolist():
        network.load_state_dict({name: _mix(start[name], end[name], share) for name in start})
        recompute_statistics(network, images.x_train[:n_statistics])
        accuracy, loss = evaluate(network, images.x_test, images.y_test)
        rows.append({"share": share, "accuracy": accuracy, "loss": loss})
    return pd.DataFrame(rows)


def barrier(line: pd.DataFrame) -> float:
    """How far the loss rises above the straight line between its values at the two ends, in nats.

    It is 0 if the loss never rises above that line, and NaN if a loss on the line is.

    Args:
        line: as `along_line` returns it, from share 0 to share 1.

    Raises:
        ValueError, TypeError: no such table.

    Example:
        >>> barrier(pd.DataFrame({"share": [0.0, 0.5, 1.0], "loss": [0.4, 0.9, 0.6]}))
        0.4
    """
    require_type(isinstance(line, pd.DataFrame), "line", line, "a table made by along_line")
    right = "those of a table made by along_line"
    require({"share", "loss"} <= set(line.columns), "line.columns", list(line.columns), right)
    share, loss = line["share"].to_numpy(), line["loss"].to_numpy()
    ends = [*share[:1].tolist(), *share[-1:].tolist()]
    require(ends == [0, 1], "line['share'] at the ends", ends, "[0, 1]")
    return float((loss - ((1 - share) * loss[0] + share * loss[-1])).max())


def _tensors(name: str, weights: Mapping[str, ArrayLike]) -> dict[str, torch.Tensor]:
    right = "weights by name, as model.state_dict() returns them"
    require_type(isinstance(weights, Mapping), name, weights, right)
    return {key: torch.as_tensor(value) for key, value in weights.items()}


def _check_alike(start: dict[str, torch.Tensor], end: dict[str, torch.Tensor]) -> None:
    """An error at the first weight that only one network has, or that differs in shape or type."""
    lacking = sorted(start.keys() ^ end.keys())
    require(not lacking, "names in only one of first and second", lacking, "in both")
    for name, value in start.items():
        found = (tuple(end[name].shape), end[name].dtype)
        wanted = (tuple(value.shape), value.dtype)
        require(found == wanted, f"second[{name!r}]", found, f"as in first, {wanted}")


def _mix(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    # Integer buffers such as batch counts cannot be interpolated, so we keep the first network's.
    return torch.lerp(first, second, share) if first.is_floating_point() else first
