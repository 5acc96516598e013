"""Train one trial, and say what came out: its curves, its status, and its snapshots."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from coslr._optional import extra
from coslr.experiments.data import Images
from coslr.experiments.text import Characters, Excerpt
from coslr.experiments.training import evaluate, fit
from coslr.experiments.trials import MEASURES, Split, Trial

with extra("train"):
    import torch
    from torch.nn.functional import log_softmax

if not hasattr(torch, "accelerator"):
    raise ImportError(
        "coslr.experiments needs PyTorch 2.9 or newer, and this environment has "
        f"{torch.__version__}: upgrade torch and torchvision together, or start Jupyter "
        "with make lab."
    )

# Several threads of one process (Dask allows that) would share PyTorch's random numbers and change
# each other's weights, so they take turns.
_ONE_AT_A_TIME = threading.Lock()


class Snapshot(TypedDict):
    """The network after some epoch.

    Attributes:
        predictions: log-probabilities of the test images, float32, (images, classes), unless the
            trial does without them.
        validation: the same of the validation images.
        weights: name -> array, as in the model's ``state_dict``, if the trial asks for them.
    """

    predictions: NotRequired[NDArray[np.float32]]
    validation: NotRequired[NDArray[np.float32]]
    weights: NotRequired[dict[str, NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What came out of one trial.

    Attributes:
        status: "ok", "diverged", or "failed: " and why.
        measures: each of `coslr.experiments.trials.MEASURES` after each epoch, float64, (epochs,);
            NaN from the epoch on in which the loss became infinite or NaN. The measures of the
            training images are known after the last epoch alone, and NaN before.
        snapshots: epoch -> snapshot.
    """

    status: str
    measures: dict[str, NDArray[np.float64]]
    snapshots: dict[int, Snapshot] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the training broke off with an error; divergence is no failure."""
        return self.status.startswith("failed")

    @classmethod
    def of_failure(cls, trial: Trial, why: str) -> "TrialResult":
        """The result of a trial that has none: every measure is NaN."""
        return cls(f"failed: {why}", {name: np.full(trial.epochs, np.nan) for name in MEASURES})

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, such as "test_loss" or "snapshots/3/weights/head.bias"."""
        arrays: dict[str, NDArray[Any]] = dict(self.measures)
        for epoch, snapshot in self.snapshots.items():
            if "predictions" in snapshot:
                arrays[f"snapshots/{epoch}/predictions"] = snapshot["predictions"]
                arrays[f"snapshots/{epoch}/validation"] = snapshot["validation"]
            for name, weights in snapshot.get("weights", {}).items():
                arrays[f"snapshots/{epoch}/weights/{name}"] = weights
        return arrays

    @classmethod
    def from_arrays(cls, status: str, arrays: Mapping[str, NDArray[Any]]) -> "TrialResult":
        """The result whose `to_arrays` gives these."""
        snapshots: dict[int, dict[str, Any]] = {}
        for name, array in arrays.items():
            match name.split("/", 3):
                case ["snapshots", epoch, "weights", parameter]:
                    snapshots.setdefault(int(epoch), {}).setdefault("weights", {})[parameter] = (
                        array
                    )
                case ["snapshots", epoch, predicted]:
                    snapshots.setdefault(int(epoch), {})[predicted] = array
        kept = {epoch: cast(Snapshot, snapshot) for epoch, snapshot in snapshots.items()}
        return cls(status, {name: arrays[name] for name in MEASURES}, kept)


def train_trial(trial: Trial, threads: int = 1) -> TrialResult:
    """Train a trial, and evaluate it on the test images after each epoch, on all at the end.

    Validation images are what `coslr.experiments.training.fit` evaluates on; test images are only
    reported. PyTorch's random numbers and its number of threads are left as they were.

    Args:
        trial: what to train.
        threads: for PyTorch; another number may change the last bits of a result.

    Raises:
        Exception: whatever the trial's model, optimizer or schedule raises, or `fit`.

    Example:
        >>> from coslr import Cosine
        >>> trial = Trial(name="cosine", schedule=Cosine(10, 0.1), eta_max=0.1, seed=0, epochs=1,
        ...               batch_size=50, data=Split(n_train=500, n_validation=100, n_test=100))
        >>> result = train_trial(trial)
        >>> result.status, len(result.measures), result.measures["test_loss"].shape
        ('ok', 6, (1,))
    """
    measures = {name: np.full(trial.epochs, np.nan) for name in MEASURES}
    snapshots: dict[int, Snapshot] = {}
    with _ONE_AT_A_TIME, _torch_threads(threads):
        choose, reported = load_data(trial.data)
        device = training_device()
        model = trial.model(size=trial.data.size, seed=trial.seed).to(device)
        x_test, y_test = reported.x_test.to(device), reported.y_test.to(device)

        def record(images: str, epoch: int, result: tuple[float, float]) -> None:
            for kind, value in zip(("accuracy", "loss"), result, strict=True):
                measures[f"{images}_{kind}"][epoch - 1] = value

        def report(epoch: int, model: torch.nn.Module) -> None:
            record("test", epoch, evaluate(model, x_test, y_test))
            if epoch == trial.epochs:
                x_train, y_train = choose.training_set()
                record("training", epoch, evaluate(model, x_train.to(device), y_train.to(device)))
            if epoch in trial.snapshots:
                x_validation = choose.x_test.to(device)
                snapshots[epoch] = _snapshot(model, x_test, x_validation, trial)

        history = fit(
            model,
            choose,
            trial.schedule,
            epochs=trial.epochs,
            batch_size=trial.batch_size,
            optimizer=lambda parameters, lr: _make_optimizer(trial, parameters, lr),
            momentum=trial.momentum,
            weight_decay=trial.weight_decay,
            seed=trial.seed,
            progress=False,
            after_epoch=report,
        )
    measures["validation_accuracy"] = history.test_accuracy
    measures["validation_loss"] = history.test_loss
    return TrialResult("diverged" if history.diverged else "ok", measures, snapshots)


@lru_cache(maxsize=4)
def load_data(data: Split | Excerpt) -> tuple[Images, Images] | tuple[Characters, Characters]:
    """What `data` loads, and the same again for the next trial that asks for it."""
    return data.load()


def training_device() -> torch.device:
    """Where trials are trained: on the accelerator if there is one, otherwise on the CPU."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator or torch.device("cpu")


def _make_optimizer(
    trial: Trial, parameters: Iterator[torch.nn.Parameter], lr: float
) -> torch.optim.Optimizer:
    make = trial.optimizer
    if isinstance(make, str):
        make = getattr(torch.optim, make)
    return make(parameters, lr=lr, **dict(trial.options))


def _snapshot(
    model: torch.nn.Module, x_test: torch.Tensor, x_validation: torch.Tensor, trial: Trial
) -> Snapshot:
    snapshot: Snapshot = {}
    if trial.predictions:
        snapshot["predictions"] = _predictions(model, x_test)
        snapshot["validation"] = _predictions(model, x_validation)
    if trial.weights:
        # Copies, because the training goes on in the model's own memory.
        state = model.state_dict()
        snapshot["weights"] = {name: value.cpu().numpy().copy() for name, value in state.items()}
    return snapshot


def _predictions(model: torch.nn.Module, images: torch.Tensor) -> NDArray[np.float32]:
    with torch.no_grad():
        parts = [log_softmax(model(part), -1) for part in images.split(500)]
    predictions: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return predictions


@contextmanager
def _torch_threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
