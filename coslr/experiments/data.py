"""Fashion-MNIST as tensors in memory: a bundled sample that needs no network, or the full set.

Fashion-MNIST is 60,000 training and 10,000 test images of clothes, 28x28 grey pixels, in ten
classes, by Zalando SE under the MIT licence (Xiao, Rasul & Vollgraf, "Fashion-MNIST: a Novel Image
Dataset for Benchmarking Machine Learning Algorithms", 2017, arXiv:1708.07747). The sample holds the
first 1,000 training images and the first 200 test images of each class.

Every file is held against its published checksum before it is used. An altered image is an error.
"""

import dataclasses
import gzip
import hashlib
import http.client
import io
import os
import socket
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coslr._arguments import require, require_type, whole
from coslr._optional import extra

with extra("train"):
    import platformdirs
    import torch
    from torch.nn.functional import avg_pool2d

# The parts of a set as they are stored: x_train, y_train, x_test, y_test, with pixels 0 ... 255.
Parts = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]

SAMPLE = Path(__file__).parent / "samples" / "fashion_mnist_sample.npz"
SAMPLE_SHA256 = "7309239b244ede163c6380e061c69b7775a12a333eaac0d3a83dc1c9a7ad0a14"

# SHA-256 of the four files after decompression. torchvision has checksums of the .gz files, but
# distributors compress the same content differently.
CONTENT_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# The usual constants of the training images: mean and standard deviation of the pixels in 0 ... 1.
MEAN, STD = 0.2860, 0.3530


class DataError(OSError):
    """The images are missing, incomplete or altered; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Images:
    """A training and a test set in memory.

    Attributes:
        x_train, x_test: images, float32, (n, 1, size, size). Those of `fashion_mnist` have about
            the mean 0 and the standard deviation 1 at 28 pixels; at 14 pixels the deviation is
            about 0.94, because averaging 2x2 pixels lowers it.
        y_train, y_test: labels, int64, (n,), each an index into `classes`.
        classes: the names of the classes, in the order of the labels.

    Raises:
        ValueError, TypeError: another shape; no images; another number of labels than of images; a
            label that is no index into `classes`.
    """

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_part("x_train", self.x_train, "y_train", self.y_train, len(self.classes))
        _check_part("x_test", self.x_test, "y_test", self.y_test, len(self.classes))

    def __repr__(self) -> str:
        n_train, n_test, size = len(self.x_train), len(self.x_test), self.x_train.shape[-1]
        on = self.x_train.device
        return f"Images({n_train} training and {n_test} test images, {size}x{size}, {on})"

    def to(self, device: torch.device | str) -> "Images":
        """The same images on another device, such as ``"cuda"``.

        Example:
            >>> fashion_mnist(size=14).to("cpu").x_train.device
            device(type='cpu')
        """
        return Images(
            x_train=self.x_train.to(device),
            y_train=self.y_train.to(device),
            x_test=self.x_test.to(device),
            y_test=self.y_test.to(device),
            classes=self.classes,
        )

    def training_set(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The training images and their labels, for an evaluation."""
        return self.x_train, self.y_train

    def subset(self, n_train: int, n_test: int | None = None) -> "Images":
        """A smaller set: the first images of each class, the same number of each.

        Args:
            n_train, n_test: images to keep, positive multiples of the number of classes; `n_test`
                None keeps the test set as it is.

        Raises:
            ValueError, TypeError: not such a multiple; more images than some class has.

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


def _check_part(x_name: str, x: torch.Tensor, y_name: str, y: torch.Tensor, classes: int) -> None:
    for name, value in ((x_name, x), (y_name, y)):
        require_type(isinstance(value, torch.Tensor), name, value, "a torch.Tensor")
    right = "(n, 1, size, size), with at least one image"
    is_shape = x.ndim == 4 and x.shape[1] == 1 and x.shape[2] == x.shape[3] and x.numel() > 0
    require(is_shape, f"{x_name}.shape", tuple(x.shape), right)
    right = f"({len(x)},), one label for each image of {x_name}"
    require(y.shape == (len(x),), f"{y_name}.shape", tuple(y.shape), right)
    if not y.is_meta:  # on the meta device, tensors have no values
        for label in (int(y.min()), int(y.max())):
            require(0 <= label < classes, f"a label in {y_name}", label, f"from 0 to {classes - 1}")


def balanced(labels: torch.Tensor, n: int, classes: int, name: str = "n") -> torch.Tensor:
    """Indices of `n` images, the same number of each class: the first of each, the second, ...

    Any prefix whose length is a multiple of `classes` is balanced too.

    Args:
        labels: int64, (images,), each in 0 ... `classes` - 1.
        n: how many images, a positive multiple of `classes`.
        classes: how many classes there are.
        name: what an error calls `n`.

    Raises:
        ValueError, TypeError: not such a multiple; more images than some class has.

    Example:
        >>> balanced(torch.tensor([0, 0, 0, 1, 1]), 4, classes=2)
        tensor([0, 3, 1, 4])
    """
    right = f"a positive multiple of {classes}, the number of classes"
    n = whole(name, n, right)
    require(n % classes == 0, name, n, right)
    most = int(labels.bincount(minlength=classes).min()) * classes
    require(n <= most, name, n, f"at most {most}, to have the same number of each class")
    by_class = [torch.nonzero(labels == c)[: n // classes, 0] for c in range(classes)]
    return torch.stack(by_class, dim=1).flatten()


def fashion_mnist(
    full: bool = False, folder: str | os.PathLike[str] | None = None, size: int = 28
) -> Images:
    """Fashion-MNIST, as a bundled sample of 10,000 + 2,000 images or in full (60,000 + 10,000).

    Pixels are scaled to 0 ... 1, averaged over 2x2 squares for ``size=14``, then normalised with
    the mean 0.2860 and the standard deviation 0.3530 of the training images. The classes take turns
    in the sample (0, 1, ..., 9, 0, 1, ...); the full set is in its own order.

    Args:
        full: False reads the bundled sample, True the full set, through torchvision.
        folder: where the full set is, as torchvision lays it out (``folder/FashionMNIST/raw``) or
            as a plain folder with the four files, compressed (.gz) or not. If it does not exist or
            is empty, the set is downloaded into it (30 MB). None means `cache_folder()`. It must be
            None for the sample.
        size: pixels on a side: 28, or 14 for a quarter of the pixels and faster training.

    Raises:
        DataError: an ``OSError``: no network; a file that is missing, incomplete, altered, or in
            the place of another.
        ValueError, TypeError: another size; a folder with ``full=False``, or one that is no path.

    Example:
        >>> images = fashion_mnist(size=14)
        >>> images
        Images(10000 training and 2000 test images, 14x14, cpu)
        >>> images.x_train.shape, images.x_train.dtype
        (torch.Size([10000, 1, 14, 14]), torch.float32)
        >>> [images.classes[label] for label in images.y_train[:3]]
        ['T-shirt/top', 'Trouser', 'Pullover']
    """
    right = "28 or 14 (pixels on a side)"
    size = whole("size", size, right)
    require(size in (14, 28), "size", size, right)
    require_type(isinstance(full, bool), "full", full, "True or False")
    if folder is not None:
        require_type(isinstance(folder, str | os.PathLike), "folder", folder, "a path")
        right = "None for the sample; add full=True to read the full set there"
        require(full, "folder", folder, right)
    if full:
        parts = read_full(cache_folder() if folder is None else Path(folder).expanduser())
    else:
        parts = read_sample()
    x_train, y_train, x_test, y_test = parts
    return Images(
        x_train=_normalised(x_train, size),
        y_train=y_train.long(),
        x_test=_normalised(x_test, size),
        y_test=y_test.long(),
        classes=CLASSES,
    )


def _normalised(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 (n, 28, 28) -> float32 (n, 1, size, size)."""
    x = pixels.unsqueeze(1).float().div_(255)
    if size == 14:
        x = avg_pool2d(x, 2)
    return x.sub_(MEAN).div_(STD)  # in place: the full set takes 190 MB in float32


# ------------------------------------------------------------------------------- the sample


def read_sample() -> Parts:
    """The bundled sample as it is stored.

    Raises:
        DataError: the file is missing or altered.

    Example:
        >>> x_train, y_train, x_test, y_test = read_sample()
        >>> x_train.shape, x_train.dtype
        (torch.Size([10000, 28, 28]), torch.uint8)
    """
    try:
        content = SAMPLE.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the sample images {SAMPLE}: install coslr again.") from error
    if hashlib.sha256(content).hexdigest() != SAMPLE_SHA256:
        raise DataError(
            f"The sample images {SAMPLE} are not as published (their checksum differs): "
            "install coslr again, or restore the file with git."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        x_train, y_train, x_test, y_test = (
            torch.from_numpy(arrays[name]) for name in ("x_train", "y_train", "x_test", "y_test")
        )
    return x_train, y_train, x_test, y_test


# ------------------------------------------------------------------------------ the full set


def cache_folder() -> Path:
    """Where a downloaded full set is kept.

    The environment variable COSLR_DATA names the folder. Where it is not set, the folder is the
    user's cache: ``~/.cache/coslr`` on Linux (or ``coslr`` in XDG_CACHE_HOME),
    ``~/Library/Caches/coslr`` on macOS, ``%LOCALAPPDATA%\\coslr\\Cache`` on Windows.

    Example:
        >>> import os
        >>> os.environ["COSLR_DATA"] = "images"
        >>> print(cache_folder())
        images
        >>> del os.environ["COSLR_DATA"]
    """
    if named := os.environ.get("COSLR_DATA"):
        return Path(named).expanduser()
    return platformdirs.user_cache_path("coslr", appauthor=False)


def read_full(folder: Path) -> Parts:
    """The full set as it is stored; downloaded into `folder` if that is new or empty.

    torchvision verifies the files that it downloads, but not those that it finds. So this function
    decompresses and verifies each file first, and torchvision reads the verified copy.

    Args:
        folder: as in `fashion_mnist`.

    Raises:
        DataError: as in `fashion_mnist`.
    """
    source = _folder_with_files(folder) or _download(folder)
    with tempfile.TemporaryDirectory() as copy:
        raw = Path(copy) / "FashionMNIST" / "raw"  # torchvision's name for it
        raw.mkdir(parents=True)
        for name, checksum in CONTENT_SHA256.items():
            (raw / name).write_bytes(_verified_content(source, name, checksum))
        train, test = _by_torchvision(copy, train=True), _by_torchvision(copy, train=False)
    return train.data, train.targets, test.data, test.targets


def _by_torchvision(folder: str, **options: bool) -> Any:
    """The full set, read or downloaded by torchvision. The bundled sample does not need it."""
    with extra("train"):
        from torchvision.datasets import FashionMNIST  # imported late: it takes seconds
    return FashionMNIST(folder, **options)


def _folder_with_files(folder: Path) -> Path | None:
    """Where the files are; None if the folder is new or empty; an error if it is a wrong one."""
    for place in (folder / "FashionMNIST" / "raw", folder):
        if any((place / (name + end)).is_file() for name in CONTENT_SHA256 for end in ("", ".gz")):
            return place
    # A download that was killed leaves its unfinished folder behind; the next one may start anyway.
    if not folder.exists() or all(entry.name.startswith(_UNFINISHED) for entry in folder.glob("*")):
        return None
    raise DataError(
        f"Fashion-MNIST is not in {folder}: name the folder that holds "
        "train-images-idx3-ubyte(.gz) and its three companions, or the one above "
        "FashionMNIST/raw. To download it (30 MB), name an empty folder or leave `folder` out."
    )


def _verified_content(source: Path, name: str, checksum: str) -> bytes:
    """The decompressed content of one file; an error unless it is the published one."""
    plain, compressed = source / name, source / (name + ".gz")
    if not plain.is_file() and not compressed.is_file():
        raise DataError(
            f"{name}(.gz) is missing in {source}: complete the set there, or delete the folder "
            "and call again to download it (30 MB)."
        )
    path = plain if plain.is_file() else compressed
    advice = "Replace it, or delete the folder and call again to download the set (30 MB)."
    try:
        content = path.read_bytes()
        if path is compressed:
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or cut short ({error}). {advice}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found == checksum:
        return content
    names = {known: other for other, known in CONTENT_SHA256.items()}
    problem = (
        f"holds {names[found]}"
        if found in names
        else "is cut short or altered (its checksum differs)"
    )
    raise DataError(f"{path} {problem}. {advice}")


_UNFINISHED = ".download-"  # how the name of a folder begins while a download fills it


def _download(folder: Path) -> Path:
    """Download the set into `folder`, through torchvision; returns where the files are.

    torchvision fills a folder beside the final place, which moves there in one step. If the
    download stops at any moment, nothing remains that a later call could take for the set.
    """
    final = folder / "FashionMNIST"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as part, _time_limit(30):
            _by_torchvision(part, download=True)
            files = Path(part) / "FashionMNIST"
            for name, checksum in CONTENT_SHA256.items():
                _verified_content(files / "raw", name, checksum)
            os.replace(files, final)
    except (RuntimeError, EOFError, OSError, http.client.HTTPException) as error:
        if (final / "raw").is_dir():  # another process downloaded the set meanwhile
            return final / "raw"
        raise DataError(
            f"Fashion-MNIST is not in {folder} and could not be downloaded: {error}\n"
            "Check the network and try again, or name a folder that has the four files "
            "(`folder=...`), or use the bundled sample (`full=False`)."
        ) from error
    return final / "raw"


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise an error when a server sends nothing for that long, instead of waiting for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
