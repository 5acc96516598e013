"""Calls run in other processes, and the death of one costs one call."""

import os
import signal
import sys
import time
from functools import partial

import cloudpickle
import joblib
import pytest

from coslr.experiments.parallel import run_in_parallel

# The workers get the functions of this file by value: they cannot import it.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def process(_):
    return os.getpid()


def dies(i):
    if i == 2:
        time.sleep(0.5)  # the others are done by then, which spares the test a start of workers
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * i


def dies_at_first(folder, i):
    if i == 1 and not (folder / "has died").exists():
        (folder / "has died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * i


def test_with_one_worker_the_calls_run_here():
    calls = {i: partial(process, i) for i in (3, 1)}
    assert [*run_in_parallel(calls, 1)] == [(3, os.getpid()), (1, os.getpid())]


def test_with_more_they_run_elsewhere():
    found = dict(run_in_parallel({i: partial(process, i) for i in range(4)}, 2))
    assert found.keys() == {0, 1, 2, 3}
    assert os.getpid() not in found.values()


def test_an_error_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        list(run_in_parallel({0: partial(divmod, 1, 0)}, 1))


@pytest.mark.parametrize(("workers", "jobs"), [(None, 5), (3, 3)])
def test_workers(monkeypatch, workers, jobs):
    seen = []

    class Spy(joblib.Parallel):
        def __init__(self, n_jobs, **settings):
            seen.append(n_jobs)
            super().__init__(1, **settings)

    monkeypatch.setattr(joblib, "Parallel", Spy)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 5)
    calls = {0: partial(abs, -3)}
    assert [*run_in_parallel(calls, workers)] == [(0, 3)]
    with joblib.parallel_config(n_jobs=4):
        assert [*run_in_parallel(calls, workers)] == [(0, 3)]
    assert seen == [jobs, workers or 4]


needs_sigkill = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


@needs_sigkill
def test_a_killed_worker_costs_one_call():
    """What the system does when memory runs out."""
    found = dict(run_in_parallel({i: partial(dies, i) for i in range(4)}, 2))
    assert found == {0: 0, 1: 10, 2: None, 3: 30}


@needs_sigkill
def test_a_call_gets_a_second_try_with_the_memory_to_itself(tmp_path):
    calls = {i: partial(dies_at_first, tmp_path, i) for i in range(4)}
    assert dict(run_in_parallel(calls, 2)) == {0: 0, 1: 10, 2: 20, 3: 30}
