"""Results come back to the last bit, or count as missing."""

import errno
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from coslr.experiments.store import Store

ROOT = Path(__file__).resolve().parents[2]


def key_of(name):
    return hashlib.sha256(name.encode()).hexdigest()


KEY, OTHER = key_of("one"), key_of("other")
ARRAYS = {"loss": np.array([0.5, np.nan]), "snapshots/2/weights/0.bias": np.ones(3, "float32")}
DETAILS = {"status": "ok", "trial": {"seed": "3"}}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def bits(arrays):
    return [(name, a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()]


def names(store):
    return sorted(os.listdir(store.folder))


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


# -------------------------------------------------------------------------- there and back again

DTYPES = st.one_of(
    arrays_of.scalar_dtypes(),  # numbers of both byte orders, booleans, complex numbers, dates
    arrays_of.byte_string_dtypes(min_len=1),
    arrays_of.unicode_string_dtypes(min_len=1),
)
NUMBERS = DTYPES.flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, min_side=0))
)
NAMES = st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], exclude_characters="\\"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(
    arrays=st.dictionaries(NAMES, NUMBERS, max_size=4),
    details=st.dictionaries(st.text("key/"), JSON, max_size=3),
)
def test_what_was_put_comes_back_to_the_last_bit(tmp_path_factory, arrays, details):
    store = Store(tmp_path_factory.getbasetemp() / "round_trip")
    store.put(KEY, arrays, details)
    result = store.get(KEY)
    assert bits(result.arrays) == bits(arrays)
    assert result.details == details


@pytest.mark.parametrize("payload", [0x7FF8_0000_0000_0001, 0xFFF0_0000_0000_BEEF])
def test_each_kind_of_nan_comes_back(store, payload):
    array = np.array([payload], "uint64").view("float64")
    store.put(KEY, {"loss": array}, {})
    assert store.get(KEY).arrays["loss"].tobytes() == array.tobytes()


def test_an_array_that_is_stored_by_columns_or_with_gaps_comes_back(store):
    arrays = {"columns": np.asfortranarray(np.arange(6).reshape(2, 3)), "gaps": np.arange(9)[::2]}
    store.put(KEY, arrays, {})
    assert bits(store.get(KEY).arrays) == bits(arrays)


def test_numpy_opens_a_result_without_our_code(store):
    store.put(KEY, ARRAYS, DETAILS)
    with np.load(store.path(KEY), allow_pickle=False) as archive:
        assert sorted(archive.files) == ["details.json", "loss", "snapshots/2/weights/0.bias"]
        assert archive["snapshots/2/weights/0.bias"].tolist() == [1, 1, 1]
        assert json.loads(archive["details.json"]) == {"key": KEY, "details": DETAILS}


def test_a_second_result_replaces_the_first(store):
    store.put(KEY, ARRAYS, DETAILS)
    store.put(KEY, {}, {"status": "diverged"})
    assert store.get(KEY).details == {"status": "diverged"}
    assert names(store) == [f"{KEY}.npz"]


def test_what_is_not_there_is_none(store):
    assert store.get(KEY) is None
    store.put(OTHER, ARRAYS, DETAILS)
    assert store.get(KEY) is None


@pytest.mark.parametrize(
    ("key", "arrays", "details", "message"),
    [
        ("../elsewhere", {}, {}, "key='../elsewhere': must be a SHA-256 digest in hexadecimal"),
        (KEY, {"a\0b": np.ones(1)}, {}, "must be named with printable characters"),
        (KEY, {"a\\b": np.ones(1)}, {}, "must be named with printable characters"),
        (KEY, {"a": np.array([{}])}, {}, r"arrays\['a'\].dtype=dtype\('O'\): must be numbers"),
        (KEY, {"a": np.zeros(1, "i4,f4")}, {}, r"arrays\['a'\].dtype=.*: must be numbers"),
        (KEY, {}, {"loss": float("nan")}, "not JSON compliant"),
    ],
)
def test_refuses(store, key, arrays, details, message):
    """What would not come back as it was, or could only be pickled."""
    with pytest.raises(ValueError, match=message):
        store.put(key, arrays, details)
    assert not store.folder.exists()


# ------------------------------------------------------------------------------------- damage


@given(data=st.data())
def test_damage_at_any_byte_is_never_returned_as_a_result(tmp_path_factory, data):
    store = Store(tmp_path_factory.getbasetemp() / "damage")
    store.put(KEY, ARRAYS, DETAILS)
    content = store.path(KEY).read_bytes()
    i = data.draw(st.integers(0, len(content) - 1), "place")
    flipped = bytes([content[i] ^ 1 << data.draw(st.integers(0, 7), "bit")])
    damages = [
        content[:i] + flipped + content[i + 1 :],
        content[:i] + content[i + 1 :],
        content[:i] + b"\0" + content[i:],
        content[:i] + bytes(len(content) - i),
        content[:i],
        content[i + 1 :],
    ]
    damaged = data.draw(st.sampled_from(damages), "damaged")
    assume(damaged != content)
    store.path(KEY).write_bytes(damaged)
    assert store.get(KEY) is None


def test_the_result_of_another_key_under_this_name_counts_as_missing(store):
    store.put(OTHER, ARRAYS, DETAILS)
    store.path(OTHER).rename(store.path(KEY))
    assert store.get(KEY) is None


class Attack:
    def __reduce__(self):
        return os.mkdir, ("pickled code has run",)


def sealed(content):
    return content + hashlib.sha256(content).hexdigest().encode()


@pytest.mark.parametrize("seal", [bytes, sealed])
def test_a_foreign_file_counts_as_missing_and_runs_no_code(store, tmp_path, monkeypatch, seal):
    """Even with a digest that is right."""
    monkeypatch.chdir(tmp_path)
    store.put(KEY, ARRAYS, DETAILS)
    place = store.path(KEY)
    np.savez(tmp_path / "plain.npz", loss=np.ones(2))
    objects = np.array([Attack()])
    np.savez(tmp_path / "pickled.npz", **{"details.json": objects, "loss": objects})
    for content in (
        b"",
        b"text",
        pickle.dumps(Attack()),
        (tmp_path / "plain.npz").read_bytes(),
        (tmp_path / "pickled.npz").read_bytes(),
    ):
        place.write_bytes(seal(content))
        assert store.get(KEY) is None
    assert not (tmp_path / "pickled code has run").exists()


def test_a_damaged_file_stays_until_a_result_replaces_it(store):
    store.put(KEY, ARRAYS, DETAILS)
    store.path(KEY).write_bytes(b"damaged")
    assert store.get(KEY) is None
    assert store.path(KEY).read_bytes() == b"damaged"
    store.put(KEY, ARRAYS, DETAILS)
    assert store.get(KEY).details == DETAILS


# ------------------------------------------------------------------------------- written at once


def test_nobody_sees_half_a_result(store, monkeypatch):
    """One thread writes on a slow disk, and another reads all the time."""
    versions = [{"x": np.full(1000, i)} for i in range(6)]
    store.put(KEY, versions[0], {})
    slow_disk(monkeypatch)

    def write():
        for version in versions[1:]:
            store.put(KEY, version, {})

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while writer.is_alive():
        result = store.get(KEY)
        assert result is not None
        seen.append(int(result.arrays["x"][0]))
    writer.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


def slow_disk(monkeypatch):
    """Files are written in pieces, with time between them."""

    class SlowFile(io.FileIO):
        def write(self, content):
            for begin in range(0, len(content), 1000):
                super().write(content[begin : begin + 1000])
                time.sleep(0.002)
            return len(content)

    def slow_open(file, mode="r", *arguments, **settings):
        if mode in ("wb", "xb"):
            return SlowFile(file, mode.replace("b", ""))
        return really_open(file, mode, *arguments, **settings)

    really_open = io.open
    monkeypatch.setattr(io, "open", slow_open)


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_full_disk_leaves_the_earlier_result_and_nothing_else(store, monkeypatch, fails):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    store.put(KEY, ARRAYS, DETAILS)
    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        store.put(KEY, {}, {})
    assert store.get(KEY).details == DETAILS
    assert names(store) == [f"{KEY}.npz"]


def test_other_results_stay_byte_equal(store):
    store.put(OTHER, ARRAYS, DETAILS)
    before = store.path(OTHER).read_bytes()
    for _ in range(2):
        store.put(KEY, ARRAYS, DETAILS)
        store.remove_leftovers()
    assert store.path(OTHER).read_bytes() == before


# -------------------------------------------------------------------------------------- locks


@pytest.fixture
def folder(store):
    store.folder.mkdir()
    return store.folder


@pytest.mark.usefixtures("folder")
def test_one_has_the_lock_and_the_others_are_told(store):
    with store.lock(KEY) as first:
        with store.lock(KEY) as second, store.lock(OTHER) as another:
            assert (first, second, another) == (True, False, True)
        with store.lock(KEY) as third:
            assert not third
    with store.lock(KEY) as later:
        assert later
    assert names(store) == []


@pytest.mark.usefixtures("folder")
def test_an_error_inside_ends_the_lock(store):
    with pytest.raises(KeyboardInterrupt), store.lock(KEY):
        raise KeyboardInterrupt
    with store.lock(KEY) as ours:
        assert ours
    assert names(store) == []


HOLDS = """
import sys, time
from pathlib import Path
from coslr.experiments.store import Store

with Store(Path(sys.argv[1])).lock(sys.argv[2]) as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


def test_a_killed_process_blocks_nobody(store, folder):
    command = [sys.executable, "-c", HOLDS, folder, KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout.readline() == "True\n"
        with store.lock(KEY) as ours:
            assert not ours
        holder.kill()
        holder.wait()
        with store.lock(KEY) as ours:
            assert ours
    assert names(store) == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EPERM])
def test_a_folder_without_locks_stops_nobody(store, monkeypatch, code):
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with store.lock(KEY) as first, store.lock(KEY) as second:
        assert first
        assert second


# --------------------------------------------------------------------------------- cleaning up


def test_what_killed_processes_left_is_deleted_after_an_hour(store, folder):
    store.put(KEY, ARRAYS, DETAILS)
    left = [f"{OTHER}.lock", f"{KEY}.lock", f"{KEY}.0a1b.part", f"{OTHER}.23cd.starts"]
    foreign = ["notes.txt", f"{KEY}.part", f"{KEY}.txt", f"x{KEY}.0a1b.part", "half.part"]
    for name in (*left, *foreign):
        (folder / name).write_bytes(b"")
    store.remove_leftovers()
    assert names(store) == sorted([f"{KEY}.npz", *left, *foreign])  # they may be somebody's yet
    for name in names(store):
        age(folder / name, seconds=3700)
    store.remove_leftovers()
    assert names(store) == sorted([f"{KEY}.npz", *foreign])
    assert store.get(KEY).details == DETAILS


def test_what_a_living_process_uses_is_never_deleted(store, folder):
    """A training that takes longer than an hour has its lock as long."""
    with store.lock(KEY):
        (folder / f"{KEY}.0a.starts").touch()
        before = names(store)
        for name in before:
            age(folder / name, seconds=3700)
        store.remove_leftovers()
        assert names(store) == before == [f"{KEY}.0a.starts", f"{KEY}.lock"]


def test_clear_deletes_results_and_nothing_else(store, folder):
    for key in (KEY, OTHER):
        store.put(key, ARRAYS, DETAILS)
    (folder / "notes.txt").touch()
    (folder / "own.npz").touch()
    (folder / f"{KEY}.0a.part").touch()
    age(folder / f"{KEY}.0a.part", seconds=3700)
    store.clear()
    assert names(store) == ["notes.txt", "own.npz"]
    for name in names(store):
        (folder / name).unlink()
    store.clear()
    assert not folder.exists()
    store.clear()  # nothing there is nothing to do


def test_a_folder_that_cannot_be_read_has_no_results(tmp_path):
    (tmp_path / "taken").touch()
    store = Store(tmp_path / "taken")
    store.remove_leftovers()
    store.clear()
    assert store.get(KEY) is None
