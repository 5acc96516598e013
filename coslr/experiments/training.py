"""One training run, and its history: the rate and the loss at every update, the test set per epoch.

The loop is PyTorch's ordinary one. What is added: the schedule is stepped after each update, the
run is under `coslr.pytorch.audit`, and everything random comes from `seed`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import update_bn
from tqdm.auto import tqdm

from coslr.experiments.data import Images
from coslr.pytorch import ScheduleLR, audit


@dataclass(frozen=True, eq=False)
class History:
    """What happened in one run of `fit`.

    Every array has the full length of the planned run; where a diverged run stopped short, the rest
    is NaN, so that the histories of many runs can be stacked.

    Attributes:
        rates: learning rate in force at each update, as the audit read it; float64, (updates,).
        losses: mean cross entropy of each update's batch, before the update; float64, (updates,).
        test_accuracy: fraction of the test set that is right after each epoch; float64, (epochs,).
        test_loss: mean cross entropy on the test set after each epoch; float64, (epochs,).
        updates_per_epoch: how many updates an epoch has.
        diverged: a loss became infinite or NaN, and the run stopped after that epoch.
    """

    rates: np.ndarray
    losses: np.ndarray
    test_accuracy: np.ndarray
    test_loss: np.ndarray
    updates_per_epoch: int
    diverged: bool

    def updates(self) -> pd.DataFrame:
        """One row per update: update (from 0), epoch (update / updates_per_epoch), rate, loss.

        >>> ones = np.ones(4)
        >>> History(ones, ones, ones[:2], ones[:2], 2, False).updates()["epoch"].tolist()
        [0.0, 0.5, 1.0, 1.5]
        """
        update = np.arange(len(self.rates))
        epoch = update / self.updates_per_epoch
        return pd.DataFrame(
            {"update": update, "epoch": epoch, "rate": self.rates, "loss": self.losses}
        )

    def epochs(self) -> pd.DataFrame:
        """One row per epoch: epoch (1 is after the first), test_accuracy, test_loss.

        >>> ones = np.ones(4)
        >>> History(ones, ones, ones[:2], ones[:2], 2, False).epochs()["epoch"].tolist()
        [1, 2]
        """
        epoch = np.arange(1, len(self.test_loss) + 1)
        return pd.DataFrame(
            {"epoch": epoch, "test_accuracy": self.test_accuracy, "test_loss": self.test_loss}
        )


def updates_per_epoch(data: Images, batch_size: int = 128) -> int:
    """How many updates `fit` makes in an epoch: full batches only, so the remainder is dropped.

    Raises:
        ValueError, TypeError: `batch_size` is not an int from 1 to the number of training images.

    Example:
        >>> from coslr.experiments.data import fashion_mnist
        >>> updates_per_epoch(fashion_mnist(size=14), batch_size=128)
        78
    """
    if not isinstance(data, Images):
        raise TypeError(
            "data must be Images, as coslr.experiments.data.fashion_mnist() returns, "
            f"not {type(data).__name__}"
        )
    _check_count("batch_size", batch_size)
    if batch_size > len(data.x_train):
        raise ValueError(
            f"batch_size must be at most the {len(data.x_train)} training images, not {batch_size}"
        )
    return len(data.x_train) // batch_size


def fit(
    model: nn.Module,
    data: Images,
    schedule: Callable[[float], float],
    *,
    epochs: int,
    batch_size: int = 128,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    steps_per_unit: float = 1,
    momentum: Callable[[float], float] | None = None,
    seed: int = 0,
    progress: bool = True,
    after_epoch: Callable[[int, nn.Module], object] | None = None,
) -> History:
    """Train `model` in place, at the learning rate `schedule(k / steps_per_unit)` in update k.

    Each epoch goes through the training images in a new random order, in full batches. The whole
    run is audited: were another rate ever in force than the schedule's, it would stop there. It
    computes where the model is; the images are moved there.

    Equal arguments give the same history to the last bit on a CPU (with as many torch threads, on
    the same machine and release of PyTorch). PyTorch's global random state is left as it was.

    Args:
        model: from images (n, 1, size, size) to class scores (n, classes). It is left in evaluation
            mode, as trained so far, even where the run is interrupted.
        data: the images.
        schedule: update (or epoch, see `steps_per_unit`) -> learning rate; any callable.
        epochs: passes through the training images, at least 1.
        batch_size: images per update, from 1 to the number of training images.
        optimizer: called as ``optimizer(model.parameters(), lr=float(schedule(0)))``, for instance
            ``functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True)``. A schedule-free one
            (with ``train()`` and ``eval()``) is switched before and after each evaluation.
        steps_per_unit: updates in one unit of the schedule: 1 for a schedule written in updates,
            ``updates_per_epoch(data, batch_size)`` for one written in epochs.
        momentum: the same for SGD's momentum or Adam's betas[0], as `coslr.pytorch.ScheduleLR`
            takes it; None leaves it as the optimizer has it.
        seed: where the order of the images, and dropout if there is any, come from.
        progress: show a progress bar.
        after_epoch: called as ``after_epoch(epoch, model)`` when the test set has been evaluated,
            with epoch = 1, 2, ...; the model is in evaluation mode. For snapshots of the weights,
            say.

    Returns:
        The `History`. Divergence is a result, not an error: see `History.diverged`.

    Raises:
        ValueError, TypeError: the argument, its value, and what would be right.
        coslr.pytorch.AuditError: the rate in force was not the schedule's.

    Example:
        >>> from coslr import Cosine
        >>> from coslr.experiments.data import fashion_mnist
        >>> from coslr.experiments.models import SmallCNN
        >>> data = fashion_mnist(size=14).subset(1000, 200)
        >>> T_max = 2 * updates_per_epoch(data, batch_size=100)
        >>> history = fit(SmallCNN(size=14), data, Cosine(T_max, 0.1, 1e-4), epochs=2,
        ...               batch_size=100, progress=False)
        >>> len(history.losses), [round(float(history.rates[k]), 4) for k in (0, 10)]
        (20, [0.1, 0.0501])
    """
    per_epoch = updates_per_epoch(data, batch_size)
    _check_count("epochs", epochs)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an int, not {seed!r}")
    if not callable(schedule):
        raise TypeError(f"schedule must be callable, update -> learning rate, not {schedule!r}")
    if not callable(optimizer):
        raise TypeError(f"optimizer must be a class or a partial of one, not {optimizer!r}")
    if after_epoch is not None and not callable(after_epoch):
        raise TypeError(f"after_epoch must be callable or None, not {after_epoch!r}")
    _check_model(model, data)

    device = next(model.parameters()).device
    data = data.to(device)
    order = torch.Generator().manual_seed(seed)
    opt: Any = optimizer(model.parameters(), lr=float(schedule(0)))
    scheduler = ScheduleLR(opt, schedule, steps_per_unit=steps_per_unit, momentum=momentum)
    schedule_free = hasattr(opt, "train") and hasattr(opt, "eval")
    losses = np.full(epochs * per_epoch, np.nan)
    rates = losses.copy()
    test_accuracy, test_loss = np.full((2, epochs), np.nan)
    diverged = False

    with (
        audit(opt, schedule, steps_per_unit=steps_per_unit) as trace,
        _random_numbers(device, seed),
        _evaluation_mode_after(model),
        tqdm(total=len(losses), disable=not progress, unit="update") as bar,
    ):
        for epoch in range(epochs):
            model.train()
            if schedule_free:
                opt.train()
            batches = torch.randperm(len(data.x_train), generator=order).to(device)
            epoch_losses = []
            for batch in batches[: per_epoch * batch_size].view(per_epoch, batch_size):
                loss = cross_entropy(model(data.x_train[batch]), data.y_train[batch])
                opt.zero_grad()
                loss.backward()
                opt.step()
                scheduler.step()
                # Kept as a tensor: reading its value here would make a GPU wait at each update.
                epoch_losses.append(loss.detach())
                bar.update()

            done = slice(epoch * per_epoch, (epoch + 1) * per_epoch)
            losses[done] = torch.stack(epoch_losses).cpu().numpy()
            rates[done] = trace.rates[done]
            if schedule_free:
                opt.eval()
                seen = batches[: min(50, per_epoch) * batch_size]
                _see_averaged_weights(model, data.x_train[seen], batch_size)
            accuracy, mean_loss = evaluate(model, data.x_test, data.y_test)
            diverged = not (np.isfinite(losses[done]).all() and math.isfinite(mean_loss))
            if diverged:
                bar.set_postfix_str("diverged")
                break
            test_accuracy[epoch], test_loss[epoch] = accuracy, mean_loss
            bar.set_postfix_str(f"loss {losses[done].mean():.4f}, test accuracy {accuracy:.4f}")
            if after_epoch is not None:
                after_epoch(epoch + 1, model)

    return History(rates, losses, test_accuracy, test_loss, per_epoch, diverged)


def evaluate(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, batch_size: int = 500
) -> tuple[float, float]:
    """Accuracy (a fraction) and mean cross entropy of `model`, which is put in evaluation mode.

    Args:
        model: from images (n, 1, size, size) to class scores (n, classes), on the images' device.
        x, y: images and labels, as in `coslr.experiments.data.Images`.
        batch_size: images at a time; it does not change the result beyond rounding.

    Example:
        A model that knows nothing is right about one image in ten, at a loss of log 10:

        >>> from coslr.experiments.data import fashion_mnist
        >>> data = fashion_mnist(size=14)
        >>> clueless = nn.Sequential(nn.Flatten(), nn.Linear(196, 10))
        >>> _ = nn.init.zeros_(clueless[1].weight), nn.init.zeros_(clueless[1].bias)
        >>> accuracy, loss = evaluate(clueless, data.x_test, data.y_test)
        >>> accuracy, round(loss, 4)
        (0.1, 2.3026)
    """
    _check_count("batch_size", batch_size)
    model.eval()
    correct: int | torch.Tensor = 0
    loss: float | torch.Tensor = 0.0
    with torch.no_grad():
        for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            scores = model(images)
            correct += (scores.argmax(1) == labels).sum()
            loss += cross_entropy(scores, labels, reduction="sum")
    return int(correct) / len(y), float(loss) / len(y)


def _see_averaged_weights(model: nn.Module, x: torch.Tensor, batch_size: int) -> None:
    """Let batch normalisation collect its statistics anew, for weights that never trained.

    A schedule-free optimizer evaluates an average of the weights, not those it computes gradients
    at; its authors propose 50 batches (Defazio et al., "The Road Less Scheduled", 2024).
    """
    update_bn(x.split(batch_size), model)


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")


def _check_model(model: nn.Module, data: Images) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {model!r}")
    if next(model.parameters(), None) is None:
        raise ValueError("model must have parameters to train; this one has none")
    size = data.x_train.shape[-1]
    if getattr(model, "size", size) != size:
        raise ValueError(
            f"model is made for {model.size}x{model.size} images, and data has {size}x{size}: "
            f"use size={size} for the model or size={model.size} for the data"
        )


@contextmanager
def _random_numbers(device: torch.device, seed: int) -> Iterator[None]:
    """The global random numbers, which dropout uses, start from `seed` and are put back after."""
    gpu = device.type != "cpu"
    kind = device.type if gpu else "cuda"
    with torch.random.fork_rng(devices=[device] if gpu else [], device_type=kind):
        torch.default_generator.manual_seed(seed)
        if gpu:
            torch.get_device_module(device).manual_seed(seed)
        yield


@contextmanager
def _evaluation_mode_after(model: nn.Module) -> Iterator[None]:
    try:
        yield
    finally:
        model.eval()
