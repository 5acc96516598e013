"""What a worker process does with a trial: lock it, look on disk, train it, and keep its result."""

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from coslr._arguments import shown
from coslr._optional import extra
from coslr.experiments.keys import environment, result_key
from coslr.experiments.one_trial import TrialResult, train_trial
from coslr.experiments.randomness import seeded
from coslr.experiments.store import Store
from coslr.experiments.trials import Trial

with extra("train"):
    from torch import nn

WHY_KILLED = "its process was killed; is there too little memory?"
MOST_STARTS = 2  # once beside other trials, and once more with the memory to itself


@dataclass(frozen=True)
class Attempt:
    """What a worker can say of a trial.

    Attributes:
        result: the trial's result; None if another process is training the trial now.
        not_kept: why the result is not on disk; empty if it is, or if there is nothing to keep.
    """

    result: TrialResult | None
    not_kept: str = ""


def train_or_recall(trial: Trial, fingerprint: str, store: Store, study: str) -> Attempt:
    """The result of a trial: from disk if it is there, otherwise trained and then kept.

    An error in the training is a result, whose status names the error; it is not kept.

    Args:
        trial: what to train.
        fingerprint: the trial's, made by `coslr.experiments.keys.trial_fingerprint`.
        store: where results are kept.
        study: hexadecimal digits that no other call of `coslr.experiments.studies.run` uses.
    """
    key = result_key(fingerprint)
    try:
        with store.lock(key) as ours:
            if not ours:
                return Attempt(None)
            # The caller has looked, but another process may have trained the trial since.
            kept = recall(store, key)
            return Attempt(kept) if kept else _train_and_keep(trial, store, key, study)
    except Exception as error:  # whatever it is, the other trials go on
        return Attempt(TrialResult.of_failure(trial, f"{type(error).__name__}: {error}"))


def recall(store: Store, key: str) -> TrialResult | None:
    """The result on disk; None if there is none, or only a damaged one."""
    stored = store.get(key)
    if stored is None:
        return None
    try:
        return TrialResult.from_arrays(str(stored.details["status"]), stored.arrays)
    except KeyError:  # something else was put under this key
        return None


def _train_and_keep(trial: Trial, store: Store, key: str, study: str) -> Attempt:
    notes = store.beside(key, f"{study}.starts")
    try:
        if _count_start(notes) > MOST_STARTS:
            return Attempt(TrialResult.of_failure(trial, WHY_KILLED))
        # A model that does not use its seed would start from whatever was drawn in this process.
        made = partial(_from_its_seed, trial.model)
        result = train_trial(dataclasses.replace(trial, model=made))
    finally:
        with contextlib.suppress(OSError):
            notes.unlink()
    try:
        details = {"status": result.status, "trial": _described(trial), **environment()}
        store.put(key, result.to_arrays(), details)
    except Exception as error:  # the result is there and is worth more than its file
        return Attempt(result, not_kept=str(error))
    return Attempt(result)


def _from_its_seed(model: Callable[..., nn.Module], *, size: int, seed: int) -> nn.Module:
    with seeded(seed):
        return model(size=size, seed=seed)


def _described(trial: Trial) -> dict[str, str]:
    """The trial for people who open the file; nothing reads it back."""
    return {field.name: shown(getattr(trial, field.name)) for field in dataclasses.fields(trial)}


def _count_start(notes: Path) -> int:
    """How many times this study has started a trial without finishing it, this start included.

    The length of a file counts. It is for Dask, which gives a trial whose worker was killed to the
    next worker; when a fourth worker is killed, Dask gives up, and joblib waits for ever.
    """
    with contextlib.suppress(OSError):  # the worker is on a machine that does not share the folder
        with notes.open("ab") as file:
            file.write(b".")
        return notes.stat().st_size
    return 1
