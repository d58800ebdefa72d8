"""An archive into the services: all of it is checked before the first object is written.

What exists stays: a second run changes nothing, and one that was stopped is finished by the next.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from lunatasks.luna_services.descriptors import VERSIONS, DescriptorVersion
from lunatasks.luna_services.embedded.archive import Services
from lunatasks.luna_services.embedded.archive_reading import (
    MAX_TOTAL,
    BadArchive,
    Item,
    Reader,
    check_directory,
    open_archive,
)
from lunatasks.luna_services.embedded.progress import Progress
from lunatasks.luna_services.ports import (
    BadImage,
    ListNotFound,
    NewAttributes,
    NewEvent,
    NewFace,
    NotOffered,
    StoredDescriptor,
)

BATCH = 500
KINDS = ("lists", "faces", "events", "images", "objects", "handlers", "skipped_handlers")


def import_objects(path: Path, account_id: UUID, services: Services, *, max_total: int = MAX_TOTAL) -> dict[str, int]:
    """Check the archive, then write what does not exist yet; returns counts of what is new.

    Raises BadArchive, PortError (ids that belong to another account), OSError of the storage.
    """
    with open_archive(path) as archive:
        check_directory(archive, max_total)
        reader = Reader(archive)
        reader.check()
        return _Loading(reader, account_id, services).write()


class _Loading:
    def __init__(self, reader: Reader, account_id: UUID, services: Services) -> None:
        self._reader, self._account_id, self._services = reader, account_id, services
        self._new: Counter[str] = Counter()

    def write(self) -> dict[str, int]:
        """Lists, faces, events, then images and objects that are not there."""
        for list_id, user_data in self._reader.lists():
            self._new["lists"] += self._services.faces.ensure_list(self._account_id, list_id, user_data=user_data)
        counts = self._reader.manifest["counts"]
        with Progress(counts["faces"], "face") as progress:
            for faces in self._reader.faces():
                for start in range(0, len(faces), BATCH):
                    self._write_faces(faces[start : start + BATCH])
                    progress.advance(len(faces[start : start + BATCH]))
        with Progress(counts["events"], "event") as progress:
            for events in self._reader.events():
                for start in range(0, len(events), BATCH):
                    self._write_events(events[start : start + BATCH])
                    progress.advance(len(events[start : start + BATCH]))
        self._write_images()
        for role, bucket in asdict(self._services.buckets).items():
            self._write_objects(role, bucket)
        self._write_handlers()
        return {name: self._new[name] for name in KINDS}

    def _write_handlers(self) -> None:
        for handler in self._reader.handlers():
            try:
                self._new["handlers"] += self._services.handlers.add_handler(self._account_id, handler)[1]
            except (ListNotFound, NotOffered):  # it names a list that was gone already, or what is not offered here
                self._new["skipped_handlers"] += 1

    def _write_faces(self, batch: Sequence[Item[NewFace]]) -> None:
        faces = self._services.faces
        known = faces.existing_ids(self._account_id, [item.new.face_id for item in batch])
        items = {item.new.face_id: item for item in batch if item.new.face_id not in known}
        added = faces.add_faces(self._account_id, [self._whole_face(item) for item in items.values()])
        self._new["faces"] += len(added)
        members: dict[UUID, list[UUID]] = defaultdict(list)
        for face_id in added:
            for list_id in items[face_id].lists:
                members[list_id].append(face_id)
        for list_id in sorted(members):
            faces.link_faces(self._account_id, list_id, members[list_id])
        faces.put_attributes(self._account_id, _newer_attributes(batch))
        for version in VERSIONS.values():
            if newer := _newer_descriptors(batch, version):
                faces.put_descriptors(self._account_id, newer)

    def _whole_face(self, item: Item[NewFace]) -> NewFace:
        face = replace(item.new, descriptors={one.version: one.vector for _, one in item.descriptors})
        for sample_id in item.sample_ids:
            name = f"images/face_samples/{sample_id}.jpg"
            if name in self._reader.names_set:
                return replace(face, sample=self._reader.bytes_of(name), sample_id=sample_id)
        return face

    def _write_events(self, batch: Sequence[Item[NewEvent]]) -> None:
        events = self._services.events
        new = [
            replace(
                item.new,
                face_descriptors={one.version: one.vector for kind, one in item.descriptors if kind == "face"},
                body_descriptors={one.version: one.vector for kind, one in item.descriptors if kind == "body"},
            )
            for item in batch
        ]
        self._new["events"] += len(events.add_events(self._account_id, new))
        events.put_attributes(self._account_id, _newer_attributes(batch))
        for version in VERSIONS.values():
            if newer := _newer_descriptors(batch, version):
                events.put_descriptors(self._account_id, newer, kind=version.kind)

    def _write_images(self) -> None:
        names = self._reader.below("images")
        buckets = asdict(self._services.buckets)
        with Progress(len(names), "image") as progress:
            for name in names:
                _, role, file = name.split("/")
                image_id, bucket = UUID(file.removesuffix(".jpg")), buckets[role]
                if not self._services.images.has_image(self._account_id, bucket, image_id):
                    self._put_image(name, bucket, image_id)
                progress.advance()

    def _put_image(self, name: str, bucket: str, image_id: UUID) -> None:
        try:
            self._services.images.put_image(self._account_id, bucket, image_id, self._reader.bytes_of(name))
        except BadImage:
            raise BadArchive(f"entry {name} is no JPEG within the limits") from None
        self._new["images"] += 1

    def _write_objects(self, role: str, bucket: str) -> None:
        types = self._reader.content_types(role)
        for object_id, content_type in sorted(types.items()):
            name = f"objects/{role}/{object_id}"
            if name not in self._reader.names_set:
                raise BadArchive(f"there is no {name}")
            if self._services.images.find_object(self._account_id, bucket, object_id) is None:
                with tempfile.TemporaryFile() as copy:
                    self._reader.copy_to(name, copy)
                    copy.seek(0)
                    self._services.images.put_object(
                        self._account_id, bucket, object_id, copy, content_type=content_type
                    )
                self._new["objects"] += 1


def _newer_attributes(batch: Sequence[Item[Any]]) -> list[NewAttributes]:
    return [item.attributes for item in batch if item.attributes.generation]


def _newer_descriptors(batch: Sequence[Item[Any]], version: DescriptorVersion) -> list[StoredDescriptor]:
    """Those that adding an object does not write: it makes descriptors of generation 0."""
    return [
        one for item in batch for _, one in item.descriptors if one.version == version.number and one.generation > 0
    ]
