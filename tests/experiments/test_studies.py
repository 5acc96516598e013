import dataclasses
import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn
from torch.nn.functional import cross_entropy

from coslr import Constant, Cosine, Linear
from coslr.experiments import studies
from coslr.experiments.data import fashion_mnist
from coslr.experiments.models import SmallCNN, SmallGRU
from coslr.experiments.studies import clear_studies, run, study_folder
from coslr.experiments.training import evaluate, fit
from coslr.experiments.trials import MEASURES, Split, Trial, grid
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

    monkeypatch.setattr(studies, "fit", spy)
    return seeds


WANTED = trials(snapshots=(1, 2), weights=True, extras={"budget": "short"})


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def study(cache):
    """Four trials, in this process."""
    return alone(WANTED, cache)


# --------------------------------------------------------------------------------- the trials


def test_grid():
    wanted = grid(
        SCHEDULES, {"constant": [0.1], "cosine": np.array([0.1, 0.2])}, np.arange(2),
        optimizer="AdamW", options={"weight_decay": 0.1, "betas": (0.8, 0.9)}, **SMALL,
    )  # fmt: skip
    found = [(trial.name, trial.eta_max, trial.seed, trial.schedule) for trial in wanted]
    assert found == [
        ("constant", 0.1, 0, Constant(0.1)),
        ("constant", 0.1, 1, Constant(0.1)),
        ("cosine", 0.1, 0, Cosine(8, 0.1)),
        ("cosine", 0.1, 1, Cosine(8, 0.1)),
        ("cosine", 0.2, 0, Cosine(8, 0.2)),
        ("cosine", 0.2, 1, Cosine(8, 0.2)),
    ]
    assert {trial.options for trial in wanted} == {(("betas", (0.8, 0.9)), ("weight_decay", 0.1))}
    assert {type(trial.seed) for trial in wanted} == {int}
    assert {type(trial.eta_max) for trial in wanted} == {float}
    assert all((t.epochs, t.batch_size, t.data, t.optimizer) == (2, 50, DATA, "AdamW")
               for t in wanted)  # fmt: skip


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_folds(fold):
    sets = [dataclasses.replace(DATA, fold=f).load() for f in (0, 1, 2)]
    choose, report = sets[fold]
    assert torch.equal(choose.x_train, report.x_train)
    assert torch.equal(report.x_test, sets[0][1].x_test)
    assert choose.y_train.bincount().tolist() == [20] * 10
    assert choose.y_test.bincount().tolist() == [10] * 10
    assert report.y_test.bincount().tolist() == [10] * 10
    # Every image is in exactly one of the two, and validates in exactly one fold.
    pixels = [{x.numpy().tobytes() for x in images} for images in (choose.x_train, choose.x_test)]
    assert (len(pixels[0]), len(pixels[1]), len(pixels[0] & pixels[1])) == (200, 100, 0)
    held_out = {x.numpy().tobytes() for one, _ in sets for x in one.x_test}
    assert held_out == pixels[0] | pixels[1]


def test_test_images_are_those_of_the_test_set():
    images = fashion_mnist(size=14)
    _, report = DATA.load()
    own = {x.numpy().tobytes() for x in images.x_test}
    assert all(x.numpy().tobytes() in own for x in report.x_test)
    assert len(Split(n_train=200, n_validation=100).load()[1].x_test) == len(images.x_test)


TRIAL = trials()[0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Split(n_train=205), ValueError, "n_train=205: must be a multiple of 10"),
        (
            lambda: Split(n_validation=0),
            ValueError,
            "n_validation=0: must be a whole number from 1",
        ),
        (lambda: Split(n_test=7), ValueError, "n_test=7: must be a multiple of 10"),
        (lambda: Split(fold=4), ValueError, "fold=4: must be from 0 to 3"),
        (lambda: Split(fold=True), ValueError, "fold=True: must be from"),
        (lambda: trials(batch_size=201), ValueError, "batch_size=201: must be at most n_train"),
        (lambda: trials(epochs=0), ValueError, "epochs=0: must be a whole number from 1"),
        (lambda: trials(eta_max={"cosine": [1]}), ValueError, r"eta_max: .* \['constant', 'cos"),
        (lambda: trials(schedules={"a": lambda e, T: 0.1}), TypeError, "schedule=0.1: must be a c"),
        (lambda: trials(optimizer="SDG"), ValueError, "optimizer='SDG': must be the name"),
        (lambda: trials(model="cnn"), TypeError, "model='cnn': must be called"),
        (lambda: trials(snapshots=[3]), ValueError, r"snapshots=\[3\]: must be epochs from 1 to 2"),
        (lambda: trials(options={"betas": [0.9]}), TypeError, "options=.* tuples, not lists"),
        (lambda: trials(extras={"seed": 3}), ValueError, r"extras: must not be called \['seed'\]"),
        (lambda: trials(seeds=[0.5]), TypeError, "float"),
        (lambda: run([]), ValueError, "trials: must hold at least one"),
        (
            lambda: run([TRIAL, 3]),
            TypeError,
            "trials: must hold coslr.experiments.trials.Trial, not 3",
        ),
        (lambda: run([TRIAL, WANTED[0], TRIAL]), ValueError, "trials: must differ, .* twice"),
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


def test_ensemble_is_the_mean_of_the_predicted_probabilities(study):
    _, report = DATA.load()
    row = study.curves.iloc[6]
    assert study.ensemble(3, [1]) == pytest.approx((row["test_accuracy"], row["test_loss"]), 1e-5)
    logs = [torch.from_numpy(study.snapshots[3][epoch]["predictions"]) for epoch in (1, 2)]
    mean = (logs[0].exp() + logs[1].exp()) / 2
    accuracy, loss = study.ensemble(3, [1, 2])
    assert accuracy == pytest.approx((mean.argmax(1) == report.y_test).float().mean().item())
    # The logarithm of the mean, which is not the mean of the logarithms.
    assert loss == pytest.approx(cross_entropy(mean.log(), report.y_test).item(), rel=1e-5)
    with pytest.raises(ValueError, match=r"epochs=\[3\]: must be among those kept, \[1, 2\]"):
        study.ensemble(3, [3])
    with pytest.raises(ValueError, match=r"epochs=\[\]: must be"):
        study.ensemble(3, [])


def test_nothing_is_kept_that_was_not_asked_for(tmp_path):
    plain = alone(trials([0], snapshots=[2]), tmp_path)
    assert [*plain.snapshots[0]] == [2]
    assert [*plain.snapshots[0][2]] == ["predictions"]


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


@pytest.mark.parametrize("make", [Cosine, Cosine(10, 0.1), "cosine"])
def test_a_schedule_in_place_of_what_makes_one_is_refused(make):
    """Cosine itself would be called with its two arguments the wrong way round."""
    with pytest.raises(TypeError, match=r"schedules\['a'\]=.*lambda eta, T: Cosine\(T, eta\)"):
        grid({"a": make}, [0.1], [0])


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


def test_results_do_not_depend_on_the_number_of_workers(study, tmp_path):
    assert_equal(run(WANTED, workers=2, cache=tmp_path, progress=False), study)


def kills(size, seed):
    if seed == 2:
        time.sleep(1)  # the others are done by then, which spares the test a start of workers
        os.kill(os.getpid(), signal.SIGKILL)
    return SmallCNN(size=size, seed=seed)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_worker_that_is_killed_costs_one_trial(tmp_path):
    """What the system does when memory runs out."""
    wanted = trials([0, 1, 2], model=kills, schedules={"a": SCHEDULES["cosine"]})
    with pytest.warns(UserWarning, match="1 of 3 trials failed"):
        study = run(wanted, workers=2, cache=tmp_path, progress=False)
    assert study.table["status"].tolist() == [
        "ok", "ok", "failed: its process was killed; is there too little memory?",
    ]  # fmt: skip


def test_a_dask_cluster_gives_the_same_results(study, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
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


@pytest.mark.parametrize(("workers", "jobs"), [(None, 5), (3, 3)])
def test_workers(monkeypatch, workers, jobs):
    seen = []

    class Spy(joblib.Parallel):
        def __init__(self, n_jobs, **settings):
            seen.append(n_jobs)
            super().__init__(1, **settings)

    monkeypatch.setattr(joblib, "Parallel", Spy)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 5)
    calls = {0: joblib.delayed(abs)(-3)}
    monkeypatch.setattr(Spy, "__call__", lambda self, calls: [(0, 3)])
    assert [*studies._in_parallel(calls, workers)] == [(0, 3)]
    with joblib.parallel_config(n_jobs=4):
        assert [*studies._in_parallel(calls, workers)] == [(0, 3)]
    assert seen == [jobs, workers or 4]


def test_progress(tmp_path, capfd):
    alone(trials([0]), tmp_path)
    assert capfd.readouterr().err == ""
    alone(trials([0, 1]), tmp_path, progress=True)
    shown = capfd.readouterr().err
    assert "2/4" in shown  # those that were there already
    assert "4/4 [00:" in shown  # then the time that was taken and the time left
    assert "trial" in shown


# ------------------------------------------------------------------------------ kept on disk


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
            while len([*cache.rglob("output.pkl")]) < 3:
                assert process.poll() is None, errors.read_text()
                assert time.monotonic() < end, errors.read_text()
                time.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    monkeypatch.syspath_prepend(tmp_path)
    import script

    study = alone(script.trials, cache)
    assert trained == [3, 4, 5]
    assert_equal(study, alone(script.trials, tmp_path / "uninterrupted"))
    assert trained == [3, 4, 5, 0, 1, 2, 3, 4, 5]


def cut(content):
    return content[: len(content) // 2]


def one_bit(content):
    """In the middle of the numbers, where the pickle stays readable."""
    i = content.rindex(b"validation_loss") - 10
    return content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]


def another(content):
    return pickle.dumps({"status": "ok"})


@pytest.mark.parametrize("damage", [cut, one_bit, another, lambda content: b""])
def test_a_damaged_entry_is_trained_again(tmp_path, trained, damage):
    wanted = trials([0, 1], schedules={"a": SCHEDULES["cosine"]})
    right = alone(wanted, tmp_path)
    file = next(tmp_path.rglob("output.pkl"))
    file.write_bytes(damage(file.read_bytes()))
    assert_equal(alone(wanted, tmp_path), right)
    assert len(trained) == 3
    assert_equal(alone(wanted, tmp_path), right)
    assert len(trained) == 3


def test_only_what_tables_show_may_change_without_training():
    """Each argument of a trial, and each of its data, in turn."""
    changed = {
        "schedule": Cosine(8, 0.1, 1e-9), "seed": 3, "epochs": 3, "batch_size": 40,
        "data": Split(n_train=200, n_validation=100, n_test=90), "model": SmallGRU,
        "optimizer": "Adam", "options": {"momentum": 0.8}, "momentum": Constant(0.9),
        "snapshots": [1], "weights": True,
    }  # fmt: skip
    shown = {"name": "b", "eta_max": 0.3, "extras": {"c": 1}}
    names = {field.name for field in dataclasses.fields(Trial)}
    assert names == changed.keys() | shown.keys()
    key = studies._key(TRIAL)
    for name, value in shown.items():
        assert studies._key(dataclasses.replace(TRIAL, **{name: value})) == key, name
    keys = {studies._key(dataclasses.replace(TRIAL, **{name: v})) for name, v in changed.items()}
    data = {
        "n_train": 210, "n_validation": 110, "n_test": None, "size": 28, "full": True,
        "folder": "there", "fold": 1,
    }  # fmt: skip
    assert {field.name for field in dataclasses.fields(Split)} == data.keys()
    for name, value in data.items():
        other = dataclasses.replace(DATA, **{name: value})
        keys.add(studies._key(dataclasses.replace(TRIAL, data=other)))
    assert len(keys | {key}) == len(changed) + len(data) + 1


def test_a_change_of_code_is_a_new_trial(tmp_path, trained):
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
    Net.scale = 0.5
    other, count = results()
    assert set(first).isdisjoint(other)
    assert count == 4


def test_a_change_of_coslr_or_of_a_release_is_a_new_trial(tmp_path, trained, monkeypatch):
    rooms = {
        "": ("schedules", "pytorch"),
        "experiments/": ("data", "models", "training", "studies"),
    }
    for name in (room + name for room, names in rooms.items() for name in names):
        assert (ROOT / f"coslr/{name}.py").read_bytes() in studies._CODE
    alone(trials([0]), tmp_path)
    for change in (
        lambda: monkeypatch.setattr(studies, "_CODE", studies._CODE + b" "),
        lambda: monkeypatch.setattr(studies.importlib.metadata, "version", lambda _: "0.1"),
        lambda: monkeypatch.setattr(torch.accelerator, "is_available", lambda: "yes"),
    ):
        change()
        studies._environment.cache_clear()
        before = len(trained)
        keys = {studies._here(studies._key(trial)) for trial in trials([0])}
        assert len(keys) == 2
        if torch.accelerator.is_available() != "yes":
            alone(trials([0]), tmp_path)
            assert len(trained) == before + 2
    monkeypatch.undo()
    studies._environment.cache_clear()


def test_where_results_are_kept_and_how_to_clear_them(tmp_path, monkeypatch, trained):
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path / "named"))
    assert study_folder() == tmp_path / "named"
    run(trials([0]), workers=1, progress=False)
    other = tmp_path / "named" / "findings"
    other.mkdir()
    assert {path.name for path in study_folder().glob("[!.]*")} == {"joblib", "findings"}
    clear_studies()
    assert {path.name for path in study_folder().glob("[!.]*")} == {"findings"}
    run(trials([0]), workers=1, progress=False)
    assert len(trained) == 4

    alone(trials([0]), tmp_path / "own")
    clear_studies(tmp_path / "own")
    assert [*(tmp_path / "own").glob("[!.]*")] == []
    clear_studies(tmp_path / "own")  # nothing there is nothing to do
    monkeypatch.delenv("COSLR_STUDIES")
    monkeypatch.setenv("COSLR_DATA", str(tmp_path / "data"))
    assert study_folder() == tmp_path / "data" / "studies"


def test_nothing_else_is_left_on_disk(study, cache):
    """Of a study that ended, its results alone."""
    assert not [*cache.rglob("started-*")]


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
