"""Fashion-MNIST as tensors in memory: a bundled sample that needs no network, or the full set.

Fashion-MNIST is 60,000 training and 10,000 test images of clothes, 28x28 grey pixels, in ten
classes, by Zalando SE under the MIT licence (Xiao, Rasul & Vollgraf, "Fashion-MNIST: a Novel Image
Dataset for Benchmarking Machine Learning Algorithms", 2017, arXiv:1708.07747). The sample is the
first 1,000 and 200 of each class.

Nothing is read before its checksum is verified, so an image is right or there is an error.
"""

import dataclasses
import gzip
import hashlib
import http.client
import os
import socket
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import avg_pool2d
from torchvision.datasets import FashionMNIST

SAMPLE = Path(__file__).parent / "samples" / "fashion_mnist_sample.npz"
SAMPLE_SHA256 = "7309239b244ede163c6380e061c69b7775a12a333eaac0d3a83dc1c9a7ad0a14"

# SHA-256 of the four files after decompression. torchvision's own checksums are of the .gz files,
# which differ from one distributor to the next though their content is the same.
CONTENT_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

# The usual constants of the training images: mean and standard deviation of the pixels in 0 ... 1.
MEAN, STD = 0.2860, 0.3530


class DataError(OSError):
    """The images are missing, incomplete or altered; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Images:
    """A training and a test set in memory.

    Attributes:
        x_train, x_test: images, float32, (n, 1, size, size), normalised to mean 0 and deviation 1.
        y_train, y_test: labels, int64, (n,), each an index into `classes`.
        classes: the ten names, in the order of the labels.
    """

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        n, m, size = len(self.x_train), len(self.x_test), self.x_train.shape[-1]
        return f"Images({n} training and {m} test images, {size}x{size}, {self.x_train.device})"

    def to(self, device: torch.device | str) -> "Images":
        """The same images on another device, such as ``"cuda"``.

        >>> fashion_mnist(size=14).to("cpu").x_train.device
        device(type='cpu')
        """
        moved = {
            name: getattr(self, name).to(device)
            for name in ("x_train", "y_train", "x_test", "y_test")
        }
        return dataclasses.replace(self, **moved)

    def subset(self, n_train: int, n_test: int | None = None) -> "Images":
        """A smaller set: the first images of each class, equally many of each.

        Args:
            n_train, n_test: images to keep, multiples of the number of classes; `n_test` None keeps
                the test set as it is.

        Raises:
            ValueError, TypeError: not such a multiple, or more than there are of some class.

        Example:
            >>> small = fashion_mnist(size=14).subset(500)
            >>> small
            Images(500 training and 2000 test images, 14x14, cpu)
            >>> small.y_train.bincount().tolist()
            [50, 50, 50, 50, 50, 50, 50, 50, 50, 50]
        """
        train = balanced(self.y_train, n_train, len(self.classes), "n_train")
        smaller = dataclasses.replace(
            self, x_train=self.x_train[train], y_train=self.y_train[train]
        )
        if n_test is None:
            return smaller
        test = balanced(self.y_test, n_test, len(self.classes), "n_test")
        return dataclasses.replace(smaller, x_test=self.x_test[test], y_test=self.y_test[test])


def balanced(labels: torch.Tensor, n: int, classes: int, name: str = "n") -> torch.Tensor:
    """Indices of `n` images, evenly over the classes: each class's first, each one's second, ...

    Any prefix whose length is a multiple of `classes` is balanced too.

    Args:
        labels: int64, (images,), each in 0 ... `classes` - 1.
        n: how many, a positive multiple of `classes`.
        name: what an error calls `n`.

    Raises:
        ValueError, TypeError: not such a multiple, or more than there are of some class.

    Example:
        >>> balanced(torch.tensor([0, 0, 0, 1, 1]), 4, classes=2)
        tensor([0, 3, 1, 4])
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"{name} must be an int, not {n!r}")
    if n < 1 or n % classes:
        raise ValueError(f"{name} must be a positive multiple of {classes}, the classes, not {n}")
    most = int(labels.bincount(minlength=classes).min()) * classes
    if n > most:
        raise ValueError(f"{name} must be at most {most} to have as many of each class, not {n}")
    by_class = [torch.nonzero(labels == c)[: n // classes, 0] for c in range(classes)]
    return torch.stack(by_class, dim=1).flatten()


def fashion_mnist(
    full: bool = False, folder: str | os.PathLike[str] | None = None, size: int = 28
) -> Images:
    """Fashion-MNIST, as a bundled sample of 10,000 + 2,000 images or in full (60,000 + 10,000).

    Pixels are scaled to 0 ... 1, averaged over 2x2 squares for ``size=14``, then normalised with
    the mean 0.2860 and the standard deviation 0.3530 of the training images. The sample's classes
    take turns (0, 1, ..., 9, 0, 1, ...); the full set is in its own order.

    Args:
        full: False reads the bundled sample; True the full set, through torchvision.
        folder: where the full set is, as torchvision lays it out (``folder/FashionMNIST/raw``) or
            as a plain folder with the four files, packed (.gz) or not. If it does not exist or is
            empty, the set is downloaded into it (30 MB). None means `cache_folder()`. Not used by
            the sample.
        size: 28, or 14 for a quarter of the pixels and faster training.

    Raises:
        DataError: an ``OSError``: no network; a file missing, cut short, altered or mixed up.
        ValueError, TypeError: another size; a folder although ``full`` is False, or not a path.

    Example:
        >>> images = fashion_mnist(size=14)
        >>> images
        Images(10000 training and 2000 test images, 14x14, cpu)
        >>> images.x_train.shape, images.x_train.dtype
        (torch.Size([10000, 1, 14, 14]), torch.float32)
        >>> [images.classes[label] for label in images.y_train[:3]]
        ['T-shirt/top', 'Trouser', 'Pullover']
    """
    if size not in (14, 28):
        raise ValueError(f"size must be 28 or 14 (pixels on a side), not {size!r}")
    if not isinstance(full, bool):
        raise TypeError(f"full must be True or False, not {full!r}")
    if folder is not None and not full:
        raise ValueError(
            f"folder={str(folder)!r} is for the full set: add full=True, or leave it out"
        )
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path, not {folder!r}")
    if full:
        raw = read_full(cache_folder() if folder is None else Path(folder).expanduser())
    else:
        raw = _read_sample()
    x_train, y_train, x_test, y_test = raw
    return Images(
        x_train=_normalised(x_train, size),
        y_train=y_train.long(),
        x_test=_normalised(x_test, size),
        y_test=y_test.long(),
        classes=tuple(FashionMNIST.classes),
    )


def _normalised(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 (n, 28, 28) -> float32 (n, 1, size, size); in place where it can, to save memory."""
    x = pixels.unsqueeze(1).float().div_(255)
    if size == 14:
        x = avg_pool2d(x, 2)
    return x.sub_(MEAN).div_(STD)


# ------------------------------------------------------------------------------- the sample


def _read_sample() -> list[torch.Tensor]:
    try:
        content = SAMPLE.read_bytes()
    except OSError as error:
        raise DataError(
            f"The sample images {SAMPLE} cannot be read: install coslr again."
        ) from error
    if hashlib.sha256(content).hexdigest() != SAMPLE_SHA256:
        raise DataError(
            f"The sample images {SAMPLE} are not as published (their checksum differs): "
            "install coslr again, or restore the file with git."
        )
    with np.load(SAMPLE, allow_pickle=False) as arrays:
        return [
            torch.from_numpy(arrays[name]) for name in ("x_train", "y_train", "x_test", "y_test")
        ]


# ------------------------------------------------------------------------------ the full set


def cache_folder() -> Path:
    """Where a downloaded full set is kept: the folder that the variable COSLR_DATA names, or else
    ``coslr`` in the user's cache folder (XDG_CACHE_HOME or ~/.cache; LOCALAPPDATA on Windows).

    >>> import os
    >>> os.environ["COSLR_DATA"] = "images"
    >>> print(cache_folder())
    images
    >>> del os.environ["COSLR_DATA"]
    """
    if named := os.environ.get("COSLR_DATA"):
        return Path(named).expanduser()
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    return Path(os.environ.get(variable) or Path.home() / ".cache") / "coslr"


def read_full(folder: Path) -> list[torch.Tensor]:
    """The full set as it is stored: x_train, y_train, x_test, y_test, all pixels uint8.

    Each file is unpacked and verified first, and torchvision reads the verified copy: it checks
    only what it downloads itself, never a file that it finds. See `fashion_mnist` for `folder` and
    the errors.
    """
    source = _find(folder) or _download(folder)
    with tempfile.TemporaryDirectory() as copy:
        raw = Path(copy) / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for name, checksum in CONTENT_SHA256.items():
            (raw / name).write_bytes(_verified(source, name, checksum))
        train, test = FashionMNIST(copy, train=True), FashionMNIST(copy, train=False)
    return [train.data, train.targets, test.data, test.targets]


def _find(folder: Path) -> Path | None:
    """Where the files are; None if the folder is new or empty; an error if it is a wrong one."""
    for place in (folder / "FashionMNIST" / "raw", folder):
        if any((place / (name + end)).is_file() for name in CONTENT_SHA256 for end in ("", ".gz")):
            return place
    # What a killed download left does not count.
    if not folder.exists() or all(entry.name.startswith(_PART) for entry in folder.glob("*")):
        return None
    raise DataError(
        f"Fashion-MNIST is not in {folder}: name the folder that holds "
        "train-images-idx3-ubyte(.gz) and its three companions, or the one above "
        "FashionMNIST/raw. To download it (30 MB), name an empty folder or leave `folder` out."
    )


def _verified(source: Path, name: str, checksum: str) -> bytes:
    """The content of one file, which is the published one."""
    plain, packed = source / name, source / (name + ".gz")
    if not plain.is_file() and not packed.is_file():
        raise DataError(
            f"{name}(.gz) is missing in {source}: complete the set there, or delete the folder "
            "and call again to download it (30 MB)."
        )
    path = plain if plain.is_file() else packed
    try:
        content = path.read_bytes()
        if path is packed:
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or cut short ({error}). {_REPLACE}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found == checksum:
        return content
    twin = next((other for other, known in CONTENT_SHA256.items() if known == found), None)
    what = f"holds {twin}" if twin else "is cut short or altered (its checksum differs)"
    raise DataError(f"{path} {what}. {_REPLACE}")


_PART = ".download-"
_REPLACE = "Replace it, or delete the folder and call again to download the set (30 MB)."


def _download(folder: Path) -> Path:
    """Download the set into `folder`, through torchvision; returns where the files are.

    The files arrive in a folder beside their place and move in one step, so a download that stops
    half-way, for whatever reason, leaves nothing behind that could be taken for the set.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_PART) as part, _time_limit(30):
            FashionMNIST(part, download=True)
            files = Path(part) / "FashionMNIST"
            for name, checksum in CONTENT_SHA256.items():
                _verified(files / "raw", name, checksum)
            os.replace(files, folder / "FashionMNIST")
    except (RuntimeError, EOFError, OSError, http.client.HTTPException) as error:
        if (folder / "FashionMNIST" / "raw").is_dir():
            return folder / "FashionMNIST" / "raw"  # another process was quicker
        raise DataError(
            f"Fashion-MNIST is not in {folder} and could not be downloaded: {error}\n"
            "Check the network and try again, or name a folder that has the four files "
            "(`folder=...`), or use the bundled sample (`full=False`)."
        ) from error
    return folder / "FashionMNIST" / "raw"


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """A server that says nothing for so long is an error inside, not an endless wait."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
