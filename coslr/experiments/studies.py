"""Many training runs: described as values, trained in parallel processes, kept on disk.

A `Trial` says everything about one run, `grid` writes down a whole study of them, and `run` trains
those whose results are not on disk yet. Each trial is one `coslr.experiments.training.fit`, so
each is audited.
What the results mean is the business of `coslr.experiments.comparisons`.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import os
import pickle
import platform
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
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

from coslr._arguments import whole
from coslr.experiments.data import Images, cache_folder
from coslr.experiments.fingerprint import fingerprint
from coslr.experiments.training import evaluate, fit
from coslr.experiments.trials import MEASURES, Split, Trial

if not hasattr(torch, "accelerator"):
    raise ImportError(
        "coslr.experiments needs PyTorch 2.9 or newer, and this environment has "
        f"{torch.__version__}: upgrade torch and torchvision together, or start Jupyter "
        "with make lab."
    )


# ------------------------------------------------------------------------------- what came out


@dataclass(frozen=True, eq=False)
class Study:
    """The results of `run`, in the order of its trials.

    Attributes:
        trials: what was trained.
        table: one row per trial: name, eta_max, seed, the extras, `status` ("ok", "diverged", or
            what failed), and validation and test accuracy and loss after the last update; NaN if it
            failed.
        curves: one row per trial and epoch: `trial` is the row in the table, `epoch` counts from 1,
            `update` is how many have been made; then the four measures.
        snapshots: row in the table -> epoch -> "predictions", log-probabilities (images, classes),
            and "weights", name -> array, where the trial asks for them.
    """

    trials: tuple[Trial, ...]
    table: pd.DataFrame
    curves: pd.DataFrame
    snapshots: dict[int, dict[int, dict[str, Any]]]

    def ensemble(self, trial: int, epochs: Sequence[int]) -> tuple[float, float]:
        """Test accuracy and loss of the mean of a trial's predictions at several snapshots.

        After Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017.

        Args:
            trial: row in the table.
            epochs: which of its snapshots, at least one.

        Raises:
            ValueError: a snapshot that was not kept.
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
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Study:
    """Train the trials whose results are not in the cache, in parallel, and return all results.

    Each trial runs in a worker process with one torch thread. Each result goes to disk as soon as
    it is there, so a study that was killed goes on where it was. A trial that fails is a row that
    says so; only its failure is not kept, and it is tried again next time.

    Under ``joblib.parallel_config(backend="dask")`` or ``"ray"`` the same call runs on a cluster.

    Args:
        trials: each at most once.
        workers: processes, from 1; None is as many as there are processor cores, or what
            ``joblib.parallel_config`` says.
        cache: folder of the results; None is `study_folder()`.
        progress: show how many trials are finished, and an estimate of the time left.

    Raises:
        TypeError, ValueError: something that is no trial; one that occurs twice; none at all.
        OSError: the folder cannot be written to.

    Example:
        >>> from coslr import Cosine
        >>> from coslr.experiments.trials import grid
        >>> trials = grid({"cosine": lambda eta, T: Cosine(T, eta)}, [0.1], seeds=[0, 1], epochs=1,
        ...               data=Split(n_train=500, n_validation=100, n_test=100))
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = run(trials, workers=1, cache=folder, progress=False)
        >>> study.table[["name", "eta_max", "seed", "status"]].values.tolist()
        [['cosine', 0.1, 0, 'ok'], ['cosine', 0.1, 1, 'ok']]
    """
    if workers is not None:
        whole("workers", workers)
    trials = tuple(trials)
    for trial in trials:
        if not isinstance(trial, Trial):
            raise TypeError(f"trials: must hold coslr.experiments.trials.Trial, not {trial!r}")
    if not trials:
        raise ValueError("trials: must hold at least one")
    if len(set(trials)) < len(trials):
        twice = next(trial for trial in trials if trials.count(trial) > 1)
        raise ValueError(f"trials: must differ, and this one is there twice: {twice!r}")

    folder = str(_writable(_folder(cache)))
    keys = [_key(trial) for trial in trials]
    cached = _cached(folder)
    outcomes = {
        i: outcome
        for i, (trial, key) in enumerate(zip(trials, keys, strict=True))
        if (outcome := _recall(cached, trial, _here(key))) is not None
    }
    with (
        tempfile.TemporaryDirectory(dir=Path(folder) / "joblib", prefix="started-") as started,
        tqdm(total=len(trials), initial=len(outcomes), unit="trial", disable=not progress) as bar,
    ):
        calls = {
            i: joblib.delayed(_train_safely)(i, trial, key, folder, started)
            for i, (trial, key) in enumerate(zip(trials, keys, strict=True))
            if i not in outcomes
        }
        for i, outcome in _in_parallel(calls, workers):
            outcomes[i] = outcome
            bar.update()
    failed = [outcome["status"] for outcome in outcomes.values() if not _is_done(outcome)]
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(trials)} trials failed, one of them with: "
            f"{failed[0].removeprefix('failed: ')}. The table's column `status` says which.",
            stacklevel=2,
        )
    _warn_of_lost(cached, {i: (trials[i], keys[i]) for i in calls if _is_done(outcomes[i])}, folder)
    return _tidy(trials, [outcomes[i] for i in range(len(trials))])


def study_folder() -> Path:
    """Where results are kept: the folder that the variable COSLR_STUDIES names, or else ``studies``
    in `coslr.experiments.data.cache_folder()`.

    >>> os.environ["COSLR_STUDIES"] = "results"
    >>> study_folder().name
    'results'
    >>> del os.environ["COSLR_STUDIES"]
    """
    named = os.environ.get("COSLR_STUDIES")
    return Path(named).expanduser().absolute() if named else cache_folder().absolute() / "studies"


def clear_studies(cache: str | os.PathLike[str] | None = None) -> None:
    """Delete all kept results: those in `cache`, or in `study_folder()`; nothing else there."""
    shutil.rmtree(_folder(cache) / "joblib", ignore_errors=True)


def _folder(cache: str | os.PathLike[str] | None) -> Path:
    return study_folder() if cache is None else Path(cache).expanduser().absolute()


def _writable(folder: Path) -> Path:
    """The folder, if a result can be kept there: better an error now than after the training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(100_000))  # about what one trial leaves
    except OSError as error:
        raise OSError(
            f"The results of a study cannot be kept in {folder} ({error.strerror}): free some "
            "space, or set COSLR_STUDIES to a folder that you can write to."
        ) from error
    return folder


def _is_done(outcome: dict[str, Any]) -> bool:
    return not outcome["status"].startswith("failed")


def _warn_of_lost(
    cached: joblib.memory.MemorizedFunc, trained: dict[int, tuple[Trial, str]], folder: str
) -> None:
    """Say so where results did not stay: joblib warns of it in the workers, which nobody sees."""
    with contextlib.suppress(OSError):
        lost = [
            i for i, (t, key) in trained.items() if not cached.check_call_in_cache(t, _here(key))
        ]
        if lost:
            warnings.warn(
                f"{len(lost)} of {len(trained)} results could not be kept in {folder}, and will be "
                "trained again next time: free some space there, or set COSLR_STUDIES to another "
                "folder.",
                stacklevel=3,
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
    snapshots: dict[int, dict[str, Any]] = {}

    def look(epoch: int, model: torch.nn.Module) -> None:
        test[:, epoch - 1] = evaluate(model, x, y)
        if epoch in trial.snapshots:
            with torch.no_grad():
                predictions = torch.cat([log_softmax(model(part), 1) for part in x.split(500)])
            snapshots[epoch] = {"predictions": predictions.cpu().numpy()}
            if trial.weights:
                weights = {k: v.cpu().numpy().copy() for k, v in model.state_dict().items()}
                snapshots[epoch]["weights"] = weights

    make: Any = trial.optimizer
    if isinstance(make, str):
        make = getattr(torch.optim, make)
    history = fit(
        model,
        choose,
        trial.schedule,
        epochs=trial.epochs,
        batch_size=trial.batch_size,
        optimizer=lambda parameters, lr: make(parameters, lr=lr, **dict(trial.options)),
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


def _train_safely(
    i: int, trial: Trial, key: str, folder: str, started: str
) -> tuple[int, dict[str, Any]]:
    """The number of a trial and its outcome, which tells of an error where there was one."""
    with _TURN:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            cached, key = _cached(folder), _here(key)
            outcome = _recall(cached, trial, key)
            if outcome is None and _starts(Path(started) / str(i)) > 2:
                outcome = _failed(trial, KILLED)
            return i, _opened(cached(trial, key)) if outcome is None else outcome
        except Exception as error:  # whatever it is, the other trials go on
            return i, _failed(trial, f"{type(error).__name__}: {error}")
        finally:
            torch.set_num_threads(threads)


def _starts(file: Path) -> int:
    """How often a trial was started, this time included; kept in a file, by its length.

    Dask gives a trial whose worker was killed to the next worker, and after the fourth one joblib
    would wait for it for ever.
    """
    with contextlib.suppress(OSError):  # on another machine that does not share the folder
        with file.open("ab") as notes:
            notes.write(b".")
        return file.stat().st_size
    return 1


KILLED = "its process was killed; is there too little memory?"


def _failed(trial: Trial, why: str) -> dict[str, Any]:
    nothing = {measure: np.full(trial.epochs, np.nan) for measure in MEASURES}
    return {"status": f"failed: {why}", "snapshots": {}} | nothing


@lru_cache(maxsize=4)
def _images(data: Split) -> tuple[Images, Images]:
    return data.load()


# ---------------------------------------------------------------------------- many, in parallel


def _in_parallel(
    calls: dict[int, Any], workers: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the calls return, each as soon as it is there."""
    backend, configured = joblib.parallel.get_active_backend()
    n_jobs = workers or configured or joblib.cpu_count()
    # Ray's backend can only return everything at the end.
    return_as = "generator_unordered" if backend.supports_return_generator else "list"
    waiting = dict(calls)
    while waiting:
        parallel = joblib.Parallel(n_jobs=n_jobs, batch_size=1, return_as=return_as)
        try:
            for i, outcome in parallel([*waiting.values()]):
                del waiting[i]
                yield i, outcome
        except TerminatedWorkerError:
            # The system killed a worker, mostly for memory, and joblib gave up what it had handed
            # out: two trials for each worker. One at a time there is more memory for each, and it
            # is seen which one is too large.
            for i in [*waiting][: 2 * n_jobs if n_jobs > 0 else None]:
                yield i, _alone(waiting.pop(i))


def _alone(call: Any) -> dict[str, Any]:
    try:
        # With n_jobs=1 it would be in this process, and take it along.
        outcome: dict[str, Any] = joblib.Parallel(n_jobs=2)([call])[0][1]
        return outcome
    except TerminatedWorkerError:
        return _failed(call[1][1], KILLED)


# -------------------------------------------------------------------------------- kept on disk


def _cached(folder: str) -> joblib.memory.MemorizedFunc:
    # The key alone says which outcome it is; the trial is in it.
    return joblib.Memory(folder, verbose=0).cache(_train, ignore=["trial"])


def _opened(sealed: tuple[bytes, str]) -> dict[str, Any]:
    content, digest = sealed
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("damaged on disk")
    outcome: dict[str, Any] = pickle.loads(content)
    return outcome


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
    """A digest of the trial and of the reader's code in it; what only tables show is left out."""
    return fingerprint(dataclasses.replace(trial, name="", eta_max=0.0, extras=()))


def _here(key: str) -> str:
    """The key with all else that an outcome depends on: our code, the releases, kind of device.

    It is made where the trial is trained: a worker of a cluster may have another release.
    """
    return hashlib.sha256((key + _environment()).encode()).hexdigest()


# Read now, as this process runs the code, and not later, when the files may have changed.
_CODE = b"".join(
    (Path(__file__).parents[1] / f"{name}.py").read_bytes()
    for name in (
        "_arguments",
        "schedules",
        "pytorch",
        "experiments/data",
        "experiments/models",
        "experiments/training",
        "experiments/trials",
        "experiments/studies",
    )
)


@lru_cache
def _environment() -> str:
    releases = [importlib.metadata.version(package) for package in ("torch", "numpy")]
    parts = [platform.python_version(), *releases, torch.accelerator.is_available()]
    return hashlib.sha256(_CODE + repr(parts).encode()).hexdigest()
