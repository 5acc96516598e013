"""What is to be trained: a `Trial` says everything about one run, `grid` writes down many.

Both are plain values; `coslr.experiments.studies.run` trains them.
"""

import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from coslr._arguments import whole
from coslr.experiments.data import Images, balanced, fashion_mnist
from coslr.experiments.models import SmallCNN
from coslr.schedules import Schedule

MEASURES = ["validation_accuracy", "validation_loss", "test_accuracy", "test_loss"]
COLUMNS = ["trial", "name", "eta_max", "seed", "status", "epoch", "update", *MEASURES]


@dataclass(frozen=True)
class Split:
    """Which images a trial trains on, chooses by, and reports on; classes are balanced in each.

    Attributes:
        n_train, n_validation: images taken from the training set, the first after the other.
        n_test: images of the test set; None is all of them.
        size, full, folder: as in `coslr.experiments.data.fashion_mnist`.
        fold: which of the n_train + n_validation images validate: 0 is the last n_validation of
            them, 1 the n_validation before, and so on, for cross-validation.
    """

    n_train: int = 6000
    n_validation: int = 2000
    n_test: int | None = None
    size: int = 14
    full: bool = False
    folder: str | None = None
    fold: int = 0

    def __post_init__(self) -> None:
        for name in ("n_train", "n_validation", "n_test"):
            number = getattr(self, name)
            if not (name == "n_test" and number is None) and whole(name, number) % 10:
                raise ValueError(f"{name}={number}: must be a multiple of 10, the classes")
        last = self.n_train // self.n_validation
        if not (type(self.fold) is int and 0 <= self.fold <= last):
            raise ValueError(f"fold={self.fold!r}: must be from 0 to {last}, n_train/n_validation")

    def load(self) -> tuple[Images, Images]:
        """Two sets with the same training images: one whose test images are for validation, and
        the one for the report.

        >>> Split(n_train=1000, n_validation=500, n_test=200).load()
        (Images(1000 training and 500 test images, 14x14, cpu), \
Images(1000 training and 200 test images, 14x14, cpu))
        """
        images = fashion_mnist(full=self.full, folder=self.folder, size=self.size)
        both = balanced(images.y_train, self.n_train + self.n_validation, len(images.classes))
        # Not one test image is seen before the report: validation comes out of the training set.
        begin = self.n_train - self.fold * self.n_validation
        held_out = both[begin : begin + self.n_validation]
        rest = torch.cat([both[:begin], both[begin + self.n_validation :]])
        # Ten is the least that a subset may have; its training images are replaced at once.
        report = dataclasses.replace(
            images.subset(10, self.n_test),
            x_train=images.x_train[rest],
            y_train=images.y_train[rest],
        )
        choose = dataclasses.replace(
            report, x_test=images.x_train[held_out], y_test=images.y_train[held_out]
        )
        return choose, report


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run, described completely: equal trials have equal results.

    Attributes:
        name: what the schedule is called in tables, such as "cosine".
        schedule: learning rate at each update, a `coslr.Schedule`.
        eta_max: the peak, as tables show it; the rates are the schedule's.
        seed: where the initial weights and the order of the images come from.
        epochs, batch_size: as in `coslr.experiments.training.fit`.
        data: which images.
        model: called as ``model(size=..., seed=...)``: a class or a function of some module.
        optimizer: a class's name in ``torch.optim``, or a class.
        options: the optimizer's arguments besides the rate; a dict, kept as sorted pairs.
        momentum: a schedule for SGD's momentum or Adam's betas[0], or None.
        snapshots: epochs after which the predictions on the test images are kept.
        weights: keep the weights at each snapshot too.
        extras: further columns for the tables; a dict, kept as sorted pairs.
    """

    name: str
    schedule: Schedule
    eta_max: float
    seed: int
    epochs: int = 20
    batch_size: int = 128
    data: Split = Split()
    model: Callable[..., torch.nn.Module] = SmallCNN
    optimizer: str | type[torch.optim.Optimizer] = "SGD"
    options: tuple[tuple[str, Any], ...] = (("momentum", 0.9), ("nesterov", True))
    momentum: Schedule | None = None
    snapshots: tuple[int, ...] = ()
    weights: bool = False
    extras: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            raise TypeError(f"schedule={self.schedule!r}: must be a coslr.Schedule")
        if isinstance(self.optimizer, str) and not hasattr(torch.optim, self.optimizer):
            raise ValueError(
                f"optimizer={self.optimizer!r}: must be the name of a class in torch.optim"
            )
        if not callable(self.model):
            raise TypeError(f"model={self.model!r}: must be called as model(size=..., seed=...)")
        for name in ("options", "extras"):
            pairs = getattr(self, name)
            pairs = pairs.items() if isinstance(pairs, Mapping) else pairs
            object.__setattr__(self, name, tuple(sorted(pairs)))
            try:
                hash(getattr(self, name))
            except TypeError as error:
                raise TypeError(
                    f"{name}={pairs!r}: must hold tuples, not lists ({error})"
                ) from error
        taken = sorted({name for name, _ in self.extras} & {*COLUMNS})
        if taken:
            raise ValueError(f"extras: must not be called {taken}, as columns of the tables are")
        object.__setattr__(self, "eta_max", float(self.eta_max))
        object.__setattr__(self, "seed", operator.index(self.seed))  # numpy's integers too
        object.__setattr__(self, "snapshots", tuple(self.snapshots))
        _updates(self.epochs, self.batch_size, self.data)
        wrong = [epoch for epoch in self.snapshots if not 1 <= epoch <= self.epochs]
        if wrong:
            raise ValueError(f"snapshots={wrong}: must be epochs from 1 to {self.epochs}")


def grid(
    schedules: Mapping[str, Callable[[float, int], Schedule]],
    eta_max: Sequence[float] | Mapping[str, Sequence[float]],
    seeds: Iterable[int],
    *,
    epochs: int = 20,
    batch_size: int = 128,
    data: Split = Split(),
    **settings: Any,
) -> list[Trial]:
    """Every schedule at every peak with every seed, on the same budget of updates.

    Args:
        schedules: name -> function of (eta_max, updates) that makes the schedule.
        eta_max: peaks, one list for all or one for each name.
        seeds: the same for all, so that differences can be paired.
        epochs, batch_size, data, settings: as in `Trial`.

    Raises:
        TypeError, ValueError: the argument, its value, and what would be right.

    Example:
        >>> from coslr import Constant, Cosine
        >>> trials = grid(
        ...     {"constant": lambda eta, T: Constant(eta), "cosine": lambda eta, T: Cosine(T, eta)},
        ...     eta_max=[0.05, 0.1, 0.2], seeds=range(8), epochs=10)
        >>> len(trials), trials[-1].schedule
        (48, Cosine(T_max=460, eta_max=0.2, eta_min=0.0))
    """
    updates = _updates(epochs, batch_size, data)
    seeds = list(seeds)
    for name, make in schedules.items():
        if isinstance(make, type | Schedule) or not callable(make):
            raise TypeError(
                f"schedules[{name!r}]={make!r}: must be a function of (eta_max, updates), such as "
                "lambda eta, T: Cosine(T, eta)"
            )
    if isinstance(eta_max, Mapping) and set(eta_max) != set(schedules):
        raise ValueError(f"eta_max: must have the names {sorted(schedules)}, not {sorted(eta_max)}")
    return [
        Trial(
            name=name, schedule=make(peak, updates), eta_max=peak, seed=seed,
            epochs=epochs, batch_size=batch_size, data=data, **settings,
        )
        for name, make in schedules.items()
        for peak, seed in itertools.product(
            eta_max[name] if isinstance(eta_max, Mapping) else eta_max, seeds
        )
    ]  # fmt: skip


def _updates(epochs: int, batch_size: int, data: Split) -> int:
    """How many updates a run makes."""
    if whole("batch_size", batch_size) > data.n_train:
        raise ValueError(f"batch_size={batch_size}: must be at most n_train, {data.n_train}")
    return whole("epochs", epochs) * (data.n_train // batch_size)
