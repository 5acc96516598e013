"""A study gives the results of its trials, trains each once, and loses none."""

import contextlib
import dataclasses
import errno
import itertools
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import joblib
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn

import coslr
from coslr import Constant, Cosine, Linear
from coslr.experiments import keys, one_trial, studies, workers
from coslr.experiments.models import SmallCNN, SmallGRU
from coslr.experiments.one_trial import TrialResult, train_trial
from coslr.experiments.store import Store
from coslr.experiments.studies import clear_studies, run, study_folder
from coslr.experiments.training import evaluate, fit
from coslr.experiments.trials import MEASURES, Split, grid
from coslr.pytorch import ScheduleLR

ROOT = Path(__file__).resolve().parents[2]
# Four updates an epoch: a trial takes a few hundredths of a second.
DATA = Split(n_train=200, n_validation=100, n_test=100)
SMALL = {"epochs": 2, "batch_size": 50, "data": DATA}
SCHEDULES = {"constant": lambda eta, T: Constant(eta), "cosine": lambda eta, T: Cosine(T, eta)}

# The workers get the models of this file by value: they cannot import it.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def trials(seeds=(0, 1), **settings):
    schedules = settings.pop("schedules", SCHEDULES)
    return grid(schedules, settings.pop("eta_max", [0.1]), seeds, **(SMALL | settings))


def alone(wanted, cache, **settings):
    return run(wanted, workers=1, cache=cache, **({"progress": False} | settings))


def flat(snapshots, path=()):
    """Each array with its place, as bytes."""
    for name, value in snapshots.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, name))
        else:
            yield (*path, name), value.dtype, value.shape, value.tobytes()


def assert_equal(one, other):
    """To the last bit."""
    for name in ("table", "curves"):
        assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    assert [*flat(one.snapshots)] == [*flat(other.snapshots)]


@pytest.fixture
def trained(monkeypatch):
    """The seeds of all runs that were really trained, in this process."""
    seeds = []

    def spy(*arguments, **settings):
        seeds.append(settings["seed"])
        return fit(*arguments, **settings)

    monkeypatch.setattr(one_trial, "fit", spy)
    return seeds


WANTED = trials(snapshots=(1, 2), weights=True, extras={"budget": "short"})


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def study(cache):
    """Four trials, in this process."""
    return alone(WANTED, cache)


TRIAL = trials()[0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: run([]), ValueError, r"trials=\[\]: must be at least one trial"),
        (lambda: run(TRIAL), TypeError, "trials=Trial.*: must be trials of .*, not Trial"),
        (lambda: run([TRIAL, 3]), TypeError, r"trials\[1\]=3: must be a coslr.exp.*Trial, not int"),
        (
            lambda: run([TRIAL, WANTED[0], TRIAL]),
            ValueError,
            r"trials\[2\]=.*another trial than \[0",
        ),
        (lambda: run([TRIAL], workers=0), ValueError, "workers=0: must be a whole number from 1"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


# -------------------------------------------------------------------------------- the results


def test_one_row_for_each_trial(study):
    columns = ["name", "eta_max", "seed", "budget", "status", *MEASURES]
    assert study.table.columns.tolist() == columns
    assert study.table["name"].tolist() == ["constant"] * 2 + ["cosine"] * 2
    assert study.table["seed"].tolist() == [0, 1, 0, 1]
    assert (study.table["status"] == "ok").all()
    assert (study.table["budget"] == "short").all()
    assert len({*study.table["test_loss"]}) == 4
    assert study.trials == tuple(WANTED)


@pytest.mark.parametrize("i", [0, 3])
def test_results_are_those_of_fit(study, i):
    """Chosen by validation images, reported on test images, after the last update."""
    trial, row = study.trials[i], study.table.iloc[i]
    choose, report = trial.data.load()
    model = SmallCNN(size=14, seed=trial.seed)
    found = []
    with one_thread():
        history = fit(
            model, choose, trial.schedule, epochs=2, batch_size=50, seed=trial.seed,
            optimizer=lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
            after_epoch=lambda _, m: found.append(evaluate(m, report.x_test, report.y_test)),
            progress=False,
        )  # fmt: skip
    assert row["validation_accuracy"] == history.test_accuracy[-1]
    assert row["validation_loss"] == history.test_loss[-1]
    assert (row["test_accuracy"], row["test_loss"]) == found[-1]
    curve = study.curves[study.curves["trial"] == i]
    assert curve["validation_loss"].tolist() == history.test_loss.tolist()
    assert curve[["test_accuracy", "test_loss"]].apply(tuple, axis=1).tolist() == found


class one_thread:
    def __enter__(self):
        self.before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_):
        torch.set_num_threads(self.before)


def test_curves_tell_the_state_at_any_time(study):
    columns = ["trial", "name", "eta_max", "seed", "budget", "epoch", "update", *MEASURES]
    assert study.curves.columns.tolist() == columns
    assert study.curves["trial"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert study.curves["epoch"].tolist() == [1, 2] * 4
    assert study.curves["update"].tolist() == [4, 8] * 4
    last = study.curves[study.curves["epoch"] == 2].reset_index(drop=True)
    for column in ["name", "eta_max", "seed", "budget", *MEASURES]:
        assert last[column].tolist() == study.table[column].tolist()


def test_snapshots_and_weights(study):
    _, report = DATA.load()
    for i, epoch in itertools.product(range(4), (1, 2)):
        kept = study.snapshots[i][epoch]
        row = study.curves[(study.curves["trial"] == i) & (study.curves["epoch"] == epoch)]
        logs = torch.from_numpy(kept["predictions"])
        assert logs.shape == (100, 10)
        assert (logs.argmax(1) == report.y_test).float().mean() == pytest.approx(
            row["test_accuracy"].item()
        )
        assert -logs[torch.arange(100), report.y_test].mean() == pytest.approx(
            row["test_loss"].item(), rel=1e-5
        )
        model = SmallCNN(size=14)
        model.load_state_dict({name: torch.from_numpy(v) for name, v in kept["weights"].items()})
        assert evaluate(model, report.x_test, report.y_test) == pytest.approx(
            (row["test_accuracy"].item(), row["test_loss"].item()), rel=1e-5
        )


def test_nothing_is_kept_that_was_not_asked_for(tmp_path):
    plain = alone(trials([0], snapshots=[2]), tmp_path)
    assert [*plain.snapshots[0]] == [2]
    assert [*plain.snapshots[0][2]] == ["predictions", "validation"]


def test_other_data_models_and_optimizers(tmp_path):
    schedulefree = pytest.importorskip("schedulefree")
    folds = trials([0], data=dataclasses.replace(DATA, fold=1))[1:]
    moving = trials([0], momentum=Linear(8, 0.95, 0.85))[1:]
    adam = trials([0], optimizer="AdamW", options={"weight_decay": 0.1}, eta_max=[0.01])[1:]
    free = trials([0], optimizer=schedulefree.SGDScheduleFree, options={})[:1]
    gru = trials([0], model=SmallGRU)[1:]
    found = alone([*trials([0])[1:], *folds, *moving, *adam, *free, *gru], tmp_path).table
    assert (found["status"] == "ok").all()
    assert found["test_loss"].nunique() == 6


def test_momentum_is_scheduled(tmp_path):
    seen = []

    def make(parameters, **settings):
        optimizer = torch.optim.SGD(parameters, **settings)
        optimizer.register_step_pre_hook(
            lambda optimizer, *_: seen.append(optimizer.param_groups[0]["momentum"])
        )
        return optimizer

    momentum = Linear(8, 0.95, 0.85)
    study = alone(trials([0], momentum=momentum, optimizer=make)[1:], tmp_path)
    assert study.table["status"].tolist() == ["ok"]
    assert seen == [momentum(t) for t in range(8)]


# ----------------------------------------------------------------------------- what went wrong


def test_a_diverged_trial_is_a_row_that_says_so(tmp_path, trained):
    late = Cosine(8, 0.1)
    wild = dataclasses.replace(TRIAL, schedule=Constant(1e38), seed=1)
    wanted = [dataclasses.replace(TRIAL, schedule=late), wild]
    study = alone(wanted, tmp_path)
    assert study.table["status"].tolist() == ["ok", "diverged"]
    assert study.table.loc[1, MEASURES].isna().all()
    assert study.table.loc[0, MEASURES].notna().all()
    assert study.curves.loc[study.curves["trial"] == 1, MEASURES].isna().all(axis=None)
    assert_equal(study, alone(wanted, tmp_path))
    assert trained == [0, 1]  # divergence is a result, and is kept


def raises(size, seed):
    if seed == 1:
        raise MemoryError("no room\nfor the weights")
    return SmallCNN(size=size, seed=seed)


def test_a_failing_trial_is_a_row_that_says_so_and_is_tried_again(tmp_path, trained):
    wanted = trials([0, 1, 2], model=raises, schedules={"a": SCHEDULES["cosine"]})
    told = "1 of 3 trials failed, one of them with: MemoryError: no room"
    with pytest.warns(UserWarning, match=told):
        study = alone(wanted, tmp_path)
    assert study.table["status"].tolist() == [
        "ok", "failed: MemoryError: no room\nfor the weights", "ok",
    ]  # fmt: skip
    assert study.table.loc[1, MEASURES].isna().all()
    assert len(study.curves) == 6
    assert study.snapshots[1] == {}
    assert trained == [0, 2]
    with pytest.warns(UserWarning, match=told):
        assert_equal(alone(wanted, tmp_path), study)
    assert trained == [0, 2]


def test_every_trial_is_audited(tmp_path, monkeypatch):
    class OneTooEarly(ScheduleLR):
        def get_lr(self):
            return [self.schedules[0](self.last_epoch + 1)]

    monkeypatch.setattr("coslr.experiments.training.ScheduleLR", OneTooEarly)
    with pytest.warns(UserWarning, match="1 of 2 trials failed, one of them with: AuditError"):
        study = alone(trials([0]), tmp_path)
    constant, cosine = study.table["status"]
    assert constant == "ok"  # rightly: the rates in force are the schedule's
    assert cosine.startswith("failed: AuditError: update 0: the schedule says 0.1, but 0.09")


# --------------------------------------------------------------------------------- in parallel


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_workers(study, tmp_path):
    assert_equal(run(WANTED, workers=2, cache=tmp_path, progress=False), study)


needs_sigkill = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


def kills(size, seed):
    if seed == 2:
        time.sleep(1)  # the others are done by then, which spares the test a start of workers
        os.kill(os.getpid(), signal.SIGKILL)
    return SmallCNN(size=size, seed=seed)


@pytest.mark.slow
@needs_sigkill
def test_a_worker_that_is_killed_costs_one_trial(tmp_path):
    """What the system does when memory runs out."""
    wanted = trials([0, 1, 2], model=kills, schedules={"a": SCHEDULES["cosine"]})
    with pytest.warns(UserWarning, match="1 of 3 trials failed"):
        study = run(wanted, workers=2, cache=tmp_path, progress=False)
    assert study.table["status"].tolist() == [
        "ok", "ok", "failed: its process was killed; is there too little memory?",
    ]  # fmt: skip


@contextlib.contextmanager
def dask_cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        yield client


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_results(study, tmp_path):
    with dask_cluster() as client:
        found = run(WANTED, cache=tmp_path, progress=False)
        # They really were trained there, by both.
        busy = client.run(lambda: "coslr.experiments.training" in sys.modules)
        assert [*busy.values()] == [True, True]
    assert_equal(found, study)


def test_threads_and_random_numbers_are_left_as_they_were(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    try:
        alone(trials([0]), tmp_path)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
@needs_sigkill
def test_a_dask_worker_that_is_killed_costs_one_trial(tmp_path):
    """Dask hands the trial to the next worker, and joblib would wait for ever at the fourth."""
    wanted = trials([0, 1, 2], model=kills, schedules={"a": SCHEDULES["cosine"]})
    with dask_cluster(), pytest.warns(UserWarning, match="1 of 3 trials failed"):
        study = run(wanted, cache=tmp_path, progress=False)
    assert study.table["status"].tolist() == ["ok", "ok", f"failed: {workers.WHY_KILLED}"]


def test_progress(tmp_path, capfd):
    alone(trials([0]), tmp_path)
    assert capfd.readouterr().err == ""
    alone(trials([0, 1]), tmp_path, progress=True)
    shown = capfd.readouterr().err
    assert "2/4" in shown  # those that were there already
    assert "4/4 [00:" in shown  # then the time that was taken and the time left
    assert "trial" in shown


# ------------------------------------------------------------------------------ kept on disk


def files(cache):
    """Each result with its content."""
    return {path.name: path.read_bytes() for path in (cache / "results").glob("*.npz")}


def test_finished_trials_are_not_trained_again(tmp_path, trained):
    first = alone(trials([0, 1]), tmp_path)
    assert trained == [0, 1, 0, 1]
    again = alone(trials([0, 1]), tmp_path)
    more = alone(trials([2, 1]), tmp_path)
    assert trained == [0, 1, 0, 1, 2, 2]
    assert_equal(first, again)
    seed_1 = [1, 3]
    pd.testing.assert_frame_equal(
        first.table.iloc[seed_1], more.table.iloc[seed_1], check_exact=True
    )


def test_a_result_comes_back_from_its_arrays():
    result = train_trial(dataclasses.replace(TRIAL, snapshots=(1, 2), weights=True))
    back = TrialResult.from_arrays(result.status, result.to_arrays())
    assert back.status == result.status == "ok"
    assert [*flat(back.measures)] == [*flat(result.measures)]
    assert [*flat(back.snapshots)] == [*flat(result.snapshots)]
    assert len([*flat(back.snapshots)]) > 10


def test_a_result_says_what_it_is_of(study, cache):
    store = Store(cache / "results")
    details = [store.get(Path(name).stem).details for name in files(cache)]
    assert sorted(one["trial"]["seed"] for one in details) == ["0", "0", "1", "1"]
    assert {one["trial"]["schedule"] for one in details} == {repr(t.schedule) for t in WANTED}
    assert {one["torch"] for one in details} == {torch.__version__}


def cut(content, other):
    return content[: len(content) // 2]


def one_bit(content, other):
    i = len(content) // 2
    return content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]


def another_trial(content, other):
    return other


def foreign(content, other):
    return pickle.dumps({"status": "ok"})


def empty(content, other):
    return b""


@pytest.mark.parametrize("damage", [cut, one_bit, another_trial, foreign, empty])
def test_a_damaged_result_is_trained_again(tmp_path, trained, damage):
    wanted = trials([0, 1], schedules={"a": SCHEDULES["cosine"]})
    right = alone(wanted, tmp_path)
    before = files(tmp_path)
    (name, content), (_, other) = before.items()
    (tmp_path / "results" / name).write_bytes(damage(content, other))
    assert_equal(alone(wanted, tmp_path), right)
    assert len(trained) == 3
    assert_equal(alone(wanted, tmp_path), right)
    assert len(trained) == 3
    assert files(tmp_path).keys() == before.keys()


def test_something_else_under_this_key_is_trained_again(tmp_path, trained):
    right = alone(trials([0]), tmp_path)
    for name in files(tmp_path):
        Store(tmp_path / "results").put(Path(name).stem, {}, {"status": "ok"})
    assert_equal(alone(trials([0]), tmp_path), right)
    assert trained == [0, 0, 0, 0]


def test_a_change_of_the_readers_code_is_a_new_trial(tmp_path, trained):
    class Net(nn.Sequential):
        scale = 1.0

        def __init__(self, size, seed):
            super().__init__(SmallCNN(size=size, seed=seed))

        def forward(self, x):
            return super().forward(self.scale * x)

    def results():
        found = alone(trials([0], model=Net), tmp_path).table["test_loss"].tolist()
        return found, len(trained)

    (first, _), (second, count) = results(), results()
    assert first == second
    assert count == 2
    before = files(tmp_path)
    Net.scale = 0.5
    other, count = results()
    assert set(first).isdisjoint(other)
    assert count == 4
    assert before.items() <= files(tmp_path).items()


def test_another_release_trains_anew_and_leaves_the_results_of_this_one(
    tmp_path, trained, monkeypatch
):
    first = alone(trials([0]), tmp_path)
    before = files(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0.1")
        keys.environment.cache_clear()
        alone(trials([0]), tmp_path)
    keys.environment.cache_clear()
    assert trained == [0, 0, 0, 0]
    assert before.items() < files(tmp_path).items()
    assert_equal(alone(trials([0]), tmp_path), first)
    assert trained == [0, 0, 0, 0]


def test_where_results_are_kept_and_how_to_clear_them(tmp_path, monkeypatch, trained):
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path / "named"))
    assert study_folder() == tmp_path / "named"
    run(trials([0]), workers=1, progress=False)
    other = tmp_path / "named" / "other"
    other.mkdir()
    assert {path.name for path in study_folder().iterdir()} == {"results", "other"}
    clear_studies()
    assert {path.name for path in study_folder().iterdir()} == {"other"}
    run(trials([0]), workers=1, progress=False)
    assert len(trained) == 4

    alone(trials([0]), tmp_path / "own")
    clear_studies(tmp_path / "own")
    assert [*(tmp_path / "own").iterdir()] == []
    clear_studies(tmp_path / "own")  # nothing there is nothing to do
    monkeypatch.delenv("COSLR_STUDIES")
    monkeypatch.setenv("COSLR_DATA", str(tmp_path / "data"))
    assert study_folder() == tmp_path / "data" / "studies"


def test_nothing_else_is_left_on_disk(study, cache):
    """Of a study that ended, its results alone."""
    assert sorted(os.listdir(cache)) == ["results"]
    assert sorted(os.listdir(cache / "results")) == sorted(files(cache))
    assert len(files(cache)) == 4


def test_a_folder_that_cannot_be_written_to_is_an_error_before_the_training(tmp_path, trained):
    (tmp_path / "taken").touch()  # root may write into read-only folders, but not into a file
    with pytest.raises(OSError, match=r"cannot be kept in .*taken.*set COSLR_STUDIES to a folder"):
        alone(trials([0]), tmp_path / "taken")
    assert trained == []


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_results_are_read_where_none_can_be_written(tmp_path, monkeypatch):
    study = alone(trials([0]), tmp_path)
    monkeypatch.setattr(studies.tempfile, "TemporaryFile", no_space)
    assert_equal(alone(trials([0]), tmp_path), study)
    with pytest.raises(OSError, match=r"cannot be kept .*No space left on device.*: free some"):
        alone(trials([1]), tmp_path)


def test_results_that_could_not_be_kept_are_told_of(tmp_path, monkeypatch, trained):
    """A disk that fills up during a study costs no result, only its being kept."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", no_space)
        told = r"2 of 2 results could not be kept .*No space left on device.*COSLR_STUDIES"
        with pytest.warns(UserWarning, match=told):
            study = alone(trials([0]), tmp_path)
    assert study.table["status"].tolist() == ["ok", "ok"]
    assert_equal(alone(trials([0]), tmp_path), study)
    assert trained == [0, 0, 0, 0]


# ------------------------------------------------------------------- several processes, at once


@pytest.mark.parametrize("other", ["fails", "finishes"])
def test_a_trial_that_another_process_trains_is_waited_for(tmp_path, trained, capfd, other):
    wanted = trials([0, 1], schedules={"a": SCHEDULES["cosine"]})
    right = alone(wanted, tmp_path / "undisturbed")
    trained.clear()
    store = Store(tmp_path / "shared" / "results")
    store.folder.mkdir(parents=True)
    key = keys.result_key(keys.trial_fingerprint(wanted[0]))
    found = []
    thread = threading.Thread(
        target=lambda: found.append(alone(wanted, tmp_path / "shared", progress=True))
    )
    with store.lock(key) as ours:
        assert ours
        thread.start()
        until(lambda: len(files(tmp_path / "shared")) == 1)  # the other trial goes on meanwhile
        if other == "finishes":
            shutil.copy(tmp_path / "undisturbed" / "results" / f"{key}.npz", store.folder)
    thread.join()
    assert trained == ([1] if other == "finishes" else [1, 0])
    assert_equal(found[0], right)
    assert "1 in another process" in capfd.readouterr().err


def test_a_folder_without_locks_is_used_all_the_same(tmp_path, trained, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    study = alone(trials([0]), tmp_path)
    assert_equal(alone(trials([0]), tmp_path), study)
    assert trained == [0, 0]


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


COUNTED = """
import os, time
from coslr import Cosine
from coslr.experiments.models import SmallCNN
from coslr.experiments.trials import Split, grid

def counted(size, seed):
    '''Each training leaves a line with its process and its seed.'''
    with open(os.environ["COUNT"], "a") as file:
        file.write(f"{os.getpid()} {seed}\\n")
    time.sleep(0.03)
    return SmallCNN(size=size, seed=seed)

trials = grid({"cosine": lambda eta, T: Cosine(T, eta)}, [0.1], range(12), epochs=2, batch_size=50,
              data=Split(n_train=200, n_validation=100, n_test=100), model=counted,
              snapshots=[1, 2], weights=True)
"""
# Forks a process for each line that it reads; so the imports are made once for all of them.
FORKS = """
import io, os, pickle, signal, sys, time
import torch
from coslr.experiments.one_trial import load_data
from coslr.experiments.studies import run
from counted import trials

class SlowFile(io.FileIO):
    def write(self, content):
        for begin in range(0, len(content), 4096):
            super().write(content[begin : begin + 4096])
            time.sleep(0.002)
        return len(content)

def slow_open(file, mode="r", *arguments, **settings):
    if mode in ("wb", "xb"):
        return SlowFile(file, mode.replace("b", ""))
    return really_open(file, mode, *arguments, **settings)

really_open, io.open = io.open, slow_open
torch.set_num_threads(1)
load_data(trials[0].data)
# The first optimizer imports torch's compiler, which takes seconds.
torch.optim.SGD([torch.zeros(1)], 0.1).zero_grad()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    cache = line.strip()
    process = os.fork()
    if process:
        print(process, flush=True)
        continue
    study = run(trials, workers=1, cache=cache, progress=False)
    with open(f"{cache}/{os.getpid()}.pkl", "wb") as file:
        pickle.dump((study.table, study.curves, study.snapshots), file)
    os._exit(0)
"""


class Found:
    """What a forked process found, and how long it took."""

    def __init__(self, cache, process):
        with (cache / f"{process}.pkl").open("rb") as file:
            self.table, self.curves, self.snapshots = pickle.load(file)


class Forks:
    """Starts processes that run a study of 12 trials, on a slow disk."""

    def __init__(self, folder):
        (folder / "counted.py").write_text(COUNTED)
        (folder / "forks.py").write_text(FORKS)
        self.count = folder / "count"
        self.count.touch()
        environment = {"COUNT": str(self.count), "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
        self.server = subprocess.Popen(
            [sys.executable, folder / "forks.py"], env=os.environ | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def start(self, cache):
        """The id of a process that runs the study in this folder."""
        print(cache, file=self.server.stdin, flush=True)
        return int(self.server.stdout.readline())

    def wait(self, process):
        def gone():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, 0)
                return False
            return True

        until(gone)

    def run(self, cache):
        process = self.start(cache)
        self.wait(process)
        return Found(cache, process)

    def trained(self, *processes):
        """The seeds that these processes have trained."""
        lines = [line.split() for line in self.count.read_text().splitlines()]
        return [int(seed) for process, seed in lines if int(process) in processes]


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    forks = Forks(tmp_path_factory.mktemp("forks"))
    yield forks
    forks.server.stdin.close()
    forks.server.wait()


@pytest.fixture(scope="module")
def undisturbed(forks, tmp_path_factory):
    cache = tmp_path_factory.mktemp("undisturbed")
    forks.run(tmp_path_factory.mktemp("first"))  # the images are read now, and not again
    started = time.monotonic()
    found = forks.run(cache)
    found.seconds, found.cache = time.monotonic() - started, cache
    return found


@pytest.mark.parametrize("n", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_processes_that_run_one_study_at_once_share_the_work(forks, undisturbed, tmp_path, n):
    processes = [forks.start(tmp_path) for _ in range(n)]
    for process in processes:
        forks.wait(process)
    assert sorted(forks.trained(*processes)) == [*range(12)]
    assert all(forks.trained(process) for process in processes)
    for process in processes:
        assert_equal(Found(tmp_path, process), undisturbed)
    assert sorted(os.listdir(tmp_path / "results")) == sorted(files(tmp_path))


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_study_survives_kills_at_random_moments(forks, undisturbed, tmp_path, kills):
    """SIGKILL. What was on disk stays, and is not trained again."""
    cache = tmp_path / "0"
    for i in range(kills):
        if len(files(cache)) == 12:
            cache = tmp_path / str(i)
        before, seeds = files(cache), kept_seeds(cache)
        process = forks.start(cache)
        time.sleep(random.uniform(0, undisturbed.seconds / 3))
        with contextlib.suppress(ProcessLookupError):  # it had finished
            os.kill(process, signal.SIGKILL)
        forks.wait(process)
        assert before.items() <= files(cache).items()
        assert seeds.isdisjoint(forks.trained(process))
    seeds = kept_seeds(cache)
    process = forks.start(cache)
    forks.wait(process)
    assert set(forks.trained(process)) == {*range(12)} - seeds
    assert_equal(Found(cache, process), undisturbed)

    # What the killed processes have left is no result, and is gone after an hour.
    for path in (cache / "results").iterdir():
        os.utime(path, (time.time() - 3700,) * 2)
    Store(cache / "results").remove_leftovers()
    assert sorted(os.listdir(cache / "results")) == sorted(files(cache))
    assert files(cache).keys() == files(undisturbed.cache).keys()


def kept_seeds(cache):
    """The seeds on disk; a file that is there is a complete result."""
    results = [Store(cache / "results").get(Path(name).stem) for name in files(cache)]
    return {int(result.details["trial"]["seed"]) for result in results}


@pytest.mark.slow
def test_another_copy_of_the_code_leaves_all_results_as_they_are(forks, undisturbed, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(undisturbed.cache / "results", cache / "results")
    before = files(cache)
    copy = tmp_path / "copy" / "coslr"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(coslr.__file__).parent, copy, ignore=ignored)
    with (copy / "experiments" / "training.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    program = (
        "import sys, coslr; from coslr.experiments.studies import run; from counted import trials;"
        "run(trials[:2], workers=1, cache=sys.argv[1], progress=False); print(coslr.__file__)"
    )
    path = os.pathsep.join(map(str, [tmp_path / "copy", forks.count.parent]))
    count = tmp_path / "count"
    result = subprocess.run(
        [sys.executable, "-c", program, cache], text=True, capture_output=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "COUNT": str(count)},
    )  # fmt: skip
    assert result.stdout.strip() == str(copy / "__init__.py"), result.stderr
    assert [line.split()[1] for line in count.read_text().splitlines()] == ["0", "1"]
    assert before.items() <= files(cache).items()
    assert len(files(cache)) == len(before) + 2
    # And this copy finds its own again.
    process = forks.start(cache)
    forks.wait(process)
    assert forks.trained(process) == []
    assert_equal(Found(cache, process), undisturbed)


SCRIPT = """
import sys
from coslr import Cosine
from coslr.experiments.studies import run
from coslr.experiments.trials import Split, grid
from gated import gated

trials = grid({"cosine": lambda eta, T: Cosine(T, eta)}, [0.1], range(6), epochs=2, batch_size=50,
              data=Split(n_train=200, n_validation=100, n_test=100), model=gated)
if __name__ == "__main__":
    run(trials, workers=2, cache=sys.argv[1])
"""
GATED = """
import os, time
from coslr.experiments.models import SmallCNN

def gated(size, seed):
    while seed > 2 and "GATE" in os.environ:
        time.sleep(0.05)
    return SmallCNN(size=size, seed=seed)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
def test_a_killed_study_goes_on_where_it_was(tmp_path, monkeypatch, trained):
    """SIGKILL for the parent and its workers when half of the trials are done."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "gated.py").write_text(GATED)
    cache, errors = tmp_path / "cache", tmp_path / "errors"
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, tmp_path / "script.py", cache],
            env=os.environ | {"GATE": "shut", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
            stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            end = time.monotonic() + 120
            while len(files(cache)) < 3:
                assert process.poll() is None, errors.read_text()
                assert time.monotonic() < end, errors.read_text()
                time.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    monkeypatch.syspath_prepend(tmp_path)
    import script

    study = alone(script.trials, cache)
    # In any order: a worker that is still dying holds its trial, and that trial comes last.
    assert sorted(trained) == [3, 4, 5]
    assert_equal(study, alone(script.trials, tmp_path / "uninterrupted"))
    assert trained[3:] == [0, 1, 2, 3, 4, 5]


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_an_accelerator_is_used(tmp_path):
    devices = []

    def model(size, seed):
        net = SmallCNN(size=size, seed=seed)
        net.register_forward_pre_hook(lambda _, x: devices.append(x[0].device.type))
        return net

    study = alone(trials([0], model=model), tmp_path)
    assert (study.table["status"] == "ok").all()
    assert set(devices) == {torch.accelerator.current_accelerator().type}


class Careless(torch.nn.Module):
    """Takes the seed, and does not use it."""

    def __init__(self, size, seed):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(size * size, 10))

    def forward(self, x):
        return self.layers(x)


def test_a_model_that_does_not_use_its_seed_is_repeatable_and_paired(tmp_path):
    tiny = {"epochs": 1, "batch_size": 50, "data": Split(500, 100, 100), "model": Careless}
    cosine = lambda eta, T: Cosine(T, eta)  # noqa: E731
    trials = grid({"a": cosine, "b": cosine}, [0.1], [0, 1], **tiny)
    once, again = (
        studies.run(trials, workers=1, cache=tmp_path / name, progress=False).table
        for name in ("once", "again")
    )
    assert once.equals(again)
    assert once["test_loss"].nunique() == 2  # one for each seed, the same for both names
