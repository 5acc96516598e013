"""Studies: many trials, trained in parallel processes and kept on disk.

`run` trains those trials whose results are not on disk yet, and returns the results of all as one
`Study`. Each trial is one `coslr.experiments.training.fit`, so each is audited. What the results
mean is the business of `coslr.experiments.comparisons`.

The parts are in files of their own: `coslr.experiments.one_trial` trains a trial,
`coslr.experiments.keys` says what its result depends on, `coslr.experiments.store` keeps it,
`coslr.experiments.workers` is what one process does, and `coslr.experiments.parallel` starts many.
"""

import os
import secrets
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from coslr._arguments import require, require_type, sequence, whole
from coslr._optional import extra
from coslr.experiments.data import cache_folder
from coslr.experiments.keys import result_key, trial_fingerprint
from coslr.experiments.one_trial import Snapshot, TrialResult
from coslr.experiments.parallel import run_in_parallel
from coslr.experiments.store import Store
from coslr.experiments.trials import MEASURES, Trial
from coslr.experiments.workers import WHY_KILLED, Attempt, recall, train_or_recall

with extra("train"):
    import pandas as pd
    from tqdm.auto import tqdm

PAUSE = 0.5  # seconds between two looks at the trials that another process trains


@dataclass(frozen=True, eq=False)
class Study:
    """The results of `run`, in the order of its trials.

    Attributes:
        trials: what was trained.
        table: one row per trial: name, eta_max, seed, the extras, `status` ("ok", "diverged", or
            "failed: " and why), then the accuracy and loss on validation, test and training images
            after the last update. These six are NaN for a trial that diverged or failed.
        curves: one row per trial and epoch: `trial` is the row in the table, `epoch` counts from 1,
            and `update` is the number of updates made by then; then the six measures. Training
            images are measured after the last epoch alone.
        snapshots: row in the table -> epoch -> `coslr.experiments.one_trial.Snapshot`, with
            "predictions", "validation" and "weights", as far as the trial asks for them.
    """

    trials: tuple[Trial, ...]
    table: pd.DataFrame
    curves: pd.DataFrame
    snapshots: dict[int, dict[int, Snapshot]]

    def refuse_failures(self, what: str) -> None:
        """Raise an error if a trial failed.

        A failure, unlike a divergence, says nothing of a schedule.

        Args:
            what: the beginning of the error, such as the name of a contest.

        Raises:
            RuntimeError: what, the name of the first trial that failed, and why.
        """
        failed = self.table[self.table["status"].str.startswith("failed")]
        if len(failed):
            first = failed.iloc[0]
            raise RuntimeError(f"{what}, {first['name']}: {first['status']}")


def run(
    trials: Iterable[Trial],
    *,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Study:
    """Train the trials whose results are not on disk, in parallel, and return all results.

    Each trial runs in a worker process with one torch thread. Each result goes to disk as soon as
    it is there, so a study that was killed continues where it was. Several processes that run the
    same study at the same time share the work: each trial is trained once, and each process gets
    all results.

    A trial that fails is a row whose status says why. A failure is not kept: the trial is tried
    again next time.

    Results belong to the code that trained them and to the releases of PyTorch, NumPy and Python
    (see `coslr.experiments.keys`). Those of other code or other releases stay where they are.

    Under ``joblib.parallel_config(backend="dask")`` or ``"ray"`` the same call runs on a cluster.

    Args:
        trials: each at most once.
        workers: processes, from 1; None is one for each processor core, or what
            ``joblib.parallel_config`` says. With 1, the trials run in this process.
        cache: folder of the results; None is `study_folder()`.
        progress: show how many trials are finished, and an estimate of the time left.

    Raises:
        TypeError, ValueError: something that is no trial; one that occurs twice; none at all.
        OSError: there is something to train, and the folder cannot be written to.

    Example:
        >>> from coslr import Cosine
        >>> from coslr.experiments.trials import Split, grid
        >>> trials = grid({"cosine": lambda eta, T: Cosine(T, eta)}, [0.1], seeds=[0, 1], epochs=1,
        ...               data=Split(n_train=500, n_validation=100, n_test=100))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = run(trials, workers=1, cache=folder, progress=False)
        >>> study.table[["name", "eta_max", "seed", "status"]].values.tolist()
        [['cosine', 0.1, 0, 'ok'], ['cosine', 0.1, 1, 'ok']]
    """
    wanted = _checked(trials)
    if workers is not None:
        whole("workers", workers)
    folder = _folder(cache)
    store = _store(folder)
    store.remove_leftovers()
    fingerprints = [trial_fingerprint(trial) for trial in wanted]
    results = {
        i: result
        for i, fingerprint in enumerate(fingerprints)
        if (result := recall(store, result_key(fingerprint))) is not None
    }
    study = secrets.token_hex(8)
    calls = {
        i: partial(train_or_recall, wanted[i], fingerprints[i], store, study)
        for i in range(len(wanted))
        if i not in results
    }
    if calls:
        _require_writable(folder)
    not_kept = []
    with tqdm(total=len(wanted), initial=len(results), unit="trial", disable=not progress) as bar:
        for i, result, why in _train(wanted, calls, workers, bar):
            results[i] = result
            not_kept += [why] if why else []
    ordered = [results[i] for i in range(len(wanted))]
    _warn_of_failures([result.status for result in ordered if result.failed], len(wanted))
    _warn_of_losses(not_kept, len(calls), folder)
    return _study(wanted, ordered)


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
    """Delete all results, of this and any other release, and nothing else in their folder.

    Args:
        cache: folder of the results; None is `study_folder()`.
    """
    _store(_folder(cache)).clear()


def _checked(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """The trials, if each is one and occurs once."""
    checked = sequence("trials", trials, "trials of coslr.experiments.trials, such as grid makes")
    require(checked, "trials", list(checked), "at least one trial")
    first: dict[Trial, int] = {}
    for i, trial in enumerate(checked):
        right = "a coslr.experiments.trials.Trial"
        require_type(isinstance(trial, Trial), f"trials[{i}]", trial, right)
        first.setdefault(trial, i)
        require(first[trial] == i, f"trials[{i}]", trial, f"another trial than [{first[trial]}]")
    return checked


def _folder(cache: str | os.PathLike[str] | None) -> Path:
    return study_folder() if cache is None else Path(cache).expanduser().absolute()


def _store(folder: Path) -> Store:
    # The folder may hold other things too, such as what the lessons keep there.
    return Store(folder / "results")


def _require_writable(folder: Path) -> None:
    """An error now, rather than after the training, if no result can be kept."""
    try:
        _store(folder).folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=_store(folder).folder) as file:
            file.write(bytes(100_000))  # about the size of one result with its predictions
    except OSError as error:
        raise OSError(
            f"The results of a study cannot be kept in {folder} ({error.strerror}): free some "
            "space, or set COSLR_STUDIES to a folder that you can write to."
        ) from error


def _train(
    trials: tuple[Trial, ...],
    calls: Mapping[int, partial[Attempt]],
    workers: int | None,
    bar: tqdm,
) -> Iterator[tuple[int, TrialResult, str]]:
    """Each call's number and result, and why the result could not be kept if it could not.

    Trials that another process is training come last. They are called again and again, until the
    other process has kept the result, or has failed or died and left the trial to this one.
    """
    waiting = dict(calls)
    while waiting:
        for i, attempt in run_in_parallel(waiting, workers):
            if attempt is None:
                attempt = Attempt(TrialResult.of_failure(trials[i], WHY_KILLED))
            if attempt.result is not None:
                del waiting[i]
                bar.update()
                yield i, attempt.result, attempt.not_kept
        bar.set_postfix_str(f"{len(waiting)} in another process" if waiting else "")
        if waiting:
            time.sleep(PAUSE)


def _warn_of_failures(failures: list[str], trials: int) -> None:
    if failures:
        warnings.warn(
            f"{len(failures)} of {trials} trials failed, one of them with: "
            f"{failures[0].removeprefix('failed: ')}. The table's column `status` says which.",
            stacklevel=3,
        )


def _warn_of_losses(reasons: list[str], trained: int, folder: Path) -> None:
    if reasons:
        warnings.warn(
            f"{len(reasons)} of {trained} results could not be kept in {folder} ({reasons[0]}), "
            "and will be trained again next time: free some space there, or set COSLR_STUDIES to "
            "another folder.",
            stacklevel=3,
        )


def _study(trials: tuple[Trial, ...], results: list[TrialResult]) -> Study:
    rows, curves = [], []
    for i, (trial, result) in enumerate(zip(trials, results, strict=True)):
        described = {"name": trial.name, "eta_max": trial.eta_max, "seed": trial.seed}
        described |= dict(trial.extras)
        last = {name: result.measures[name][-1] for name in MEASURES}
        rows.append({**described, "status": result.status, **last})
        epoch = np.arange(1, trial.epochs + 1)
        update = epoch * (trial.data.n_train // trial.batch_size)
        columns = {"trial": i, **described, "epoch": epoch, "update": update, **result.measures}
        curves.append(pd.DataFrame(columns))
    snapshots = {i: result.snapshots for i, result in enumerate(results)}
    return Study(trials, pd.DataFrame(rows), pd.concat(curves, ignore_index=True), snapshots)
