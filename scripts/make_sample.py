"""Make the bundled sample of Fashion-MNIST from the full set, with the same bytes each time.

    python scripts/make_sample.py [FOLDER]

FOLDER is any that `coslr.experiments.data.fashion_mnist(full=True, folder=FOLDER)` takes. Without
it, the script downloads the set. It prints the sample's SHA-256; coslr/experiments/data.py keeps it
as SAMPLE_SHA256.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

from coslr.experiments.data import SAMPLE, balanced, cache_folder, read_full

N_TRAIN, N_TEST, CLASSES = 10_000, 2_000, 10


def main() -> None:
    """Write the sample and print its checksum."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else cache_folder()
    x_train, y_train, x_test, y_test = read_full(folder)
    train = balanced(y_train, N_TRAIN, CLASSES)
    test = balanced(y_test, N_TEST, CLASSES)
    np.savez_compressed(  # the zip entries carry no date, so equal images make equal bytes
        SAMPLE,
        x_train=x_train[train].numpy(),
        y_train=y_train[train].to(dtype=x_train.dtype).numpy(),
        x_test=x_test[test].numpy(),
        y_test=y_test[test].to(dtype=x_test.dtype).numpy(),
    )
    print(hashlib.sha256(SAMPLE.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
