"""Results on disk: one file per key, which is complete or counts as missing.

A result is some named arrays and some details. Its file ``KEY.npz`` is an ordinary npz archive,
which `numpy.load` opens without any of our code; the details are the entry ``details.json``. The
archive ends with the SHA-256 digest of all bytes before it. A file that was cut short, changed in a
single bit, renamed, or written by another program is therefore seen, and nothing in it is read
before its digest is verified. Nothing is ever unpickled, so a file cannot run code.

Many processes may use one folder at the same time. A file is written under another name and moved
to its own in one step, so that no process ever sees half of it. A process that is killed loses its
locks, and the files that it leaves are deleted after an hour.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import require
from coslr._optional import extra

with extra("train"):
    from filelock import FileLock, Timeout

DETAILS = "details.json"
DIGEST_LENGTH = 64
LEFT_BEHIND = 3600.0  # seconds after which a file beside a result is taken for a killed process's

# A key is a SHA-256 digest. All files of a key begin with it, and no other file is ours.
_OUR_FILES = re.compile(r"(?P<key>[0-9a-f]{64})\.(?P<kind>npz|lock|[0-9a-f]+\.(part|starts))")


@dataclass(frozen=True)
class StoredResult:
    """What `Store.put` was given.

    Attributes:
        arrays: name -> array, in the order in which they were put.
        details: everything else, as JSON returns it: a tuple has become a list.
    """

    arrays: dict[str, NDArray[Any]]
    details: dict[str, object]


@dataclass(frozen=True)
class Store:
    """A folder with one file per key; a key is a SHA-256 digest in hexadecimal.

    Attributes:
        folder: where the files are; `put` makes it.

    Example:
        >>> import tempfile
        >>> key = hashlib.sha256(b"seed 0").hexdigest()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = Store(Path(folder))
        ...     store.put(key, {"loss": np.array([0.7, 0.5])}, {"status": "ok"})
        ...     result = store.get(key)
        >>> result.arrays["loss"].tolist(), result.details
        ([0.7, 0.5], {'status': 'ok'})
    """

    folder: Path

    def path(self, key: str) -> Path:
        """Where the result of `key` is, or would be."""
        return self.folder / f"{key}.npz"

    def get(self, key: str) -> StoredResult | None:
        """The result of `key`; None if there is none, or only a damaged one."""
        try:
            content = self.path(key).read_bytes()
        except OSError:
            return None
        digest = content[-DIGEST_LENGTH:]
        if _digest(content[:-DIGEST_LENGTH]) != digest:
            return None
        try:
            return _unpacked(key, content)
        except Exception:  # a file with a right digest that `put` did not write can raise anything
            return None

    def put(
        self, key: str, arrays: Mapping[str, NDArray[Any]], details: Mapping[str, object]
    ) -> None:
        """Keep a result under `key`, in place of any that is there.

        Args:
            key: a SHA-256 digest in hexadecimal.
            arrays: name -> array of numbers, booleans, dates or text.
            details: everything else, as JSON can write it.

        Raises:
            OSError: the file cannot be written, for instance because the disk is full.
            ValueError, TypeError: the key, an array or the details are of another kind.
        """
        require(_OUR_FILES.fullmatch(f"{key}.npz"), "key", key, "a SHA-256 digest in hexadecimal")
        content = _packed(key, arrays, details)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.beside(key, f"{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # the result survives a power cut, for 0.4 ms on an SSD
            os.replace(part, self.path(key))
        finally:
            with contextlib.suppress(OSError):  # it is there only if something failed
                part.unlink()

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[bool]:
        """Lock `key` against other processes inside the block, without waiting.

        Yields True if this process has the lock, and False if another one has it. A folder without
        locks, as some network folders are, yields True to everybody: work may be done twice there,
        and both times `put` leaves a complete file.

        Whoever has the lock must look for the result again: another process may have put it and
        gone between the look before and the lock.

        The operating system ends the lock of a process that is killed.
        """
        path = self.beside(key, "lock")
        # Where the system has no locks, filelock's substitute would outlive a killed process.
        lock = FileLock(path, fallback_to_soft=False)
        ours = True
        try:
            lock.acquire(timeout=0)
        except Timeout:  # another process has it
            ours = False
        except OSError:  # this folder has no locks
            pass
        try:
            yield ours
        finally:
            if lock.is_locked:
                # Delete the file while we hold the lock: after that, another process may hold it.
                # A process that has this file open already notices that it has lost its name.
                # Windows deletes no open file, and filelock deletes it there after the release.
                with contextlib.suppress(OSError):
                    path.unlink()
                lock.release()

    def beside(self, key: str, ending: str) -> Path:
        """The path of a passing file of `key`; `remove_leftovers` deletes it if it is left behind.

        Args:
            key: of the result that the file is for.
            ending: "lock", or hexadecimal digits and one of ".part" and ".starts".
        """
        return self.folder / f"{key}.{ending}"

    def remove_leftovers(self) -> None:
        """Delete what killed processes have left beside the results; no result is deleted.

        A file is left behind if it is an hour old and no process has locked its key.
        """
        for path, key, kind in self._files():
            with contextlib.suppress(OSError):
                if kind != "npz" and time.time() - path.stat().st_mtime > LEFT_BEHIND:
                    with self.lock(key) as ours:
                        if ours:
                            path.unlink()

    def clear(self) -> None:
        """Delete all results, what killed processes have left, and the folder if it is empty."""
        for path, _, kind in self._files():
            if kind == "npz":
                with contextlib.suppress(OSError):
                    path.unlink()
        self.remove_leftovers()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _files(self) -> Iterator[tuple[Path, str, str]]:
        """Each of our files with its key and its kind, such as "npz" or "lock"."""
        try:
            names = os.listdir(self.folder)
        except OSError:  # there is no folder yet
            return
        for name in names:
            if ours := _OUR_FILES.fullmatch(name):
                yield self.folder / name, ours["key"], ours["kind"]


def _packed(key: str, arrays: Mapping[str, NDArray[Any]], details: Mapping[str, object]) -> bytes:
    """The content of a file: an npz archive whose last bytes are the digest of those before."""
    text = json.dumps({"key": key, "details": details}, allow_nan=False, indent=1)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(DETAILS, text)
        for name, array in arrays.items():
            # An archive cuts a name at a zero, and on Windows it replaces a backslash.
            plain = name.isprintable() and "\\" not in name
            require(plain, "arrays", name, "named with printable characters but the backslash")
            # Objects would have to be pickled, and other kinds do not come back as they were.
            right = "numbers, booleans, dates or text"
            require(array.dtype.kind in "biufcmMSU", f"arrays[{name!r}].dtype", array.dtype, right)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        # The archive's comment is its very end, and nothing that reads archives minds it.
        archive.comment = bytes(DIGEST_LENGTH)
    content = file.getvalue()[:-DIGEST_LENGTH]
    return content + _digest(content)


def _unpacked(key: str, content: bytes) -> StoredResult | None:
    """The result in a file whose digest is right; None if it is the result of another key."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        written = json.loads(archive[DETAILS])
        if written["key"] != key:
            return None
        entries = [name for name in archive.zip.namelist() if name.endswith(".npy")]
        arrays = {name.removesuffix(".npy"): archive[name] for name in entries}
    return StoredResult(arrays, written["details"])


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
