"""Descriptors of a .npz file into faces: all of it is checked before the first row is written."""

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from lunatasks.luna_services.descriptors import SFACE, VERSIONS, normalise
from lunatasks.luna_services.embedded.models import TEXT_LENGTH, Face
from lunatasks.luna_services.embedded.progress import Progress
from lunatasks.luna_services.ports import Faces, NewFace

BATCH_FACES = 500
_LOOK_UP = 5000


class BadFile(ValueError):
    """The file does not hold what it should; the text says what and in which row."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A checked file. ids: unique; vectors: (n, d) float32, L2-normalised; all of one version."""

    ids: list[UUID]
    vectors: NDArray[np.float32]
    external_ids: list[str]
    version: int


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What was loaded; faces that existed are left as they are."""

    rows: int
    new_faces: int
    known_faces: int
    seconds: float


def read_vectors(path: Path) -> VectorFile:
    """Read and check arrays face_id, descriptor, and optionally external_id, version. Raises BadFile.

    face_id: n uuids as text or (n, 16) uint8; descriptor: (n, d) numbers; version: one for the whole file.
    """
    arrays = _load(path)
    ids = _uuids(_required(arrays, "face_id"))
    version = _version(arrays.get("version"), len(ids))
    vectors = _checked_vectors(_required(arrays, "descriptor"), len(ids), version)
    return VectorFile(ids, vectors, _texts(arrays.get("external_id"), len(ids)), version)


def load_vectors(file: VectorFile, account_id: UUID, faces: Faces, list_id: UUID | None = None) -> LoadSummary:
    """Write the faces that do not exist yet and link all to the list. Raises BadFile, PortError."""
    started = time.monotonic()
    _refuse_foreign(file.ids, account_id)
    new = 0
    with Progress(len(file.ids), "face") as progress:
        for start in range(0, len(file.ids), BATCH_FACES):
            part = _new_faces(file, start, min(start + BATCH_FACES, len(file.ids)))
            new += len(faces.add_faces(account_id, part, list_id=list_id))
            progress.advance(len(part))
    return LoadSummary(len(file.ids), new, len(file.ids) - new, time.monotonic() - started)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise BadFile("not a .npz file")
        with archive:
            return {name: archive[name] for name in archive.files}
    except BadFile:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise BadFile(f"cannot be read as a .npz file without pickled objects ({type(error).__name__})") from None


def _required(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise BadFile(f"array '{name}' is missing; found: {', '.join(sorted(arrays)) or 'nothing'}")
    return arrays[name]


def _uuids(array: NDArray[Any]) -> list[UUID]:
    if array.dtype == np.uint8 and array.ndim == 2 and array.shape[1] == 16:
        ids = [UUID(bytes=row.tobytes()) for row in array]
    elif array.ndim == 1 and array.dtype.kind in "US":
        ids = [_uuid(text, row) for row, text in enumerate(array.astype(str).tolist())]
    else:
        raise BadFile("array 'face_id' must be n uuids as text, or of shape (n, 16) and type uint8")
    seen: dict[UUID, int] = {}
    for row, face_id in enumerate(ids):
        if seen.setdefault(face_id, row) != row:
            raise BadFile(f"face_id of row {row} stands in row {seen[face_id]} already")
    return ids


def _uuid(text: str, row: int) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadFile(f"face_id of row {row} is not a uuid") from None


def _version(array: NDArray[Any] | None, count: int) -> int:
    if array is None:
        return SFACE.number
    if array.dtype.kind not in "iu" or array.shape not in ((), (count,)):
        raise BadFile("array 'version' must be one whole number, or one a row")
    found = sorted({int(value) for value in np.unique(array)})
    if len(found) > 1:
        raise BadFile(f"versions {', '.join(map(str, found))} in one file; one file holds one version")
    version = found[0] if found else SFACE.number
    if version not in VERSIONS:
        raise BadFile(f"descriptor version {version} is not known; known: {', '.join(map(str, sorted(VERSIONS)))}")
    return version


def _checked_vectors(array: NDArray[Any], count: int, version: int) -> NDArray[np.float32]:
    dimension = VERSIONS[version].dimension
    if array.shape != (count, dimension) or array.dtype.kind not in "fiu":
        raise BadFile(f"array 'descriptor' must be numbers of shape ({count}, {dimension}), not {array.shape}")
    try:
        return normalise(array)
    except ValueError:
        bad = next(row for row in range(count) if not _is_good(array[row]))
        raise BadFile(f"descriptor of row {bad} is not finite or has length zero") from None


def _is_good(vector: NDArray[Any]) -> bool:
    try:
        normalise(vector[None])
    except ValueError:
        return False
    return True


def _texts(array: NDArray[Any] | None, count: int) -> list[str]:
    if array is None:
        return [""] * count
    if array.dtype.kind != "U" or array.shape != (count,):
        raise BadFile(f"array 'external_id' must be {count} texts")
    texts: list[str] = array.tolist()
    for row, text in enumerate(texts):
        if len(text) > TEXT_LENGTH:
            raise BadFile(f"external_id of row {row} is longer than {TEXT_LENGTH} characters")
    return texts


def _refuse_foreign(ids: list[UUID], account_id: UUID) -> None:
    for start in range(0, len(ids), _LOOK_UP):
        part = ids[start : start + _LOOK_UP]
        foreign = Face.objects.filter(face_id__in=part).exclude(account_id=account_id).values_list("face_id", flat=True)
        if taken := next(iter(foreign[:1]), None):
            raise BadFile(f"face_id of row {ids.index(taken)} cannot be used in this account")


def _new_faces(file: VectorFile, start: int, stop: int) -> list[NewFace]:
    return [
        NewFace(file.ids[row], file.external_ids[row], descriptors={file.version: file.vectors[row]})
        for row in range(start, stop)
    ]
