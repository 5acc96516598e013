"""Many training runs: described as values, trained in parallel processes, kept on disk.

A `Trial` says everything about one run, `grid` writes down a whole study of them, and `run` trains
those whose results are not on disk yet. Each trial is one `coslr.training.fit`, so each is audited.
What the results mean is the business of `coslr.verdicts`.
"""

import dataclasses
import hashlib
import importlib.metadata
import inspect
import itertools
import os
import pickle
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from torch.nn.functional import log_softmax
from tqdm.auto import tqdm

from coslr.data import Images, balanced, cache_folder, fashion_mnist
from coslr.models import SmallCNN
from coslr.schedules import Schedule
from coslr.training import evaluate, fit

MEASURES = ["validation_accuracy", "validation_loss", "test_accuracy", "test_loss"]


# ------------------------------------------------------------------------- what is to be trained


@dataclass(frozen=True)
class Data:
    """Which images a trial trains on, chooses by, and reports on; classes are balanced in each.

    Attributes
    ----------
    n_train, n_validation : images taken from the training set, the first after the other.
    n_test : images of the test set; None is all of them.
    size, full, folder : as in `coslr.data.fashion_mnist`.
    fold : which of the n_train + n_validation images validate: 0 is the last n_validation of them,
        1 the n_validation before, and so on, for cross-validation.
    """

    n_train: int = 6000
    n_validation: int = 2000
    n_test: int | None = None
    size: int = 14
    full: bool = False
    folder: str | None = None
    fold: int = 0

    def __post_init__(self) -> None:
        last = self.n_train // self.n_validation
        if not (isinstance(self.fold, int) and 0 <= self.fold <= last):
            raise ValueError(f"fold={self.fold!r}: must be from 0 to {last}, n_train/n_validation")

    def load(self) -> tuple[Images, Images]:
        """Two sets with the same training images: one whose test images are for validation, and
        the one for the report.

        >>> Data(n_train=1000, n_validation=500, n_test=200).load()
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

    Attributes
    ----------
    name : what the schedule is called in tables, such as "cosine".
    schedule : learning rate at each update, a `coslr.Schedule`.
    eta_max : the peak, as tables show it; the rates are the schedule's.
    seed : where the initial weights and the order of the images come from.
    epochs, batch_size : as in `coslr.training.fit`.
    data : which images.
    model : called as ``model(size=..., seed=...)``: a class or a function of some module.
    optimizer : a class's name in ``torch.optim``, or a class.
    options : the optimizer's arguments besides the rate; a dict, kept as sorted pairs.
    momentum : a schedule for SGD's momentum or Adam's betas[0], or None.
    snapshots : epochs after which the predictions on the test images are kept.
    weights : keep the weights at each snapshot too.
    extras : further columns for the tables; a dict, kept as sorted pairs.
    """

    name: str
    schedule: Schedule
    eta_max: float
    seed: int
    epochs: int = 20
    batch_size: int = 128
    data: Data = Data()
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
        for name in ("options", "extras"):
            pairs = getattr(self, name)
            pairs = pairs.items() if isinstance(pairs, Mapping) else pairs
            object.__setattr__(self, name, tuple(sorted(pairs)))
        object.__setattr__(self, "snapshots", tuple(self.snapshots))
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
    data: Data = Data(),
    **settings: Any,
) -> list[Trial]:
    """Every schedule at every peak with every seed, on the same budget of updates.

    Parameters
    ----------
    schedules : name -> function of (eta_max, updates) that makes the schedule.
    eta_max : peaks, one list for all or one for each name.
    seeds : the same for all, so that differences can be paired.
    epochs, batch_size, data, settings : as in `Trial`.

    Examples
    --------
    >>> from coslr import Constant, Cosine
    >>> trials = grid(
    ...     {"constant": lambda eta, T: Constant(eta), "cosine": lambda eta, T: Cosine(T, eta)},
    ...     eta_max=[0.05, 0.1, 0.2], seeds=range(8), epochs=10)
    >>> len(trials), trials[-1].schedule
    (48, Cosine(T_max=460, eta_max=0.2, eta_min=0.0))
    """
    updates = epochs * (data.n_train // batch_size)
    seeds = list(seeds)
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


# ------------------------------------------------------------------------------- what came out


@dataclass(frozen=True, eq=False)
class Study:
    """The results of `run`, in the order of its trials.

    Attributes
    ----------
    trials : what was trained.
    table : one row per trial: name, eta_max, seed, the extras, `status` ("ok", "diverged", or what
        failed), and validation and test accuracy and loss after the last update; NaN if it failed.
    curves : one row per trial and epoch: `trial` is the row in the table, `epoch` counts from 1,
        `update` is how many have been made; then the four measures.
    snapshots : row in the table -> epoch -> "predictions", log-probabilities (images, classes), and
        "weights", name -> array, where the trial asks for them.
    """

    trials: tuple[Trial, ...]
    table: pd.DataFrame
    curves: pd.DataFrame
    snapshots: dict[int, dict[int, dict[str, Any]]]

    def ensemble(self, trial: int, epochs: Sequence[int]) -> tuple[float, float]:
        """Test accuracy and loss of the mean of a trial's predictions at several snapshots.

        After Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017.

        Parameters
        ----------
        trial : row in the table.
        epochs : which of its snapshots, at least one.

        Raises
        ------
        ValueError : a snapshot that was not kept.
        """
        kept = self.snapshots.get(trial, {})
        missing = [epoch for epoch in epochs if epoch not in kept]
        if missing or not epochs:
            raise ValueError(f"epochs={list(epochs)}: must be among those kept, {sorted(kept)}")
        logs = np.stack([kept[epoch]["predictions"] for epoch in epochs]).astype(float)
        mean = np.log(np.exp(logs).mean(axis=0))
        labels = _images(self.trials[trial].data)[1].y_test.numpy()
        accuracy = float((mean.argmax(axis=1) == labels).mean())
        return accuracy, float(-mean[np.arange(len(labels)), labels].mean())


def run(
    trials: Iterable[Trial],
    *,
    workers: int | None = None,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> Study:
    """Train the trials whose results are not in the cache, in parallel, and return all results.

    Each trial runs in a worker process with one torch thread. Each result goes to disk as soon as
    it is there, so a study that was killed goes on where it was. A trial that fails is a row that
    says so; only its failure is not kept, and it is tried again next time.

    Under ``joblib.parallel_config(backend="dask")`` or ``"ray"`` the same call runs on a cluster.

    Parameters
    ----------
    trials : each at most once.
    workers : processes; None is as many as there are processor cores, or what
        ``joblib.parallel_config`` says.
    cache : folder of the results; None is `study_folder()`.
    progress : show how many trials are finished, and an estimate of the time left.

    Raises
    ------
    TypeError, ValueError : something that is no trial; one that occurs twice; none at all.

    Examples
    --------
    >>> from coslr import Cosine
    >>> trials = grid({"cosine": lambda eta, T: Cosine(T, eta)}, [0.1], seeds=[0, 1], epochs=1,
    ...               data=Data(n_train=500, n_validation=100, n_test=100))
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = run(trials, workers=1, cache=folder, progress=False)
    >>> study.table[["name", "eta_max", "seed", "status"]].values.tolist()
    [['cosine', 0.1, 0, 'ok'], ['cosine', 0.1, 1, 'ok']]
    """
    trials = tuple(trials)
    for trial in trials:
        if not isinstance(trial, Trial):
            raise TypeError(f"trials: must hold coslr.studies.Trial, not {trial!r}")
    if not trials:
        raise ValueError("trials: must hold at least one")
    if len(set(trials)) < len(trials):
        twice = next(trial for trial in trials if trials.count(trial) > 1)
        raise ValueError(f"trials: must differ, and this one is there twice: {twice!r}")

    folder = str(study_folder() if cache is None else Path(cache).expanduser().absolute())
    keys = [_key(trial) for trial in trials]
    cached = _cached(folder)
    outcomes = {
        i: outcome
        for i, (trial, key) in enumerate(zip(trials, keys, strict=True))
        if (outcome := _recall(cached, trial, key)) is not None
    }
    calls = {
        i: joblib.delayed(_train_safely)(i, trial, key, folder)
        for i, (trial, key) in enumerate(zip(trials, keys, strict=True))
        if i not in outcomes
    }
    with tqdm(total=len(trials), initial=len(outcomes), unit="trial", disable=not progress) as bar:
        for i, outcome in _in_parallel(calls, workers):
            outcomes[i] = outcome
            bar.update()
    return _tidy(trials, [outcomes[i] for i in range(len(trials))])


def study_folder() -> Path:
    """Where results are kept: the folder that the variable COSLR_STUDIES names, or else ``studies``
    in `coslr.data.cache_folder()`.

    >>> os.environ["COSLR_STUDIES"] = "results"
    >>> study_folder().name
    'results'
    >>> del os.environ["COSLR_STUDIES"]
    """
    named = os.environ.get("COSLR_STUDIES")
    return Path(named).expanduser().absolute() if named else cache_folder().absolute() / "studies"


def clear_studies(cache: str | os.PathLike | None = None) -> None:
    """Delete all kept results: those in `cache`, or in `study_folder()`."""
    shutil.rmtree(
        Path(cache) / "joblib" if cache else study_folder() / "joblib", ignore_errors=True
    )


def _tidy(trials: tuple[Trial, ...], outcomes: list[dict[str, Any]]) -> Study:
    rows, curves = [], []
    for i, (trial, outcome) in enumerate(zip(trials, outcomes, strict=True)):
        described = {"name": trial.name, "eta_max": trial.eta_max, "seed": trial.seed}
        described |= dict(trial.extras)
        last = {measure: outcome[measure][-1] for measure in MEASURES}
        rows.append(described | {"status": outcome["status"]} | last)
        epoch = np.arange(1, trial.epochs + 1)
        update = epoch * (trial.data.n_train // trial.batch_size)
        measures = {measure: outcome[measure] for measure in MEASURES}
        curves.append(
            pd.DataFrame({"trial": i} | described | {"epoch": epoch, "update": update} | measures)
        )
    snapshots = {i: outcome["snapshots"] for i, outcome in enumerate(outcomes)}
    return Study(trials, pd.DataFrame(rows), pd.concat(curves, ignore_index=True), snapshots)


# ------------------------------------------------------------------------ one trial, in a worker

# Several threads of one worker (Dask allows that) would share PyTorch's random state and mix up
# each other's weights; so they take turns.
_TURN = threading.Lock()


def _train(trial: Trial, key: str) -> tuple[bytes, str]:
    """One trial's outcome, pickled, and a digest by which damage on disk is seen."""
    choose, report = _images(trial.data)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    model = trial.model(size=trial.data.size, seed=trial.seed).to(device)
    x, y = report.x_test.to(device), report.y_test.to(device)
    test = np.full((2, trial.epochs), np.nan)
    snapshots = {}

    def look(epoch: int, model: torch.nn.Module) -> None:
        test[:, epoch - 1] = evaluate(model, x, y)
        if epoch in trial.snapshots:
            with torch.no_grad():
                predictions = torch.cat([log_softmax(model(part), 1) for part in x.split(500)])
            snapshots[epoch] = {"predictions": predictions.cpu().numpy()}
            if trial.weights:
                weights = {k: v.cpu().numpy().copy() for k, v in model.state_dict().items()}
                snapshots[epoch]["weights"] = weights

    make = getattr(torch.optim, trial.optimizer, None) if isinstance(trial.optimizer, str) else None
    history = fit(
        model,
        choose,
        trial.schedule,
        epochs=trial.epochs,
        batch_size=trial.batch_size,
        optimizer=lambda parameters, lr: (make or trial.optimizer)(
            parameters, lr=lr, **dict(trial.options)
        ),
        momentum=trial.momentum,
        seed=trial.seed,
        progress=False,
        after_epoch=look,
    )
    outcome = {
        "status": "diverged" if history.diverged else "ok",
        "validation_accuracy": history.test_accuracy,
        "validation_loss": history.test_loss,
        "test_accuracy": test[0],
        "test_loss": test[1],
        "snapshots": snapshots,
    }
    content = pickle.dumps(outcome)
    return content, hashlib.sha256(content).hexdigest()


def _train_safely(i: int, trial: Trial, key: str, folder: str) -> tuple[int, dict[str, Any]]:
    """The number of a trial and its outcome, which tells of an error where there was one."""
    with _TURN:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return i, _opened(_cached(folder)(trial, key))
        except Exception as error:  # whatever it is, the other trials go on
            return i, _failed(trial, f"{type(error).__name__}: {error}")
        finally:
            torch.set_num_threads(threads)


def _failed(trial: Trial, why: str) -> dict[str, Any]:
    nothing = {measure: np.full(trial.epochs, np.nan) for measure in MEASURES}
    return {"status": f"failed: {why}", "snapshots": {}} | nothing


@lru_cache(maxsize=4)
def _images(data: Data) -> tuple[Images, Images]:
    return data.load()


# ---------------------------------------------------------------------------- many, in parallel


def _in_parallel(
    calls: dict[int, Any], workers: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the calls return, each as soon as it is there."""
    backend, configured = joblib.parallel.get_active_backend()
    parallel = joblib.Parallel(
        n_jobs=workers or configured or joblib.cpu_count(),
        batch_size=1,
        # Ray's backend can only return everything at the end.
        return_as="generator_unordered" if backend.supports_return_generator else "list",
    )
    done = set()
    try:
        for i, outcome in parallel(calls.values()):
            done.add(i)
            yield i, outcome
    except TerminatedWorkerError:
        # The system killed a worker, mostly for memory, and joblib gave up. One at a time there is
        # more memory for each, and it is seen which one is too large.
        for i, call in calls.items():
            if i in done:
                continue
            try:
                yield from joblib.Parallel(n_jobs=2)([call])
            except TerminatedWorkerError:
                trial = call[1][1]
                yield i, _failed(trial, "its process was killed; is there too little memory?")


# -------------------------------------------------------------------------------- kept on disk


def _cached(folder: str) -> joblib.memory.MemorizedFunc:
    # The key alone says which outcome it is; the trial is in it.
    return joblib.Memory(folder, verbose=0).cache(_train, ignore=["trial"])


def _opened(sealed: tuple[bytes, str]) -> dict[str, Any]:
    content, digest = sealed
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("damaged on disk")
    return pickle.loads(content)


def _recall(cached: joblib.memory.MemorizedFunc, trial: Trial, key: str) -> dict[str, Any] | None:
    """The outcome on disk; None where there is none, or a damaged one, which is deleted."""
    if not cached.check_call_in_cache(trial, key):
        return None
    kept = cached.call_and_shelve(trial, key)
    try:
        return _opened(kept.get())
    except Exception:  # a damaged pickle can raise anything
        kept.clear()
        return None


def _key(trial: Trial) -> str:
    """A digest of all that an outcome depends on: the trial, code, releases, kind of device.

    joblib.Memory sees a change in the function that it keeps the results of; this is for the code
    that the function calls, down to the reader's own model. What only tables show is left out.
    """
    trained = dataclasses.replace(trial, name="", extras=())
    digest = hashlib.sha256((joblib.hash(trained) + _own_code()).encode())
    parts = [trial.model, type(trial.schedule), trial.optimizer]
    for part in parts:
        module = getattr(part, "__module__", "torch")
        if isinstance(part, str) or module.partition(".")[0] in ("torch", "coslr"):
            continue
        try:
            digest.update(inspect.getsource(part).encode())
            if file := getattr(sys.modules.get(module), "__file__", None):
                digest.update(Path(file).read_bytes())
        except (OSError, TypeError) as error:
            raise ValueError(
                f"{part!r}: its code cannot be read, so a change of it would go unnoticed; "
                "put it in a file or a notebook cell"
            ) from error
    return digest.hexdigest()


@lru_cache
def _own_code() -> str:
    digest = hashlib.sha256()
    for name in ("schedules", "pytorch", "data", "models", "training", "studies"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    releases = [importlib.metadata.version(package) for package in ("torch", "numpy")]
    device = torch.accelerator.is_available()
    digest.update(repr([releases, device]).encode())
    return digest.hexdigest()
