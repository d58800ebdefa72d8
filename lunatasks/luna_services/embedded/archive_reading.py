"""What an archive of `archive` holds. It may come from anywhere: an entry has a name and a size that it may have,
or the archive is refused, and nothing is unpacked under a name of the archive's.
"""

import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Generic, TypeVar
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import NDArray

from lunatasks.luna_services.descriptors import VERSIONS
from lunatasks.luna_services.embedded.archive import CHUNK, FORMAT, FORMAT_VERSION
from lunatasks.luna_services.embedded.images import MAX_BYTES
from lunatasks.luna_services.flat import read_event, read_uuid
from lunatasks.luna_services.ports import (
    BasicAttributes,
    NewAttributes,
    NewEvent,
    NewFace,
    NewHandler,
    StoredDescriptor,
)

MAX_TOTAL = 256 * 2**30
MAX_ENTRIES = 20_000_000
MAX_CHUNK = 2**30
MAX_OBJECT = 16 * 2**30

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ROLE = "(?:face_samples|body_samples|image_origins|objects|task_results)"
_SIZES = {
    re.compile(r"manifest\.json"): 2**20,
    re.compile(r"(?:lists|handlers)\.ndjson"): MAX_CHUNK,
    re.compile(r"(?:faces|events)/[0-9]{8}\.ndjson"): MAX_CHUNK,
    re.compile(r"(?:faces|events)/[0-9]{8}\.(?:face|body)-[0-9]{1,5}\.npy"): CHUNK * 4096 * 4 + 1024,
    re.compile(rf"images/{_ROLE}/{_UUID}\.jpg"): MAX_BYTES,
    re.compile(rf"objects/{_ROLE}/{_UUID}"): MAX_OBJECT,
    re.compile(rf"objects/{_ROLE}/objects\.ndjson"): MAX_CHUNK,
}
"""Every name an entry may have, and its largest size."""
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError)
_FORM_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError)

Read = TypeVar("Read")
Given = TypeVar("Given")
Line = Mapping[str, Any]
Stored = list[tuple[str, StoredDescriptor]]
"""(kind, descriptor) of one object."""
Object = TypeVar("Object", NewFace, NewEvent)


@dataclass(frozen=True, slots=True)
class Item(Generic[Object]):
    """A face or event without sample and descriptors, and what goes with it."""

    new: Object
    attributes: NewAttributes
    descriptors: Stored
    lists: tuple[UUID, ...] = ()
    sample_ids: tuple[UUID, ...] = ()


class BadArchive(ValueError):
    """The file is no archive of ours; the text names the entry."""


def open_archive(path: Path) -> zipfile.ZipFile:
    """The file as a zip. Raises BadArchive."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise BadArchive("there is no such file") from None
    except _READ_ERRORS as error:
        raise BadArchive(f"cannot be read as a zip ({type(error).__name__})") from None


def check_directory(archive: zipfile.ZipFile, max_total: int) -> None:
    """Refuse names, sizes and entries that no archive of ours has. Raises BadArchive."""
    entries, seen, total = archive.infolist(), set(), 0
    if len(entries) > MAX_ENTRIES:
        raise BadArchive(f"more than {MAX_ENTRIES} entries")
    for number, entry in enumerate(entries):
        most = next((size for name, size in _SIZES.items() if name.fullmatch(entry.filename)), None)
        if most is None:
            raise BadArchive(f"entry {number} has a name that no archive of ours has")
        if entry.file_size > most:
            raise BadArchive(f"entry {entry.filename} is larger than {most} bytes")
        if entry.flag_bits & 1:
            raise BadArchive(f"entry {entry.filename} is encrypted")
        if entry.filename in seen:
            raise BadArchive(f"entry {entry.filename} is there twice")
        seen.add(entry.filename)
        total += entry.file_size
    if total > max_total:
        raise BadArchive(f"more than {max_total} bytes in all")
    if "manifest.json" not in seen:
        raise BadArchive("there is no manifest.json")


class Reader:
    """The archive's objects; every method raises BadArchive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = sorted(archive.namelist())
        self.names_set = set(self.names)
        self.manifest: Line = self._object("manifest.json", self._json("manifest.json", self.bytes_of("manifest.json")))

    def check(self) -> None:
        """Read all that will be written but for images and objects."""
        if (self.manifest.get("format"), self.manifest.get("version")) != (FORMAT, FORMAT_VERSION):
            raise BadArchive("manifest.json is not of this format and version")
        found = Counter(
            lists=len(self.lists()),
            handlers=len(self.handlers()),
            faces=sum(len(batch) for batch in self.faces()),
            events=sum(len(batch) for batch in self.events()),
        )
        counts = self._object("manifest.json", self.manifest.get("counts"))
        for kind, count in found.items():
            if counts.get(kind, 0) != count:
                raise BadArchive(f"{count} {kind}, where manifest.json says another number")

    def lists(self) -> list[tuple[UUID, str]]:
        """(id, user data) of all lists."""
        if "lists.ndjson" not in self.names_set:
            return []
        return self._formed("lists.ndjson", self._lines("lists.ndjson"), _list)

    def handlers(self) -> list[NewHandler]:
        """All handlers."""
        if "handlers.ndjson" not in self.names_set:
            return []
        return self._formed("handlers.ndjson", self._lines("handlers.ndjson"), _handler)

    def faces(self) -> Iterator[list[Item[NewFace]]]:
        """Chunks of faces."""
        for name in self._chunks("faces"):
            yield self._formed(name, self._with_descriptors(name, "face_id"), _face)

    def events(self) -> Iterator[list[Item[NewEvent]]]:
        """Chunks of events."""
        for name in self._chunks("events"):
            yield self._formed(name, self._with_descriptors(name, "event_id"), _event)

    def below(self, folder: str) -> list[str]:
        """Names of entries in a folder."""
        return [name for name in self.names if name.startswith(f"{folder}/")]

    def content_types(self, role: str) -> dict[UUID, str]:
        """Content type of each object."""
        name = f"objects/{role}/objects.ndjson"
        if name not in self.names_set:
            return {}
        return dict(self._formed(name, self._lines(name), _content_type))

    def bytes_of(self, name: str) -> bytes:
        """An entry; its size was checked."""
        try:
            return self._archive.read(name)
        except _READ_ERRORS as error:
            raise BadArchive(f"entry {name} is damaged ({type(error).__name__})") from None

    def copy_to(self, name: str, target: IO[bytes]) -> None:
        """An entry into a file."""
        try:
            with self._archive.open(name) as source:
                for block in iter(lambda: source.read(2**20), b""):
                    target.write(block)
        except _READ_ERRORS as error:
            raise BadArchive(f"entry {name} is damaged ({type(error).__name__})") from None

    def _chunks(self, folder: str) -> list[str]:
        return [name for name in self.below(folder) if name.endswith(".ndjson")]

    def _lines(self, name: str) -> list[Line]:
        return [self._object(name, self._json(name, line)) for line in self.bytes_of(name).splitlines() if line]

    def _json(self, name: str, data: bytes) -> Any:
        try:
            return orjson.loads(data)
        except ValueError:
            raise BadArchive(f"entry {name} holds what is no JSON") from None

    def _object(self, name: str, value: Any) -> Line:
        if not isinstance(value, dict):
            raise BadArchive(f"entry {name} holds what is no JSON object")
        return value

    def _formed(self, name: str, lines: Sequence[Given], read: Callable[[Given], Read]) -> list[Read]:
        found = []
        for number, line in enumerate(lines):
            try:
                found.append(read(line))
            except _FORM_ERRORS:
                raise BadArchive(f"line {number} of {name} has not the form of its kind") from None
        return found

    def _with_descriptors(self, name: str, key: str) -> list[tuple[Line, Stored]]:
        lines = self._lines(name)
        arrays: dict[tuple[str, int], Iterator[NDArray[np.float32]]] = {}
        found: list[tuple[Line, Stored]] = []
        for line, members in zip(lines, self._formed(name, lines, partial(_described, key)), strict=True):
            stored: Stored = []
            for kind, one in members:
                if (kind, one.version) not in arrays:
                    arrays[kind, one.version] = iter(self._array(name, kind, one.version))
                vector = next(arrays[kind, one.version], None)
                if vector is None:
                    raise BadArchive(f"{name} names more descriptors than are there")
                stored.append((kind, replace(one, vector=vector)))
            found.append((line, stored))
        if any(next(array, None) is not None for array in arrays.values()):
            raise BadArchive(f"{name} names fewer descriptors than are there")
        return found

    def _array(self, name: str, kind: str, version: int) -> NDArray[np.float32]:
        entry = f"{name.removesuffix('.ndjson')}.{kind}-{version}.npy"
        if version not in VERSIONS or VERSIONS[version].kind != kind:
            raise BadArchive(f"{name}: descriptor version {version} of a {kind} is not known")
        if entry not in self.names_set:
            raise BadArchive(f"there is no {entry}")
        try:
            array = np.lib.format.read_array(io.BytesIO(self.bytes_of(entry)), allow_pickle=False)
        except (ValueError, EOFError, MemoryError, TypeError):
            raise BadArchive(f"entry {entry} is no array") from None
        if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] != VERSIONS[version].dimension:
            raise BadArchive(f"entry {entry} is not of float32 rows of {VERSIONS[version].dimension}")
        if not np.isfinite(array).all() or not array.any(axis=1).all():
            raise BadArchive(f"entry {entry} holds a row that is not finite or of length zero")
        return array


def _list(line: Line) -> tuple[UUID, str]:
    return UUID(line["list_id"]), _text(line["user_data"])


def _handler(line: Line) -> NewHandler:
    handler_id, policies = UUID(line["handler_id"]), line["policies"]
    if not isinstance(policies, dict):
        raise TypeError("not an object")
    return NewHandler(handler_id=handler_id, description=_text(line["description"]), policies=policies)


def _content_type(line: Line) -> tuple[UUID, str]:
    return UUID(line["object_id"]), _text(line["content_type"])


def _face(given: tuple[Line, Stored]) -> Item[NewFace]:
    line, stored = given
    face = NewFace(
        face_id=UUID(line["face_id"]),
        external_id=_text(line["external_id"]),
        user_data=_text(line["user_data"]),
        event_id=read_uuid(line["event_id"]),
        avatar=_text(line["avatar"]),
        create_time=datetime.fromisoformat(line["create_time"]),
        attributes=BasicAttributes(line["age"], line["gender"], line["ethnicity"]),
    )
    attributes = _attributes(face.face_id, line, face.attributes or BasicAttributes())
    return Item(face, attributes, stored, _uuids(line["lists"]), _uuids(line["sample_ids"]))


def _event(given: tuple[Line, Stored]) -> Item[NewEvent]:
    line, stored = given
    event = read_event(line)
    estimates = BasicAttributes(event.age, event.gender, event.ethnic_group)
    return Item(event, _attributes(event.event_id, line, estimates), stored)


def _described(key: str, line: Line) -> Stored:
    return [
        (
            _text(one["kind"]),
            StoredDescriptor(
                object_id=UUID(line[key]),
                version=int(one["version"]),
                vector=np.empty(0, np.float32),
                sample_ids=_uuids(one["sample_ids"]),
                generation=int(one["generation"]),
            ),
        )
        for one in line["descriptors"]
    ]


def _attributes(object_id: UUID, line: Line, attributes: BasicAttributes) -> NewAttributes:
    return NewAttributes(
        object_id, attributes, _uuids(line["attributes_sample_ids"]), int(line["attributes_generation"])
    )


def _uuids(texts: Sequence[str]) -> tuple[UUID, ...]:
    return tuple(UUID(text) for text in texts)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
