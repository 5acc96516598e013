"""The statistics of batch normalisation, computed again for weights that were never trained.

In evaluation mode, a batch normalisation layer uses means and variances that it averaged during
training. They do not fit weights that were made afterwards, such as the average of two networks
(Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018).
"""

from coslr._arguments import require, whole
from coslr._optional import extra

with extra("train"):
    import torch
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm


def recompute_statistics(model: nn.Module, images: torch.Tensor, batch_size: int = 500) -> None:
    """Replace every mean and variance by its plain average over batches of `images`.

    Only batch normalisation layers are in training mode meanwhile, so that dropout stays off and
    equal arguments give equal statistics. ``torch.optim.swa_utils.update_bn`` puts the whole model
    in training mode. Afterwards the whole model is in evaluation mode.

    Args:
        model: any network; without batch normalisation, none of its values changes.
        images: what the model takes, (n, ...), on the model's device.
        batch_size: images at a time, at least. All batches have the same number, to within one, so
            that no small rest counts as much as a full batch.

    Raises:
        ValueError, TypeError: no images; a batch size that is not a whole number from 1.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.5))
        >>> recompute_statistics(model, torch.tensor([[1.0], [3.0], [5.0], [7.0]]), batch_size=2)
        >>> model[0].running_mean, model[0].running_var
        (tensor([4.]), tensor([2.]))
    """
    require(len(images) > 0, "len(images)", len(images), "at least 1")
    batches = max(1, len(images) // whole("batch_size", batch_size))
    model.eval()
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # PyTorch's sign for a plain average over all batches
            layer.train()
        with torch.no_grad():
            for batch in images.tensor_split(batches):
                model(batch)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()
