"""Writing and reading the files of tasks.

A file is written whole without a name, so that nothing stays of it after a kill, hashed on the way, put into the
storage under a name that belongs to one claim only, and counts when the row that names it is committed.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage
from numpy.typing import NDArray

from lunatasks import errors
from tasks_app import artefacts
from tasks_app.transitions import Artefact
from workers import faults

COPY_BYTES = 2**20


class Writer:
    """A file-like object that hashes what passes through; `artefact` is set when the block has ended."""

    def __init__(self, path: str, stream: IO[bytes]) -> None:
        self.path = path
        self._stream = stream
        self._hash = hashlib.sha256()
        self._size = 0
        self.artefact: Artefact | None = None

    def write(self, data: bytes | memoryview) -> int:
        self._hash.update(data)
        self._size += len(data)
        if self._size == len(data):
            faults.point("artefact.half_written")
        return self._stream.write(data)

    def described(self) -> Artefact:
        return Artefact(path=self.path, size=self._size, sha256=self._hash.hexdigest())


@contextmanager
def writing(path: str) -> Iterator[Writer]:
    """Write an artefact; it is in the storage, whole, when the block ends without an error.

    Raises StorageFailed when the disk or the storage refuses.
    """
    folder = settings.LUNATASKS_HOME / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            faults.point("artefact.opened")
            writer = Writer(path, stream)
            yield writer
            stream.flush()
            faults.point("artefact.written")
            stream.seek(0)
            artefacts.storage().save(path, File(stream, name=path))
            faults.point("artefact.renamed")
            writer.artefact = writer.described()
    except OSError as error:
        raise errors.StorageFailed(os.strerror(error.errno) if error.errno else type(error).__name__) from error


def write_array(path: str, array: NDArray[Any]) -> Artefact:
    """Write an array in numpy's format, without pickles."""
    with writing(path) as writer:
        np.lib.format.write_array(writer, np.ascontiguousarray(array), allow_pickle=False)
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def read_array(artefact: Artefact, *, task_id: int, mapped: bool = False) -> NDArray[Any]:
    """The array of an artefact, or a read-only map of it. Raises ArtefactDamaged."""
    path = local_path(artefact, task_id=task_id)
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise errors.ArtefactDamaged(task_id) from error


def local_path(artefact: Artefact, *, task_id: int) -> Path:
    """A local file with the artefact's bytes: the file itself, or a checked copy when the storage is remote.

    Raises ArtefactDamaged when it is missing or its size or digest differ.
    """
    storage = artefacts.storage()
    try:
        if isinstance(storage, FileSystemStorage):
            path = Path(storage.path(artefact.path))
            if path.stat().st_size != artefact.size:
                raise errors.ArtefactDamaged(task_id)
            return path
        return _cached_copy(artefact, task_id=task_id)
    except FileNotFoundError:
        raise errors.ArtefactDamaged(task_id) from None


def _cached_copy(artefact: Artefact, *, task_id: int) -> Path:
    folder: Path = settings.LUNATASKS_HOME / "cache"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / artefact.sha256
    if target.exists():
        os.utime(target)
        return target
    _make_room(folder, artefact.size)
    digest = hashlib.sha256()
    # What a kill leaves of it is swept, see `leftovers`.
    with (
        artefacts.storage().open(artefact.path, "rb") as source,
        tempfile.NamedTemporaryFile(dir=folder, prefix=".copy-", delete=False) as copy,
    ):
        try:
            for block in iter(lambda: source.read(COPY_BYTES), b""):
                digest.update(block)
                copy.write(block)
            if digest.hexdigest() != artefact.sha256:
                raise errors.ArtefactDamaged(task_id)
            copy.flush()
            Path(copy.name).replace(target)
        except BaseException:
            Path(copy.name).unlink(missing_ok=True)
            raise
    return target


def _make_room(folder: Path, size: int) -> None:
    files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir())
    excess = sum(item[1] for item in files) + size - settings.LUNATASKS_CACHE_MB * 2**20
    for _, length, path in files:
        if excess <= 0:
            return
        path.unlink(missing_ok=True)  # a map of it elsewhere stays valid until that process closes it
        excess -= length
