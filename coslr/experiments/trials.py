"""What is to be trained: a `Trial` says everything about one run, and `grid` makes many of them.

Both are plain values; `coslr.experiments.studies.run` trains them.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coslr._arguments import number, require, require_type, sequence, whole
from coslr._optional import extra
from coslr.experiments.data import Images, balanced, fashion_mnist
from coslr.experiments.models import SmallCNN
from coslr.experiments.randomness import check_seed
from coslr.experiments.text import Excerpt
from coslr.schedules import Schedule

with extra("train"):
    import torch

# After each epoch; the training images are evaluated after the last epoch alone.
MEASURES = [
    f"{images}_{kind}"
    for images in ("validation", "test", "training")
    for kind in ("accuracy", "loss")
]
COLUMNS = ["trial", "name", "eta_max", "seed", "status", "epoch", "update", *MEASURES]


@dataclass(frozen=True)
class Split:
    """Which images a trial trains on, chooses by, and reports on, with equally many of each class.

    The validation images come out of the training set, so that no choice ever sees a test image.

    Attributes:
        n_train, n_validation: images taken from the training set, the first after the other;
            multiples of 10, the number of classes.
        n_test: images of the test set, a multiple of 10; None is all of them.
        size, full, folder: as in `coslr.experiments.data.fashion_mnist`.
        fold: which of the n_train + n_validation images validate: 0 is the last n_validation of
            them, 1 the n_validation before, and so on, for cross-validation.

    Raises:
        TypeError, ValueError: the argument, its value, and what would be right.
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
            value = getattr(self, name)
            if not (name == "n_test" and value is None):
                images = whole(name, value)
                require(images % 10 == 0, name, images, "a multiple of 10, the number of classes")
                object.__setattr__(self, name, images)
        last = self.n_train // self.n_validation
        right = f"a whole number from 0 to {last}, n_train/n_validation"
        fold = whole("fold", self.fold, right, least=0)
        require(fold <= last, "fold", fold, right)
        object.__setattr__(self, "fold", fold)

    def load(self) -> tuple[Images, Images]:
        """The images, twice: with the validation images in place of the test set, and as they are.

        Returns:
            Two sets with the same training images. The test images of the first are the validation
            images, to choose by; those of the second are test images, to report on.

        Raises:
            ValueError: there are fewer images than `n_train` + `n_validation`, or than `n_test`.

        Example:
            >>> choose, report = Split(n_train=1000, n_validation=500, n_test=200).load()
            >>> choose
            Images(1000 training and 500 test images, 14x14, cpu)
            >>> report
            Images(1000 training and 200 test images, 14x14, cpu)
        """
        images = fashion_mnist(full=self.full, folder=self.folder, size=self.size)
        n, name = self.n_train + self.n_validation, "n_train + n_validation"
        both = balanced(images.y_train, n, len(images.classes), name)
        begin = self.n_train - self.fold * self.n_validation
        held_out = both[begin : begin + self.n_validation]
        rest = torch.cat([both[:begin], both[begin + self.n_validation :]])
        # Only the test images of this subset are used: 10 training images are the fewest possible.
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
        eta_max: the peak, as tables show it; the rates in force are the schedule's.
        seed: where the initial weights and the order of the images come from.
        epochs, batch_size: as in `coslr.experiments.training.fit`.
        data: which images, or which text.
        model: a class or function of some module, called as ``model(size=..., seed=...)``.
        optimizer: the name of a class in ``torch.optim``, or a class or function.
        options: the optimizer's arguments besides the rate; a dict, kept as sorted pairs.
        momentum: a schedule for SGD's momentum or Adam's betas[0], or None.
        weight_decay: a schedule for the optimizer's weight decay, or None.
        snapshots: epochs after which something of the network is kept.
        weights: keep the weights at each snapshot too.
        predictions: keep the predictions at each snapshot; those of a text take much space.
        extras: further columns for the tables; a dict, kept as sorted pairs.

    Raises:
        TypeError, ValueError: the argument, its value, and what would be right.

    Example:
        >>> from coslr import Cosine
        >>> trial = Trial(name="cosine", schedule=Cosine(920, 0.1), eta_max=0.1, seed=0,
        ...               options={"momentum": 0.95})
        >>> trial.epochs, trial.options
        (20, (('momentum', 0.95),))
    """

    name: str
    schedule: Schedule
    eta_max: float
    seed: int
    epochs: int = 20
    batch_size: int = 128
    data: Split | Excerpt = Split()
    model: Callable[..., torch.nn.Module] = SmallCNN
    optimizer: str | Callable[..., torch.optim.Optimizer] = "SGD"
    options: tuple[tuple[str, Any], ...] = (("momentum", 0.9), ("nesterov", True))
    momentum: Schedule | None = None
    weight_decay: Schedule | None = None
    snapshots: tuple[int, ...] = ()
    weights: bool = False
    predictions: bool = True
    extras: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        require_type(isinstance(self.schedule, Schedule), "schedule", self.schedule, _A_SCHEDULE)
        for name in ("momentum", "weight_decay"):
            value = getattr(self, name)
            is_right = value is None or isinstance(value, Schedule)
            require_type(is_right, name, value, f"{_A_SCHEDULE}, or None")
        right = "a class or function that is called as model(size=..., seed=...)"
        require_type(callable(self.model), "model", self.model, right)
        require_type(isinstance(self.name, str), "name", self.name, "a text")
        for name in ("weights", "predictions"):
            value = getattr(self, name)
            require_type(isinstance(value, bool), name, value, "True or False")
        _check_optimizer(self.optimizer)
        _count_updates(self.epochs, self.batch_size, self.data)
        # Python's own numbers: equal trials then have equal keys on disk, and equal columns.
        settings = {
            "eta_max": float(number("eta_max", self.eta_max)),
            "seed": check_seed(self.seed),
            "epochs": int(self.epochs),
            "batch_size": int(self.batch_size),
            "snapshots": _checked_snapshots(self.snapshots, self.epochs),
            "options": _sorted_pairs("options", self.options),
            "extras": _sorted_pairs("extras", self.extras),
        }
        for name, value in settings.items():
            object.__setattr__(self, name, value)
        taken = sorted({name for name, _ in self.extras} & {*COLUMNS})
        require(not taken, "extras", taken, "named otherwise than the tables' own columns")


def grid(
    schedules: Mapping[str, Callable[[float, int], Schedule]],
    eta_max: Sequence[float] | Mapping[str, Sequence[float]],
    seeds: Iterable[int],
    *,
    epochs: int = 20,
    batch_size: int = 128,
    data: Split | Excerpt = Split(),
    **settings: Any,
) -> list[Trial]:
    """Every schedule at every peak with every seed, on the same budget of updates.

    Args:
        schedules: name -> function of (eta_max, updates) that makes the schedule.
        eta_max: peaks, one list for all schedules or one for each name.
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
    updates = _count_updates(epochs, batch_size, data)
    seeds = sequence("seeds", seeds, "a sequence of seeds")
    for name, make in schedules.items():
        # A class such as Cosine can be called, but takes its arguments in another order.
        is_function = callable(make) and not isinstance(make, type | Schedule)
        right = "a function of (eta_max, updates), such as lambda eta, T: Cosine(T, eta)"
        require_type(is_function, f"schedules[{name!r}]", make, right)
    peaks = _checked_peaks(eta_max, schedules)
    return [
        Trial(
            name=name, schedule=make(peak, updates), eta_max=peak, seed=seed,
            epochs=epochs, batch_size=batch_size, data=data, **settings,
        )
        for name, make in schedules.items()
        for peak, seed in itertools.product(peaks[name], seeds)
    ]  # fmt: skip


_A_SCHEDULE = "a schedule, such as coslr.Cosine"


def _count_updates(epochs: int, batch_size: int, data: Split | Excerpt) -> int:
    """How many updates a run makes; an epoch has full batches only."""
    right = "a Split of images, or an Excerpt of a text"
    require_type(isinstance(data, Split | Excerpt), "data", data, right)
    most = f"a whole number from 1 to n_train={data.n_train}"
    require(whole("batch_size", batch_size, most) <= data.n_train, "batch_size", batch_size, most)
    return whole("epochs", epochs) * (data.n_train // batch_size)


def _checked_peaks(
    eta_max: Sequence[float] | Mapping[str, Sequence[float]], names: Iterable[str]
) -> dict[str, list[float]]:
    """The peaks of each schedule by its name."""
    if isinstance(eta_max, Mapping):
        right = f"peaks by the names of the schedules, {sorted(names)}"
        require(set(eta_max) == set(names), "eta_max", eta_max, right)
        places = {name: (f"eta_max[{name!r}]", eta_max[name]) for name in names}
    else:
        places = dict.fromkeys(names, ("eta_max", eta_max))
    return {
        name: [
            float(number(f"{place}[{i}]", peak))
            for i, peak in enumerate(sequence(place, peaks, "a sequence of peaks"))
        ]
        for name, (place, peaks) in places.items()
    }


def _check_optimizer(optimizer: object) -> None:
    if isinstance(optimizer, str):
        named = getattr(torch.optim, optimizer, None)
        is_optimizer = isinstance(named, type) and issubclass(named, torch.optim.Optimizer)
        require(is_optimizer, "optimizer", optimizer, "the name of an optimizer in torch.optim")
    else:
        right = "the name of an optimizer in torch.optim, or a class or function that makes one"
        require_type(callable(optimizer), "optimizer", optimizer, right)


def _checked_snapshots(snapshots: Iterable[int], epochs: int) -> tuple[int, ...]:
    right = f"epochs from 1 to {epochs}"
    checked = tuple(
        whole(f"snapshots[{i}]", epoch, f"one of the {right}")
        for i, epoch in enumerate(sequence("snapshots", snapshots, right))
    )
    require(all(epoch <= epochs for epoch in checked), "snapshots", list(checked), right)
    return checked


def _sorted_pairs(
    name: str, pairs: Mapping[str, Any] | Iterable[tuple[str, Any]]
) -> tuple[tuple[str, Any], ...]:
    listed = pairs.items() if isinstance(pairs, Mapping) else pairs
    checked = tuple(sorted(sequence(name, listed, "a dict")))
    try:
        hash(checked)
    except TypeError as error:
        raise TypeError(f"{name}={pairs!r}: must hold tuples, not lists ({error})") from error
    return checked
