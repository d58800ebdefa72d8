"""Everything of an account in one file: a zip of JSON lines, arrays and images, the same bytes for the same objects.

manifest.json                       format, account, counts
lists.ndjson, handlers.ndjson       a list, a handler a line
faces/00000000.ndjson               a thousand faces, by id; events/ likewise, in the platform's flat form
faces/00000000.face-1001.npy        (k, d) float32: descriptors of those of them whose line names that version
images/face_samples/<id>.jpg        by role of the bucket
objects/objects/<id>, objects.ndjson  bytes of an object; its content type is in the lines
"""

import io
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from lunatasks.luna_services.descriptors import VERSIONS, DescriptorVersion
from lunatasks.luna_services.embedded.progress import Progress
from lunatasks.luna_services.flat import event_json, time_text
from lunatasks.luna_services.ports import (
    Buckets,
    EventCard,
    EventFilters,
    Events,
    FaceCard,
    FaceFilters,
    Faces,
    Handlers,
    ImageNotFound,
    ImageStore,
    ObjectNotFound,
    StoredDescriptor,
)

FORMAT, FORMAT_VERSION = "lunatasks objects", 1
CHUNK = 1000
KINDS = ("lists", "handlers", "faces", "events", "descriptors", "images", "objects")
_DATE = (1980, 1, 1, 0, 0, 0)
Found = dict[DescriptorVersion, dict[UUID, StoredDescriptor]]


@dataclass(frozen=True, slots=True)
class Services:
    """The ports that an archive is made from or loaded into."""

    faces: Faces
    events: Events
    images: ImageStore
    buckets: Buckets
    handlers: Handlers


def export_objects(path: Path, account_id: UUID, services: Services) -> dict[str, int]:
    """Write the archive, whole or not at all; returns counts by kind. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            counts = _Export(archive, account_id, services).write()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return counts


class _Export:
    def __init__(self, archive: zipfile.ZipFile, account_id: UUID, services: Services) -> None:
        self._archive, self._account_id, self._services = archive, account_id, services
        self._counts: Counter[str] = Counter()

    def write(self) -> dict[str, int]:
        """All entries, the manifest last."""
        self._write_lists()
        self._write_handlers()
        self._write_faces()
        self._write_events()
        for role, bucket in asdict(self._services.buckets).items():
            self._write_images(role, bucket)
            self._write_objects(role, bucket)
        counts = {name: self._counts[name] for name in KINDS}
        manifest = {"format": FORMAT, "version": FORMAT_VERSION, "account_id": str(self._account_id), "counts": counts}
        self._add("manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        return counts

    def _write_lists(self) -> None:
        pages = self._services.faces.iterate_lists(self._account_id, chunk=CHUNK)
        lines = [
            {
                "list_id": str(one.list_id),
                "user_data": one.user_data,
                "create_time": time_text(one.create_time),
                "last_update_time": time_text(one.last_update_time),
            }
            for page in pages
            for one in page
        ]
        self._counts["lists"] = len(lines)
        self._add("lists.ndjson", _lines(lines))

    def _write_handlers(self) -> None:
        cards = [card for page in self._services.handlers.iterate_handlers(self._account_id) for card in page]
        self._counts["handlers"] = len(cards)
        lines = [
            {"handler_id": str(card.handler_id), "description": card.description, "policies": card.policies}
            for card in cards
        ]
        self._add("handlers.ndjson", _lines(lines, orjson.OPT_SORT_KEYS))  # each database has its own order of members

    def _write_faces(self) -> None:
        faces, filters = self._services.faces, FaceFilters(self._account_id)
        with Progress(faces.count_faces(filters), "face") as progress:
            for number, ids in enumerate(faces.iterate_ids(filters, chunk=CHUNK)):
                cards = sorted(faces.get_faces(self._account_id, ids), key=lambda card: card.face_id.bytes)
                found = {
                    version: _by_id(faces.get_descriptors(self._account_id, ids, version=version.number))
                    for version in _versions("face")
                }
                lines = [face_json(card) | _described(card.face_id, found) for card in cards]
                self._write_chunk("faces", number, lines, [card.face_id for card in cards], found)
                progress.advance(len(ids))

    def _write_events(self) -> None:
        events, filters = self._services.events, EventFilters(account_id=self._account_id)
        with Progress(events.count_events(filters), "event") as progress:
            for number, ids in enumerate(events.iterate_ids(filters, chunk=CHUNK)):
                cards = events.get_events(self._account_id, ids)
                found = {
                    version: _by_id(
                        events.get_descriptors(self._account_id, ids, kind=version.kind, version=version.number)
                    )
                    for version in _versions("face", "body")
                }
                lines = [event_json(card) | _extracted(card) | _described(card.event_id, found) for card in cards]
                self._write_chunk("events", number, lines, [card.event_id for card in cards], found)
                progress.advance(len(ids))

    def _write_chunk(
        self, folder: str, number: int, lines: Sequence[dict[str, Any]], ids: Sequence[UUID], found: Found
    ) -> None:
        self._counts[folder] += len(lines)
        self._add(f"{folder}/{number:08d}.ndjson", _lines(lines))
        for version, descriptors in found.items():
            rows = [descriptors[one].vector for one in ids if one in descriptors]
            if rows:
                self._counts["descriptors"] += len(rows)
                self._add(f"{folder}/{number:08d}.{version.kind}-{version.number}.npy", _npy(np.stack(rows)))

    def _write_images(self, role: str, bucket: str) -> None:
        images = self._services.images
        total = sum(map(len, images.iterate_images(self._account_id, bucket)))
        with Progress(total, "image") as progress:
            for page in images.iterate_images(self._account_id, bucket):
                for image_id in page:
                    self._write_image(f"images/{role}/{image_id}.jpg", bucket, image_id)
                progress.advance(len(page))

    def _write_image(self, name: str, bucket: str, image_id: UUID) -> None:
        try:
            data = self._services.images.get_image(self._account_id, bucket, image_id)
        except ImageNotFound:  # gone since its id was listed, or its file is
            return
        self._counts["images"] += 1
        self._add(name, data, packed=False)

    def _write_objects(self, role: str, bucket: str) -> None:
        lines = []
        for page in self._services.images.iterate_objects(self._account_id, bucket):
            for info in page:
                try:
                    stream = self._services.images.open_object(self._account_id, bucket, info.object_id)
                except ObjectNotFound:
                    continue
                with (
                    stream,
                    self._archive.open(_info(f"objects/{role}/{info.object_id}"), "w", force_zip64=True) as out,
                ):
                    shutil.copyfileobj(stream, out, 2**20)
                lines.append({"object_id": str(info.object_id), "content_type": info.content_type})
        if lines:
            self._counts["objects"] += len(lines)
            self._add(f"objects/{role}/objects.ndjson", _lines(lines))

    def _add(self, name: str, data: bytes, *, packed: bool = True) -> None:
        self._archive.writestr(_info(name, packed=packed), data)


def face_json(card: FaceCard) -> dict[str, Any]:
    """The line of a face, but for its descriptors."""
    return {
        "face_id": str(card.face_id),
        "external_id": card.external_id,
        "user_data": card.user_data,
        "create_time": time_text(card.create_time),
        "event_id": card.event_id and str(card.event_id),
        "avatar": card.avatar,
        "lists": [str(list_id) for list_id in card.lists],
        "sample_ids": [str(sample_id) for sample_id in card.sample_ids],
        **asdict(card.attributes),
        **_extracted(card),
    }


def _extracted(card: FaceCard | EventCard) -> dict[str, Any]:
    return {
        "attributes_generation": card.attributes_generation,
        "attributes_sample_ids": [str(sample_id) for sample_id in card.attributes_sample_ids],
    }


def _described(object_id: UUID, found: Found) -> dict[str, Any]:
    members = [
        {
            "kind": version.kind,
            "version": version.number,
            "generation": descriptors[object_id].generation,
            "sample_ids": [str(sample_id) for sample_id in descriptors[object_id].sample_ids],
        }
        for version, descriptors in found.items()
        if object_id in descriptors
    ]
    return {"descriptors": members}


def _versions(*kinds: str) -> Iterator[DescriptorVersion]:
    return (VERSIONS[number] for number in sorted(VERSIONS) if VERSIONS[number].kind in kinds)


def _by_id(descriptors: Sequence[StoredDescriptor]) -> dict[UUID, StoredDescriptor]:
    return {one.object_id: one for one in descriptors}


def _lines(members: Sequence[dict[str, Any]], option: int = 0) -> bytes:
    return b"".join(orjson.dumps(one, option=option | orjson.OPT_APPEND_NEWLINE) for one in members)


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array.astype("<f4"), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _info(name: str, *, packed: bool = True) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    info.external_attr = 0o600 << 16
    return info
