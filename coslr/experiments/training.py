"""One training run and its history: learning rate and loss at each update, test results per epoch.

The loop is PyTorch's ordinary one. `fit` adds three things: it steps the schedule after each
update, it holds the run against the schedule with `coslr.pytorch.audit`, and it draws everything
random from `seed`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import require, require_type, whole
from coslr._optional import extra
from coslr.experiments.batchnorm import recompute_statistics
from coslr.experiments.randomness import check_seed, seeded
from coslr.pytorch import ScheduleLR, audit

with extra("train"):
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy
    from tqdm.auto import tqdm


@dataclass(frozen=True, eq=False)
class History:
    """What happened in one run of `fit`.

    Every array has the length of the planned run, so that the histories of many runs can be
    stacked. Where a diverged run stopped early, the rest is NaN.

    Attributes:
        rates: learning rate in force at each update, as the audit read it; float64, (updates,).
        losses: mean cross entropy of each update's batch, before the update; float64, (updates,).
        test_accuracy: fraction of the test images classified correctly after each epoch; float64,
            (epochs,).
        test_loss: mean cross entropy on the test images after each epoch; float64, (epochs,).
        updates_per_epoch: how many updates an epoch has.
        diverged: whether a loss became infinite or NaN. The run stopped after that epoch.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    updates_per_epoch: int
    diverged: bool


@runtime_checkable
class Data(Protocol):
    """What `fit` trains on, such as `coslr.experiments.data.Images` or a text's `Characters`.

    If it has a number `per_epoch`, an epoch draws that many rows, and otherwise all of them.
    """

    @property
    def x_train(self) -> torch.Tensor:
        """The model's inputs, one in each row."""

    @property
    def y_train(self) -> torch.Tensor:
        """The right answers, one in each row."""

    @property
    def x_test(self) -> torch.Tensor:
        """Inputs that no update sees."""

    @property
    def y_test(self) -> torch.Tensor:
        """Their right answers."""

    def to(self, device: torch.device) -> Self:
        """The same on another device."""


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Evaluation = Callable[[nn.Module, torch.Tensor, torch.Tensor], tuple[float, float]]


def _rows_per_epoch(data: Data) -> int:
    return int(getattr(data, "per_epoch", len(data.x_train)))


def updates_per_epoch(data: Data, batch_size: int = 128) -> int:
    """How many updates `fit` makes in an epoch: one for each full batch.

    Raises:
        ValueError, TypeError: `data` is no `Data`; `batch_size` is not a whole number from 1 to the
            number of training images (or other rows) in an epoch.

    Example:
        >>> from coslr.experiments.data import fashion_mnist
        >>> updates_per_epoch(fashion_mnist(size=14), batch_size=128)
        78
    """
    right = "data to train on, such as coslr.experiments.data.fashion_mnist()"
    require_type(isinstance(data, Data), "data", data, right)
    rows = _rows_per_epoch(data)
    right = f"a whole number from 1 to the {rows} training examples of an epoch"
    batch_size = whole("batch_size", batch_size, right)
    require(batch_size <= rows, "batch_size", batch_size, right)
    return rows // batch_size


def fit(
    model: nn.Module,
    data: Data,
    schedule: Callable[[float], float],
    *,
    epochs: int,
    batch_size: int = 128,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    steps_per_unit: float = 1,
    momentum: Callable[[float], float] | None = None,
    weight_decay: Callable[[float], float] | None = None,
    seed: int = 0,
    progress: bool = True,
    after_epoch: Callable[[int, nn.Module], object] | None = None,
    loss: Loss | None = None,
    evaluation: Evaluation | None = None,
) -> History:
    """Train `model` in place; update k uses the learning rate ``schedule(k / steps_per_unit)``.

    Each epoch goes through the training images once, in a new random order and in full batches; it
    drops the images that are left over. Where the data have a `per_epoch`, as a text has, it draws
    so many rows at random instead. If an update uses any other rate than the schedule's, the
    run stops with AuditError. So it does for momentum and weight decay, if they have a schedule.
    The training runs on the model's device, and the data are moved there.

    Equal arguments give the same history to the last bit on a CPU (with the same number of torch
    threads, on the same machine and release of PyTorch). PyTorch's global random state stays as it
    was.

    Args:
        model: from a batch of `data.x_train` to scores, such as from images (n, 1, size, size) to
            class scores (n, classes). The run leaves it in evaluation mode, and if it is
            interrupted, with the weights that it had by then.
        data: the images, or other `Data`.
        schedule: the learning rate as a function of the update, or of the epoch (see
            `steps_per_unit`).
        epochs: passes through the training images, at least 1.
        batch_size: images per update, from 1 to the number of training images.
        optimizer: called as ``optimizer(model.parameters(), lr=float(schedule(0)))``; for instance
            ``functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True)``. A schedule-free
            optimizer, which has ``train()`` and ``eval()``, is switched before and after each
            evaluation.
        steps_per_unit: updates in one unit of the schedule: 1 for a schedule written in updates,
            ``updates_per_epoch(data, batch_size)`` for one written in epochs.
        momentum: SGD's momentum or Adam's betas[0] as a function of the same unit, as
            `coslr.pytorch.ScheduleLR` takes it; None leaves it as the optimizer has it.
        weight_decay: the same for the optimizer's weight decay.
        seed: where the order of the images and the model's dropout come from, a whole number from 0
            to 2**32 - 1.
        progress: show a progress bar.
        after_epoch: called as ``after_epoch(epoch, model)`` after each evaluation on the test
            images, with epoch = 1, 2, ... and the model in evaluation mode; for instance, to keep
            a copy of the weights.
        loss: from (scores, right answers) of a batch to the loss that is minimised; None is
            `cross_entropy_of_scores`.
        evaluation: from (model, x_test, y_test) to an accuracy and a loss; None is `evaluate`.

    Returns:
        The `History`. Divergence is a result, not an error: see `History.diverged`.

    Raises:
        ValueError, TypeError: the argument, its value, and what would be right.
        coslr.audit.AuditError: an update used a rate that was not the schedule's.

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
    epochs = whole("epochs", epochs)
    seed = check_seed(seed)
    _check_model(model, data)
    _check_functions(schedule, optimizer, after_epoch)
    loss = loss or cross_entropy_of_scores
    evaluation = evaluation or evaluate

    device = next(model.parameters()).device
    data = data.to(device)
    shuffle = torch.Generator().manual_seed(seed)
    built_optimizer = optimizer(model.parameters(), lr=float(schedule(0)))
    scheduler = ScheduleLR(
        built_optimizer,
        schedule,
        steps_per_unit=steps_per_unit,
        momentum=momentum,
        weight_decay=weight_decay,
    )
    planned = {"lr": schedule, "momentum": momentum, "weight_decay": weight_decay}
    audited = {name: values for name, values in planned.items() if values is not None}
    losses = np.full(epochs * per_epoch, np.nan)
    rates = losses.copy()
    test_accuracy, test_loss = np.full((2, epochs), np.nan)
    diverged = False

    with (
        suppress(_Diverged),
        audit(
            built_optimizer, audited, steps_per_unit=steps_per_unit, updates=len(losses)
        ) as trace,
        seeded(seed, device),
        _evaluation_mode_after(model),
        tqdm(total=len(losses), disable=not progress, unit="update") as bar,
    ):
        for epoch in range(epochs):
            # A random order of all rows, of which an epoch takes as many as it needs.
            order = torch.randperm(len(data.x_train), generator=shuffle).to(device)
            batches = order[: per_epoch * batch_size].view(per_epoch, batch_size)
            done = slice(epoch * per_epoch, (epoch + 1) * per_epoch)
            losses[done] = _train_one_epoch(
                model, data, batches, built_optimizer, scheduler, loss, bar
            )
            rates[done] = trace.rates[done]
            _check_rates(rates, steps_per_unit)

            _prepare_evaluation(model, data, batches, built_optimizer)
            accuracy, mean_loss = evaluation(model, data.x_test, data.y_test)
            diverged = not (np.isfinite(losses[done]).all() and math.isfinite(mean_loss))
            if diverged:
                bar.set_postfix_str("diverged")
                raise _Diverged  # the audit expects all updates, unless an error ends the block
            test_accuracy[epoch], test_loss[epoch] = accuracy, mean_loss
            bar.set_postfix_str(f"loss {losses[done].mean():.4f}, test accuracy {accuracy:.4f}")
            if after_epoch is not None:
                after_epoch(epoch + 1, model)

    return History(rates, losses, test_accuracy, test_loss, per_epoch, diverged)


class _Diverged(Exception):
    """A loss became infinite or NaN, so the run ends before its time."""


def _train_one_epoch(
    model: nn.Module,
    data: Data,
    batches: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    scheduler: ScheduleLR,
    loss_of: Loss,
    bar: tqdm,
) -> NDArray[np.float32]:
    """One update for each row of `batches`, which holds indices of images; returns the losses."""
    model.train()
    if isinstance(optimizer, _ScheduleFree):
        optimizer.train()
    losses = []
    for batch in batches:
        loss = loss_of(model(data.x_train[batch]), data.y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        # Reading the loss's value here would make a GPU wait at each update, so we keep tensors.
        losses.append(loss.detach())
        bar.update()
    values: NDArray[np.float32] = torch.stack(losses).cpu().numpy()
    return values


@runtime_checkable
class _ScheduleFree(Protocol):
    """A schedule-free optimizer: it trains at one set of weights and evaluates their average.

    ``train()`` puts the first into the model, ``eval()`` the second (Defazio et al., "The Road Less
    Scheduled", NeurIPS 2024).
    """

    def train(self) -> None: ...

    def eval(self) -> None: ...


def _prepare_evaluation(
    model: nn.Module, data: Data, batches: torch.Tensor, optimizer: torch.optim.Optimizer
) -> None:
    """Switch a schedule-free optimizer to its averaged weights; others need no preparation."""
    if isinstance(optimizer, _ScheduleFree):
        optimizer.eval()
        # The statistics of batch normalisation belong to the weights that were trained, not to
        # their average. The optimizer's authors recompute them from 50 batches, and so do we.
        recompute_statistics(model, data.x_train[batches[:50].flatten()], batches.shape[1])


@contextmanager
def _evaluation_mode_after(model: nn.Module) -> Iterator[None]:
    """Leave the model in evaluation mode, also after an error or an interruption."""
    try:
        yield
    finally:
        model.eval()


def cross_entropy_of_scores(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy, in nats.

    Args:
        scores: unnormalised, (n, classes), or (n, positions, classes) for a sequence.
        y: the right classes, (n,) or (n, positions).

    Example:
        >>> round(float(cross_entropy_of_scores(torch.zeros(2, 3, 4), torch.zeros(2, 3).long())), 4)
        1.3863
    """
    return cross_entropy(scores.flatten(0, -2), y.flatten())


def evaluate(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, batch_size: int = 500
) -> tuple[float, float]:
    """Accuracy (a fraction) and mean cross entropy (in nats) of `model`.

    The model is in evaluation mode afterwards, and its values are unchanged.

    Args:
        model: from images (n, 1, size, size) to class scores (n, classes), on the images' device;
            or from sequences to scores (n, positions, classes).
        x, y: images and labels, as in `coslr.experiments.data.Images`, or sequences and the right
            class at each position.
        batch_size: images at a time; it changes the result by rounding errors only.

    Raises:
        ValueError, TypeError: no images; another number of labels than of images; a batch size that
            is not a whole number from 1.

    Example:
        A model that knows nothing has one image in ten right, at a loss of log 10:

        >>> from coslr.experiments.data import fashion_mnist
        >>> data = fashion_mnist(size=14)
        >>> clueless = nn.Sequential(nn.Flatten(), nn.Linear(196, 10))
        >>> _ = nn.init.zeros_(clueless[1].weight), nn.init.zeros_(clueless[1].bias)
        >>> accuracy, loss = evaluate(clueless, data.x_test, data.y_test)
        >>> accuracy, round(loss, 4)
        (0.1, 2.3026)
    """
    batch_size = whole("batch_size", batch_size)
    require(len(x) > 0, "len(x)", len(x), "at least 1 image")
    require(len(y) == len(x), "len(y)", len(y), f"{len(x)}, one label for each image of x")
    model.eval()
    correct, losses = [], []
    with torch.no_grad():
        for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            scores = model(images)
            correct.append((scores.argmax(-1) == labels).sum())
            flat = scores.flatten(0, -2)
            losses.append(cross_entropy(flat, labels.flatten(), reduction="sum"))
    return int(sum(correct)) / y.numel(), float(sum(losses)) / y.numel()


def _check_model(model: nn.Module, data: Data) -> None:
    require_type(isinstance(model, nn.Module), "model", model, "a torch.nn.Module")
    has_parameters = next(model.parameters(), None) is not None
    require(has_parameters, "model", model, "a network with parameters to train")
    size = data.x_train.shape[-1]
    made_for = getattr(model, "size", size)  # of our own models; another's may be no number
    fits = made_for == size or not isinstance(made_for, int)
    require(fits, "model.size", made_for, f"{size}, the size of the images in data")


def _check_functions(schedule: object, optimizer: object, after_epoch: object) -> None:
    is_function = callable(schedule) and not isinstance(schedule, type)
    right = "a schedule such as Cosine(390, eta_max=0.1), or another function of the update"
    require_type(is_function, "schedule", schedule, right)
    right = "a class such as torch.optim.SGD, or a functools.partial of one"
    require_type(callable(optimizer), "optimizer", optimizer, right)
    right = "a function of epoch and model, or None"
    require_type(after_epoch is None or callable(after_epoch), "after_epoch", after_epoch, right)


def _check_rates(rates: NDArray[np.float64], steps_per_unit: float) -> None:
    """A ``ValueError`` at a negative or infinite rate. Updates still to come have NaN."""
    wrong = (rates < 0) | np.isinf(rates)
    first = int(wrong.argmax())
    when = f"schedule({first / steps_per_unit:g})"
    require(not wrong[first], when, float(rates[first]), "a finite learning rate, at least 0")
