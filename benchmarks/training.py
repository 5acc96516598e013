"""Images per second of our training loop beside the usual ones; trials per minute of a study.

The candidates take turns, so that a slow moment of the machine slows all of them, and the fastest
turn of each counts. All train the small CNN with SGD, Nesterov momentum and batches of 128, on the
bundled sample, with torch's own choice of threads. None evaluates on the test images.

    python benchmarks/training.py [loops] [workers] [study]
"""

import argparse
import itertools
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch.nn.functional import avg_pool2d, cross_entropy
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from coslr import Constant, Cosine, Linear
from coslr.experiments import studies
from coslr.experiments.data import MEAN, STD, fashion_mnist, read_sample
from coslr.experiments.models import SmallCNN
from coslr.experiments.one_trial import train_trial
from coslr.experiments.training import fit
from coslr.experiments.trials import Trial, grid

BATCH, IMAGES, EPOCHS = 128, 6000, 3
UPDATES = EPOCHS * (IMAGES // BATCH)  # in one turn
SGD = partial(torch.optim.SGD, momentum=0.9, nesterov=True)
Turn = Callable[[], object]


# ------------------------------------------------------------------------------------ the loops


def limit(size: int) -> Turn:
    """Forward, backward and step, again and again on one batch that is in memory."""
    model, data = SmallCNN(size), fashion_mnist(size=size)
    optimizer = SGD(model.parameters(), lr=0.01)
    x, y = data.x_train[:BATCH], data.y_train[:BATCH]

    def turn() -> None:
        for _ in range(UPDATES):
            loss = cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return turn


def ours(size: int) -> Turn:
    """`coslr.experiments.training.fit`: scheduled, audited, with its history."""
    data = fashion_mnist(size=size).subset(IMAGES, 10)
    schedule = Cosine(UPDATES, 0.01)
    return lambda: fit(
        SmallCNN(size),
        data,
        schedule,
        epochs=EPOCHS,
        batch_size=BATCH,
        optimizer=SGD,
        progress=False,
    )


def usual(size: int, folder: Path, processes: int) -> Turn:
    """The loop of most courses: torchvision's data set, transformed image by image."""
    per_image = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    images = Subset(FashionMNIST(folder, train=True, transform=per_image), range(IMAGES))
    # Workers that stay alive are faster than new ones for each epoch.
    loader = DataLoader(images, BATCH, shuffle=True, drop_last=True, num_workers=processes,
                        persistent_workers=processes > 0)  # fmt: skip
    model = SmallCNN(size)
    optimizer = SGD(model.parameters(), lr=0.01)

    def turn() -> float:
        total = 0.0
        for x, y in itertools.chain.from_iterable(loader for _ in range(EPOCHS)):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return turn


def write_files(folder: Path, size: int) -> None:
    """Write the sample into the four files that torchvision reads; for 14x14, already averaged."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    x_train, y_train, x_test, y_test = read_sample()
    for part, x, y in (("train", x_train, y_train), ("t10k", x_test, y_test)):
        if size == 14:
            x = avg_pool2d(x.unsqueeze(1).float(), 2).squeeze(1).round().byte()
        sizes = struct.pack(">3i", len(x), size, size)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(
            b"\0\0\x08\x03" + sizes + x.numpy().tobytes()
        )
        count = struct.pack(">i", len(y))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            b"\0\0\x08\x01" + count + y.byte().numpy().tobytes()
        )


def loops(turns: int = 5) -> None:
    """Print the images per second of all loops, and the ratios that matter."""
    for size, needed in ((28, 2.0), (14, 4.0)):
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), size)
            candidates = {
                "(a) limit: one batch in memory": limit(size),
                "(b) coslr.experiments.training.fit": ours(size),
                "(c) DataLoader, 0 workers": usual(size, Path(folder), 0),
                "(c) DataLoader, 2 workers": usual(size, Path(folder), 2),
            }
            seconds: dict[str, list[float]] = {name: [] for name in candidates}
            for i, (name, turn) in itertools.product(range(turns + 1), candidates.items()):
                taken = timed(turn)
                if i:  # the first turn warms up
                    seconds[name].append(taken)
        print(f"\n{size}x{size}, {torch.get_num_threads()} threads     [images/s]  (median)")
        rates = {}
        for name, times in seconds.items():
            rates[name], median = (UPDATES * BATCH / f(times) for f in (min, statistics.median))
            print(f"  {name:<34} {rates[name]:8.0f}  ({median:.0f})")
        limit_rate, fit_rate, *loader_rates = rates.values()
        report("fit, of the limit", fit_rate / limit_rate, 0.95)
        report("fit, of the better DataLoader", fit_rate / max(loader_rates), needed)


# ----------------------------------------------------------------------------------- the studies


def seeds_of_a_cosine(n: int, epochs: int) -> list[Trial]:
    """One trial for each of `n` seeds, on 6,000 images at 14x14."""
    return grid({"cosine": lambda eta, T: Cosine(T, eta)}, [0.1], range(n), epochs=epochs)


def workers(n: int = 6, epochs: int = 4, turns: int = 2) -> None:
    """Print trials per minute, once the workers have started and the images are loaded."""
    trials = seeds_of_a_cosine(n, epochs)

    def study(processes: int) -> None:
        with tempfile.TemporaryDirectory() as cache:
            done = studies.run(trials, workers=processes, cache=cache, progress=False)
        assert (done.table["status"] == "ok").all()

    def two_threads() -> None:
        for trial in trials:
            train_trial(trial, threads=2)

    candidates: dict[str, Turn] = {
        "two worker processes": partial(study, 2),
        "one process, one thread": partial(study, 1),
        "one process, two threads": two_threads,
    }
    fastest = dict.fromkeys(candidates, float("inf"))
    for i, (name, turn) in itertools.product(range(turns + 1), candidates.items()):
        if i == 0 and not name.startswith("two"):
            continue  # only the two worker processes have to start
        taken = timed(turn)
        if i:
            fastest[name] = min(fastest[name], taken)
    print(f"\n{n} trials of {epochs} epochs, 14x14   [trials/min]")
    rates = {name: n / seconds * 60 for name, seconds in fastest.items()}
    for name, rate in rates.items():
        print(f"  {name:<34} {rate:8.1f}")
    two_workers, one_thread, both_threads = rates.values()
    report("two processes, of one", two_workers / one_thread, 1.7)
    report("two processes, of two threads", two_workers / both_threads, 1.7)


def study() -> None:
    """Print how long a study of a notebook's size takes, with the start of its workers."""
    schedules = {
        "constant": lambda eta, T: Constant(eta),
        "cosine": lambda eta, T: Cosine(T, eta),
        "linear": lambda eta, T: Linear(T, eta),
    }
    trials = grid(schedules, [0.05, 0.1], range(4), epochs=20)
    with tempfile.TemporaryDirectory() as cache:
        taken = timed(lambda: studies.run(trials, workers=2, cache=cache))
    print(f"\n{len(trials)} trials of 20 epochs, 14x14, two processes: {taken:.0f} s")
    report("of two minutes", taken / 120, 1.0, at_most=True)


# ----------------------------------------------------------------------------------- the reports


def timed(turn: Turn) -> float:
    """Seconds that one turn takes."""
    started = time.perf_counter()
    turn()
    return time.perf_counter() - started


def report(what: str, ratio: float, needed: float, at_most: bool = False) -> None:
    """Print one ratio, and whether it keeps its limit."""
    kept = ratio <= needed if at_most else ratio >= needed
    sign = "at most" if at_most else "at least"
    print(f"  {what:<34} {ratio:8.2f}  {sign} {needed}: {'kept' if kept else 'NOT KEPT'}")


PARTS = {"loops": loops, "workers": workers, "study": study}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=" or ".join(PARTS))
    names = parser.parse_args().parts or list(PARTS)
    wrong = [name for name in names if name not in PARTS]
    if wrong:
        parser.error(f"parts={wrong}: must be among {list(PARTS)}")
    # Otherwise a forked worker would print buffered lines a second time.
    sys.stdout.reconfigure(line_buffering=True)
    print(f"{os.cpu_count()} cores, torch {torch.__version__}")
    for name in names:
        PARTS[name]()


if __name__ == "__main__":
    main()
