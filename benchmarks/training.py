"""Images per second of a training loop, ours beside the usual one; trials per minute of a study.

Loops take turns, so that what slows the machine slows all of them, and the fastest of their turns
counts. All train the small CNN with SGD, Nesterov momentum and batches of 128, on the bundled
sample, with as many torch threads as torch likes. None of them evaluates.

    python benchmarks/training.py [loops] [workers] [study]
"""

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
from coslr.experiments.data import MEAN, STD, _read_sample, fashion_mnist
from coslr.experiments.models import SmallCNN
from coslr.experiments.training import fit

BATCH, IMAGES, EPOCHS = 128, 6000, 3
UPDATES = EPOCHS * (IMAGES // BATCH)  # of a turn
SGD = partial(torch.optim.SGD, momentum=0.9, nesterov=True)
Turn = Callable[[], object]


# ------------------------------------------------------------------------------------ the loops


def limit(size: int) -> Turn:
    """Forward, backward and step on one batch that is already there."""
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


def usual(size: int, folder: Path, workers: int) -> Turn:
    """The loop of most courses: torchvision's data set, transformed image by image."""
    per_image = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    images = Subset(FashionMNIST(folder, train=True, transform=per_image), range(IMAGES))
    # Workers that stay are the faster ones.
    loader = DataLoader(images, BATCH, shuffle=True, drop_last=True, num_workers=workers,
                        persistent_workers=workers > 0)  # fmt: skip
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
    """The sample in the four files that torchvision reads, at 14x14 already made small."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    x_train, y_train, x_test, y_test = _read_sample()
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
    """The table of images per second, and the ratios."""
    for size, needed in ((28, 2.0), (14, 4.0)):
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), size)
            candidates = {
                "(a) limit: one batch in memory": limit(size),
                "(b) coslr.experiments.training.fit": ours(size),
                "(c) DataLoader, 0 workers": usual(size, Path(folder), 0),
                "(c) DataLoader, 2 workers": usual(size, Path(folder), 2),
            }
            seconds = {name: [] for name in candidates}
            for i, (name, turn) in itertools.product(range(turns + 1), candidates.items()):
                started = time.perf_counter()
                turn()
                if i:  # the first turn warms up
                    seconds[name].append(time.perf_counter() - started)
        print(f"\n{size}x{size}, {torch.get_num_threads()} threads     [images/s]  (median)")
        rates = {}
        for name, taken in seconds.items():
            rates[name], median = (UPDATES * BATCH / f(taken) for f in (min, statistics.median))
            print(f"  {name:<32} {rates[name]:8.0f}  ({median:.0f})")
        a, b, *c = rates.values()
        say("fit, of the limit", b / a, 0.95)
        say("fit, of the better DataLoader", b / max(c), needed)


# ----------------------------------------------------------------------------------- the studies


def trials(n: int, epochs: int) -> list[studies.Trial]:
    """`n` seeds of a cosine, on 6,000 images at 14x14."""
    return studies.grid({"cosine": lambda eta, T: Cosine(T, eta)}, [0.1], range(n), epochs=epochs)


def workers(n: int = 6, epochs: int = 4, turns: int = 2) -> None:
    """Trials per minute, once workers and images are there."""

    def study(processes: int) -> None:
        with tempfile.TemporaryDirectory() as cache:
            found = studies.run(wanted, workers=processes, cache=cache, progress=False)
        assert (found.table["status"] == "ok").all()

    def two_threads() -> None:
        for trial in wanted:
            studies._train(trial, "")

    wanted = trials(n, epochs)
    candidates = {
        "two worker processes": partial(study, 2),
        "one process, one thread": partial(study, 1),
        "one process, two threads": two_threads,
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    least = dict.fromkeys(candidates, float("inf"))
    for i, (name, turn) in itertools.product(range(turns + 1), candidates.items()):
        if i == 0 and not name.startswith("two"):
            continue  # the two processes have to start; the one has
        started = time.perf_counter()
        turn()
        if i:
            least[name] = min(least[name], time.perf_counter() - started)
    torch.set_num_threads(threads)
    print(f"\n{n} trials of {epochs} epochs, 14x14   [trials/min]")
    rates = {name: n / seconds * 60 for name, seconds in least.items()}
    for name, rate in rates.items():
        print(f"  {name:<32} {rate:8.1f}")
    two, one, threaded = rates.values()
    say("two processes, of one", two / one, 1.7)
    say("two processes, of two threads", two / threaded, 1.7)


def study() -> None:
    """A study of the size that a notebook has, the start of the workers included."""
    schedules = {
        "constant": lambda eta, T: Constant(eta),
        "cosine": lambda eta, T: Cosine(T, eta),
        "linear": lambda eta, T: Linear(T, eta),
    }
    wanted = studies.grid(schedules, [0.05, 0.1], range(4), epochs=20)
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        studies.run(wanted, workers=2, cache=cache)
        taken = time.perf_counter() - started
    print(f"\n{len(wanted)} trials of 20 epochs, 14x14, two processes: {taken:.0f} s")
    say("of two minutes", taken / 120, 1.0, at_most=True)


def say(what: str, ratio: float, needed: float, at_most: bool = False) -> None:
    """One ratio and whether it keeps what was promised."""
    kept = ratio <= needed if at_most else ratio >= needed
    sign = "at most" if at_most else "at least"
    print(f"  {what:<32} {ratio:8.2f}  {sign} {needed}: {'kept' if kept else 'NOT KEPT'}")


PARTS = {"loops": loops, "workers": workers, "study": study}


def main() -> None:
    """Run the parts that are named, or all."""
    sys.stdout.reconfigure(line_buffering=True)  # or forked workers print what waits once more
    print(f"{os.cpu_count()} cores, torch {torch.__version__}")
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
