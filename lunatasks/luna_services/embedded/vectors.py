"""Descriptors of a .npz file into faces or events: all of it is checked before the first row is written."""

import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from lunatasks.luna_services.descriptors import BODY, SFACE, VERSIONS, normalise
from lunatasks.luna_services.embedded.models import TEXT_LENGTH, Event, Face
from lunatasks.luna_services.embedded.progress import Progress
from lunatasks.luna_services.ports import DescriptorKind, Events, Faces, NewEvent, NewFace, StoredDescriptor

BATCH_FACES = 500
BATCH_EVENTS = 1000
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
    tracks: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EventSummary:
    """What was loaded; events that existed got the descriptor when they had none of its version."""

    rows: int
    new_events: int
    known_events: int
    seconds: float


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
    ids = _uuids(_required(arrays, "face_id"), "face_id")
    version = _version(arrays.get("version"), len(ids), "face")
    vectors = _checked_vectors(_required(arrays, "descriptor"), len(ids), version)
    return VectorFile(ids, vectors, _texts(arrays, "external_id", len(ids)), version)


def read_event_vectors(path: Path, kind: DescriptorKind) -> VectorFile:
    """The same of events: array event_id, and track_id and source may be there too. Raises BadFile."""
    arrays = _load(path)
    ids = _uuids(_required(arrays, "event_id"), "event_id")
    version = _version(arrays.get("version"), len(ids), kind)
    vectors = _checked_vectors(_required(arrays, "descriptor"), len(ids), version)
    external_ids, tracks, sources = (_texts(arrays, name, len(ids)) for name in ("external_id", "track_id", "source"))
    return VectorFile(ids, vectors, external_ids, version, tracks, sources)


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


def load_event_vectors(file: VectorFile, account_id: UUID, events: Events) -> EventSummary:
    """Write the events that do not exist yet, and descriptors of those that lack one. Raises BadFile, PortError."""
    started = time.monotonic()
    _refuse_foreign(file.ids, account_id, Event)
    kind, new = VERSIONS[file.version].kind, 0
    with Progress(len(file.ids), "event") as progress:
        for start in range(0, len(file.ids), BATCH_EVENTS):
            part = range(start, min(start + BATCH_EVENTS, len(file.ids)))
            made = set(events.add_events(account_id, [_new_event(file, row, kind) for row in part]))
            new += len(made)
            known = [row for row in part if file.ids[row] not in made]
            descriptors = [StoredDescriptor(file.ids[row], file.version, file.vectors[row]) for row in known]
            if descriptors:
                events.put_descriptors(account_id, descriptors, kind=kind)
            progress.advance(len(part))
    return EventSummary(len(file.ids), new, len(file.ids) - new, time.monotonic() - started)


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


def _uuids(array: NDArray[Any], name: str) -> list[UUID]:
    if array.dtype == np.uint8 and array.ndim == 2 and array.shape[1] == 16:
        ids = [UUID(bytes=row.tobytes()) for row in array]
    elif array.ndim == 1 and array.dtype.kind in "US":
        ids = [_uuid(text, row, name) for row, text in enumerate(array.astype(str).tolist())]
    else:
        raise BadFile(f"array '{name}' must be n uuids as text, or of shape (n, 16) and type uint8")
    seen: dict[UUID, int] = {}
    for row, object_id in enumerate(ids):
        if seen.setdefault(object_id, row) != row:
            raise BadFile(f"{name} of row {row} stands in row {seen[object_id]} already")
    return ids


def _uuid(text: str, row: int, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadFile(f"{name} of row {row} is not a uuid") from None


def _version(array: NDArray[Any] | None, count: int, kind: DescriptorKind) -> int:
    default = BODY.number if kind == "body" else SFACE.number
    if array is None:
        return default
    if array.dtype.kind not in "iu" or array.shape not in ((), (count,)):
        raise BadFile("array 'version' must be one whole number, or one a row")
    found = sorted({int(value) for value in np.unique(array)})
    if len(found) > 1:
        raise BadFile(f"versions {', '.join(map(str, found))} in one file; one file holds one version")
    version = found[0] if found else default
    known = sorted(one.number for one in VERSIONS.values() if one.kind == kind)
    if version not in known:
        raise BadFile(f"descriptor version {version} is not known; known: {', '.join(map(str, known))}")
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


def _texts(arrays: dict[str, NDArray[Any]], name: str, count: int) -> list[str]:
    array = arrays.get(name)
    if array is None:
        return [""] * count
    if array.dtype.kind != "U" or array.shape != (count,):
        raise BadFile(f"array '{name}' must be {count} texts")
    texts: list[str] = array.tolist()
    for row, text in enumerate(texts):
        if len(text) > TEXT_LENGTH:
            raise BadFile(f"{name} of row {row} is longer than {TEXT_LENGTH} characters")
    return texts


def _refuse_foreign(ids: list[UUID], account_id: UUID, table: type[Face] | type[Event] = Face) -> None:
    name = "face_id" if table is Face else "event_id"
    for start in range(0, len(ids), _LOOK_UP):
        rows: Any = table.objects.filter(pk__in=ids[start : start + _LOOK_UP]).exclude(account_id=account_id)
        if taken := next(iter(rows.values_list("pk", flat=True)[:1]), None):
            raise BadFile(f"{name} of row {ids.index(taken)} cannot be used in this account")


def _new_event(file: VectorFile, row: int, kind: DescriptorKind) -> NewEvent:
    vectors = {file.version: file.vectors[row]}
    return NewEvent(
        event_id=file.ids[row],
        external_id=file.external_ids[row],
        track_id=file.tracks[row],
        source=file.sources[row],
        face_descriptors=vectors if kind == "face" else {},
        body_descriptors=vectors if kind == "body" else {},
    )


def _new_faces(file: VectorFile, start: int, stop: int) -> list[NewFace]:
    return [
        NewFace(file.ids[row], file.external_ids[row], descriptors={file.version: file.vectors[row]})
        for row in range(start, stop)
    ]
