"""Run calls in parallel processes, and survive the death of a process.

joblib runs the calls: by itself on this machine, or with Dask or Ray on a cluster.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from coslr._optional import extra

with extra("train"):
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

T = TypeVar("T")


def run_in_parallel(
    calls: Mapping[int, Callable[[], T]], workers: int | None
) -> Iterator[tuple[int, T | None]]:
    """The number of each call and what it returns, as soon as it returns.

    Under ``joblib.parallel_config(backend="dask")`` or ``"ray"`` the calls run on a cluster.

    Args:
        calls: number -> function that another process can run: a `functools.partial` of a function
            of some module, for instance.
        workers: processes; None is what ``joblib.parallel_config`` says, or else one for each
            processor core. With one, the calls run in this process.

    Returns:
        Pairs in the order in which the calls return. A call whose process was killed gives None.

    Example:
        >>> from functools import partial
        >>> sorted(run_in_parallel({1: partial(abs, -3), 2: partial(abs, 4)}, workers=1))
        [(1, 3), (2, 4)]
    """
    backend, configured = joblib.parallel.get_active_backend()
    n_jobs = workers or configured or joblib.cpu_count()
    # Ray's backend can only return everything at the end.
    return_as = "generator_unordered" if backend.supports_return_generator else "list"
    waiting = dict(calls)
    while waiting:
        parallel = joblib.Parallel(n_jobs=n_jobs, batch_size=1, return_as=return_as)
        try:
            numbered = [joblib.delayed(_numbered)(i, call) for i, call in waiting.items()]
            for i, result in parallel(numbered):
                del waiting[i]
                yield i, result
        except TerminatedWorkerError:
            # The operating system killed a worker, usually for memory, and joblib dropped the
            # calls that it had handed out: two for each worker. Run these one at a time: each then
            # has more memory, and if one is killed again we know which.
            for i in [*waiting][: 2 * n_jobs if n_jobs > 0 else None]:
                yield i, _run_by_itself(waiting.pop(i))


def _run_by_itself(call: Callable[[], T]) -> T | None:
    try:
        # n_jobs=1 would run the call in this process, and a crash would kill it.
        results: list[T] = joblib.Parallel(n_jobs=2)([joblib.delayed(call)()])
        return results[0]
    except TerminatedWorkerError:
        return None


def _numbered(i: int, call: Callable[[], T]) -> tuple[int, T]:
    return i, call()
