"""How long `import coslr` takes, as a multiple of `import numpy`, which coslr needs.

Each import is timed inside a fresh interpreter. So the ratio does not count the start of the
interpreter, which would make it look better. The two imports take turns, so that a busy machine
slows both alike.

    python benchmarks/import_time.py [repetitions]
"""

import statistics
import subprocess
import sys
from pathlib import Path

TIMED = "from time import perf_counter as now; start = now(); import {}; print(now() - start)"
ROOT = Path(__file__).resolve().parents[1]


def seconds(module: str) -> float:
    """Time one import in a fresh interpreter, which finds coslr in this checkout."""
    command = [sys.executable, "-c", TIMED.format(module)]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def main() -> None:
    """Print the minimum and the median of both, and their ratios."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds("coslr")  # the first import compiles the files and would count too much
    numpy, coslr = zip(
        *((seconds("numpy"), seconds("coslr")) for _ in range(repetitions)), strict=True
    )
    print(f"{repetitions} imports  numpy [ms]  coslr [ms]  ratio")
    for name, middle in [("minimum", min), ("median", statistics.median)]:
        a, b = middle(numpy), middle(coslr)
        print(f"{name:>10}  {a * 1e3:10.1f}  {b * 1e3:10.1f}  {b / a:5.2f}")


if __name__ == "__main__":
    main()
