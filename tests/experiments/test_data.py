import dataclasses
import gzip
import hashlib
import http.client
import importlib.util
import os
import shutil
import socket
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.datasets import mnist

from coslr.experiments import data
from coslr.experiments.data import DataError, balanced, cache_folder, fashion_mnist

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PARTS = ("x_train", "y_train", "x_test", "y_test")


@pytest.fixture(scope="module")
def sample():
    return fashion_mnist()


@pytest.fixture(scope="module")
def small():
    return fashion_mnist(size=14)


def pixels(x):
    """What the images were before normalisation, 0 ... 255, in float64."""
    return (x.double() * 0.3530 + 0.2860) * 255


# ------------------------------------------------------------------------------- the sample


def test_shapes_and_types(sample, small):
    assert sample.x_train.shape == (10_000, 1, 28, 28)
    assert sample.x_test.shape == (2_000, 1, 28, 28)
    assert small.x_train.shape == (10_000, 1, 14, 14)
    assert small.x_test.shape == (2_000, 1, 14, 14)
    for images in (sample, small):
        assert images.y_train.shape == (10_000,)
        assert images.y_test.shape == (2_000,)
        assert {images.x_train.dtype, images.x_test.dtype} == {torch.float32}
        assert {images.y_train.dtype, images.y_test.dtype} == {torch.int64}
    assert list(sample.classes) == mnist.FashionMNIST.classes


def test_the_classes_take_turns_so_every_prefix_is_balanced(sample):
    for labels in (sample.y_train, sample.y_test):
        assert torch.equal(labels.view(-1, 10), torch.arange(10).expand(len(labels) // 10, 10))


def test_pixels_are_whole_and_those_of_the_file(sample):
    with np.load(data.SAMPLE) as arrays:
        for name in ("x_train", "x_test"):
            found = pixels(getattr(sample, name)[:, 0]).numpy()
            assert np.abs(found - arrays[name]).max() < 1e-3
        for name in ("y_train", "y_test"):
            assert (getattr(sample, name).numpy() == arrays[name]).all()


def test_normalised_to_mean_0_and_deviation_1(sample):
    assert abs(sample.x_train.mean()) < 0.01
    assert abs(sample.x_train.std() - 1) < 0.01


def test_14_is_the_mean_of_2x2(sample, small):
    for name in ("x_train", "x_test"):
        whole = getattr(sample, name)[:500].double()
        mean = whole.view(-1, 1, 14, 2, 14, 2).mean(dim=(3, 5))
        assert torch.allclose(getattr(small, name)[:500].double(), mean, atol=1e-5)
    assert torch.equal(small.y_train, sample.y_train)


def test_two_calls_are_equal_and_share_nothing(small):
    again = fashion_mnist(size=14)
    assert all(torch.equal(getattr(again, name), getattr(small, name)) for name in PARTS)
    again.x_train.zero_()
    assert small.x_train.any()


def test_sample_and_licence_are_there_and_small():
    files = list(data.SAMPLE.parent.iterdir())
    assert data.SAMPLE in files
    assert "Permission is hereby granted" in (
        data.SAMPLE.parent / "LICENSE-fashion-mnist"
    ).read_text(encoding="utf-8")
    assert sum(file.stat().st_size for file in files) <= 6e6


def one_label_wrong(file):
    with np.load(file) as arrays:
        parts = dict(arrays)
    parts["y_train"][0] = 3
    np.savez_compressed(file, **parts)


def one_byte_wrong(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut_short(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def emptied(file):
    file.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (one_label_wrong, "not as published"),
        (one_byte_wrong, "not as published"),
        (cut_short, "not as published"),
        (emptied, "not as published"),
    ],
)
def test_a_damaged_sample_is_refused(damage, message, tmp_path, monkeypatch):
    copy = Path(shutil.copy(data.SAMPLE, tmp_path / "sample.npz"))
    monkeypatch.setattr(data, "SAMPLE", copy)
    damage(copy)
    with pytest.raises(DataError, match=f"sample.npz .*{message}.*: install coslr again"):
        fashion_mnist()


def test_a_missing_sample_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SAMPLE", tmp_path / "sample.npz")
    with pytest.raises(DataError, match=r"^Cannot read .*sample\.npz: install coslr again"):
        fashion_mnist()


@pytest.mark.skipif(not DEBIAN.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_sample_is_made_again_from_the_full_set(tmp_path, monkeypatch, capsys):
    file = Path(__file__).parents[2] / "scripts" / "make_sample.py"
    spec = importlib.util.spec_from_file_location("make_sample", file)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "SAMPLE", tmp_path / "sample.npz")
    monkeypatch.setattr("sys.argv", ["make_sample.py", str(DEBIAN)])
    full = []
    monkeypatch.setattr(script, "read_full", lambda at: full.append(data.read_full(at)) or full[0])
    script.main()
    assert capsys.readouterr().out.strip() == data.SAMPLE_SHA256

    # The images by another way than the script's: the first ones of each class, in the set's order.
    with np.load(data.SAMPLE) as arrays:
        for x, y, part in ((*full[0][:2], "train"), (*full[0][2:], "test")):
            images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
            for label in range(10):
                mine = images[labels == label]
                assert (mine == x[y == label][: len(mine)].numpy()).all()


# ----------------------------------------------------------------------------------- Images


def test_subset_is_the_first_of_each_class(small):
    part = small.subset(50, 20)
    assert (len(part.x_train), len(part.x_test)) == (50, 20)
    # The sample's classes take turns, so its first n images are the answer.
    assert torch.equal(part.x_train, small.x_train[:50])
    assert torch.equal(part.y_train, small.y_train[:50])
    assert torch.equal(part.x_test, small.x_test[:20])
    assert torch.equal(part.y_test, small.y_test[:20])
    assert part.classes == small.classes
    assert small.subset(50).x_test is small.x_test


@settings(max_examples=10)
@given(st.integers(1, 100), st.integers(1, 100))
def test_a_subset_of_a_subset_is_the_subset(small, one, other):
    fewer, more = sorted((10 * one, 10 * other))
    direct, twice = small.subset(fewer, fewer), small.subset(more, more).subset(fewer, fewer)
    assert all(torch.equal(getattr(direct, name), getattr(twice, name)) for name in PARTS)


def test_to_moves_every_tensor(small):
    moved = small.subset(10, 10).to("meta")
    assert {getattr(moved, name).device.type for name in PARTS} == {"meta"}
    assert repr(moved) == "Images(10 training and 10 test images, 14x14, meta)"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, "n_train=0: must be a positive multiple of 10, the number of classes"),
        ((-10,), ValueError, "n_train=-10: must be a positive multiple of 10"),
        ((55,), ValueError, "n_train=55: must be a positive multiple of 10"),
        ((10_010,), ValueError, "n_train=10010: must be at most 10000"),
        ((10.0,), TypeError, "n_train=10.0: must be a positive multiple of 10, .* not float"),
        ((True,), TypeError, "n_train=True: must be a positive multiple of 10, .* not bool"),
        ((10, 2_010), ValueError, "n_test=2010: must be at most 2000"),
        ((10, "10"), TypeError, "n_test='10': must be a positive multiple of 10, .* not str"),
    ],
)
def test_subset_refuses(small, arguments, error, message):
    with pytest.raises(error, match="(?s)^" + message):
        small.subset(*arguments)


@given(st.data())
def test_balanced_in_every_prefix_and_the_first_of_each_class(given):
    classes = given.draw(st.integers(1, 5))
    each = given.draw(st.integers(1, 6))
    more = given.draw(st.lists(st.integers(0, classes - 1), max_size=20))
    labels = torch.tensor(given.draw(st.permutations([*range(classes)] * each + more)))
    chosen = balanced(labels, each * classes, classes)
    assert torch.equal(
        labels[chosen].view(each, classes), torch.arange(classes).expand(each, classes)
    )
    for c in range(classes):
        assert chosen[c::classes].tolist() == torch.nonzero(labels == c)[:each, 0].tolist()


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (lambda x, y: (x.numpy(), y), TypeError, "x_PART=.*: must be a torch.Tensor, not ndarray"),
        (lambda x, y: (x, y.tolist()), TypeError, "y_PART=.*: must be a torch.Tensor, not list"),
        (lambda x, y: (x[:0], y[:0]), ValueError, r"x_PART.shape=\(0, .* at least one image"),
        (lambda x, y: (x[:, 0], y), ValueError, r"x_PART.shape=\(50, 14, 14\): must be"),
        (lambda x, y: (x[..., 1:], y), ValueError, r"x_PART.shape=\(50, 1, 14, 13\): must be"),
        (lambda x, y: (x.expand(-1, 3, -1, -1), y), ValueError, r"x_PART.shape=\(50, 3, .* must"),
        # With one label too many, every image would still find a label, perhaps another's.
        (lambda x, y: (x[1:], y), ValueError, r"y_PART.shape=\(50,\): must be \(49,\), one label"),
        (lambda x, y: (x, y[:, None]), ValueError, r"y_PART.shape=\(50, 1\): must be \(50,\)"),
        (lambda x, y: (x, y + 1), ValueError, "a label in y_PART=10: must be from 0 to 9"),
        # PyTorch's cross entropy ignores an image with this label, silently.
        (lambda x, y: (x, y.where(y > 0, -100)), ValueError, "a label in y_PART=-100: must be"),
    ],
)
def test_images_refuse(small, part, changes, error, message):
    images = small.subset(50, 50)
    x, y = changes(getattr(images, f"x_{part}"), getattr(images, f"y_{part}"))
    with pytest.raises(error, match="(?s)^" + message.replace("PART", part)):
        dataclasses.replace(images, **{f"x_{part}": x, f"y_{part}": y})


# ------------------------------------------------------------------------------ the full set


def idx(array):
    """The format of the four files: two zeros, 8 for uint8, the dimensions, their sizes, bytes."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def tiny(monkeypatch):
    """Four small files {name: content} that pass for the published ones, and what they hold."""
    random = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": random.integers(0, 256, (30, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": random.integers(0, 10, 30, np.uint8),
        "t10k-images-idx3-ubyte": random.integers(0, 256, (20, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": random.integers(0, 10, 20, np.uint8),
    }
    files = {name: idx(array) for name, array in arrays.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert list(sums) == list(data.CONTENT_SHA256)
    monkeypatch.setattr(data, "CONTENT_SHA256", sums)
    return files, list(arrays.values())


def place(files, folder, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


def is_tiny(images, arrays):
    x_train, y_train, x_test, y_test = arrays
    return (
        np.abs(pixels(images.x_train[:, 0]).numpy() - x_train).max() < 1e-3
        and np.abs(pixels(images.x_test[:, 0]).numpy() - x_test).max() < 1e-3
        and images.y_train.tolist() == y_train.tolist()
        and images.y_test.tolist() == y_test.tolist()
        and images.y_train.dtype == torch.int64
    )


def server(monkeypatch, answer):
    """Put `answer(folder, name)` in the place of torchvision's download of one file."""

    def download(url, download_root, filename, md5):
        assert url.endswith(filename)
        assert md5
        answer(Path(download_root), filename.removesuffix(".gz"))

    monkeypatch.setattr(mnist, "download_and_extract_archive", download)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(folder, name):
        raise AssertionError("a download was not expected here")

    server(monkeypatch, refuse)


def working(files):
    return lambda folder, name: place({name: files[name]}, folder)


def failing(error):
    def answer(folder, name):
        raise error

    return answer


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", [".", "FashionMNIST/raw"])
def test_the_full_set_from_files(tiny, tmp_path, inside, packed):
    files, arrays = tiny
    place(files, tmp_path / inside, packed)
    before = sorted(tmp_path.rglob("*"))
    for folder in (tmp_path, str(tmp_path)):
        images = fashion_mnist(full=True, folder=folder)
        assert is_tiny(images, arrays)
    assert fashion_mnist(full=True, folder=tmp_path, size=14).x_test.shape == (20, 1, 14, 14)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_full_set_from_files_of_both_kinds(tiny, tmp_path):
    files, arrays = tiny
    names = list(files)
    place({name: files[name] for name in names[:2]}, tmp_path)
    place({name: files[name] for name in names[2:]}, tmp_path, packed=True)
    assert is_tiny(fashion_mnist(full=True, folder=tmp_path), arrays)


def swap(folder, one, other):
    (folder / one).rename(folder / "third")
    (folder / other).rename(folder / one)
    (folder / "third").rename(folder / other)


IMAGES, OTHERS = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"


@pytest.mark.parametrize(
    ("packed", "damage", "message"),
    [
        (True, lambda at: cut_short(at / f"{IMAGES}.gz"), f"{IMAGES}.gz is damaged or cut short"),
        (True, lambda at: one_byte_wrong(at / f"{OTHERS}.gz"), f"{OTHERS}.gz is "),
        (True, lambda at: emptied(at / f"{OTHERS}.gz"), f"{OTHERS}.gz is "),
        (True, lambda at: (at / f"{OTHERS}.gz").write_bytes(b"<html>"), f"{OTHERS}.gz is damaged"),
        (False, lambda at: cut_short(at / IMAGES), f"{IMAGES} is cut short or altered"),
        (False, lambda at: one_byte_wrong(at / OTHERS), f"{OTHERS} is cut short or altered"),
        (False, lambda at: emptied(at / IMAGES), f"{IMAGES} is cut short or altered"),
        (False, lambda at: swap(at, IMAGES, OTHERS), f"{IMAGES} holds {OTHERS}"),
        (
            True,
            lambda at: swap(at, "train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
            "train-labels-idx1-ubyte.gz holds t10k-labels-idx1-ubyte",
        ),
        (False, lambda at: (at / OTHERS).unlink(), rf"{OTHERS}\(.gz\) is missing in "),
        (True, lambda at: (at / f"{IMAGES}.gz").unlink(), rf"{IMAGES}\(.gz\) is missing in "),
    ],
)
@pytest.mark.parametrize("inside", [".", "FashionMNIST/raw"])
def test_damaged_files_are_refused(tiny, tmp_path, inside, packed, damage, message):
    place(tiny[0], tmp_path / inside, packed)
    damage(tmp_path / inside)
    with pytest.raises(DataError, match=rf"(?s){message}.*download") as caught:
        fashion_mnist(full=True, folder=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_wrong_folder_is_refused_and_left_alone(tiny, tmp_path):
    (tmp_path / "thesis.txt").write_text("draft")
    with pytest.raises(DataError, match=r"not in .*name an empty folder") as caught:
        fashion_mnist(full=True, folder=tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(DataError, match=r"thesis\.txt"):
        fashion_mnist(full=True, folder=tmp_path / "thesis.txt")


# --------------------------------------------------------------------------------- download


@pytest.mark.parametrize("exists", [False, True])
def test_a_download_that_works_is_kept(tiny, tmp_path, monkeypatch, exists):
    files, arrays = tiny
    folder = tmp_path / "new"
    if exists:
        folder.mkdir()
    waits = []

    def answer(at, name):
        waits.append(socket.getdefaulttimeout())
        working(files)(at, name)

    server(monkeypatch, answer)
    assert is_tiny(fashion_mnist(full=True, folder=folder), arrays)
    assert waits == [30] * 4  # a silent server cannot hold it for ever
    assert socket.getdefaulttimeout() is None
    assert is_tiny(fashion_mnist(full=True, folder=folder), arrays)
    assert len(waits) == 4  # the second call downloads nothing
    assert [file.name for file in folder.iterdir()] == ["FashionMNIST"]


def test_a_download_goes_to_the_cache_folder(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("COSLR_DATA", str(tmp_path / "named"))
    server(monkeypatch, working(tiny[0]))
    assert is_tiny(fashion_mnist(full=True), tiny[1])
    assert (tmp_path / "named" / "FashionMNIST" / "raw" / IMAGES).is_file()


@pytest.mark.skipif("sys.platform != 'linux'")
def test_the_cache_folder_on_linux(monkeypatch):
    """~/.cache/coslr is where the first edition kept the set; a reader should keep their copy."""
    monkeypatch.delenv("COSLR_DATA", raising=False)
    for unset in (None, ""):
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        if unset is not None:
            monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder() == Path.home() / ".cache" / "coslr"
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/coslr")


def test_the_cache_folder_is_the_user_s_and_its_docstring_says_where(monkeypatch):
    monkeypatch.delenv("COSLR_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    end = {"linux": "~/.cache/coslr", "darwin": "~/Library/Caches/coslr"}.get(sys.platform)
    if end:
        assert cache_folder() == Path(end).expanduser()
        assert end in cache_folder.__doc__
    else:
        assert cache_folder() == Path(os.environ["LOCALAPPDATA"]) / "coslr" / "Cache"


def test_the_environment_names_the_cache_folder_first(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setenv("COSLR_DATA", "~/images")
    assert cache_folder() == Path.home() / "images"


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route to host"),
        TimeoutError("no route to host"),
        http.client.IncompleteRead(b"", 5),
        RuntimeError("File not found or corrupted."),
        EOFError("ended before the end-of-stream marker"),
    ],
)
@pytest.mark.parametrize("files_before", [0, 2])
def test_no_network(tiny, tmp_path, monkeypatch, error, files_before):
    files, arrays = tiny

    def answer(at, name):
        if list(files).index(name) >= files_before:
            raise error
        working(files)(at, name)

    folder = tmp_path / "new"
    server(monkeypatch, answer)
    for _ in range(2):  # the second call finds no remains of the first
        with pytest.raises(DataError) as caught:
            fashion_mnist(full=True, folder=folder)
        message = str(caught.value)
        assert f"not in {folder} and could not be downloaded" in message
        assert str(error) in message
        assert "folder=" in message
        assert "full=False" in message
        assert list(folder.iterdir()) == []
    assert socket.getdefaulttimeout() is None
    server(monkeypatch, working(files))
    assert is_tiny(fashion_mnist(full=True, folder=folder), arrays)


def test_an_interrupted_download_leaves_nothing(tiny, tmp_path, monkeypatch):
    server(monkeypatch, failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        fashion_mnist(full=True, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_killed_at_any_moment_is_not_taken_for_the_set(tiny, tmp_path, monkeypatch):
    files, arrays = tiny
    folder = tmp_path / "new"

    def answer(at, name):
        working(files)(at, name)
        # What a killed process would leave at this moment.
        shutil.copytree(folder, tmp_path / f"after {name}")

    server(monkeypatch, answer)
    fashion_mnist(full=True, folder=folder)
    for name in files:
        left = tmp_path / f"after {name}"
        assert list(left.rglob(name))
        server(monkeypatch, failing(URLError("no network")))
        with pytest.raises(DataError, match="could not be downloaded"):
            fashion_mnist(full=True, folder=left)
        server(monkeypatch, working(files))
        assert is_tiny(fashion_mnist(full=True, folder=left), arrays)


def test_a_download_of_something_else_is_refused(tiny, tmp_path, monkeypatch):
    files, _ = tiny
    altered = {name: content[:-1] + b"\x0b" for name, content in files.items()}
    server(monkeypatch, working(altered))
    with pytest.raises(DataError, match="could not be downloaded"):
        fashion_mnist(full=True, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_downloads_at_once(tiny, tmp_path, monkeypatch):
    files, arrays = tiny

    def answer(at, name):
        working(files)(at, name)
        place(files, tmp_path / "FashionMNIST" / "raw")  # another process is done first

    server(monkeypatch, answer)
    assert is_tiny(fashion_mnist(full=True, folder=tmp_path), arrays)
    assert [file.name for file in tmp_path.iterdir()] == ["FashionMNIST"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 32}, ValueError, r"size=32: must be 28 or 14 \(pixels on a side\)"),
        ({"size": "28"}, TypeError, "size='28': must be 28 or 14 .*, not str"),
        ({"size": 14.0}, TypeError, "size=14.0: must be 28 or 14 .*, not float"),
        ({"size": None}, TypeError, "size=None: must be 28 or 14 .*, not NoneType"),
        ({"full": 1}, TypeError, "full=1: must be True or False, not int"),
        ({"full": "yes"}, TypeError, "full='yes': must be True or False, not str"),
        ({"folder": "images"}, ValueError, "folder='images': must be None .* add full=True"),
        ({"folder": 5}, TypeError, "folder=5: must be a path, not int"),
        ({"full": True, "folder": 5}, TypeError, "folder=5: must be a path, not int"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match="(?s)^" + message):
        fashion_mnist(**arguments)
