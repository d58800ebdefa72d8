"""The Faces port over our own tables.

Locks are taken in one order everywhere: lists before faces, each by id.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID, uuid5

import numpy as np
from django.db import IntegrityError, transaction
from django.utils import timezone

from lunatasks.luna_services.descriptors import VERSIONS, from_bytes
from lunatasks.luna_services.embedded import rows, samples
from lunatasks.luna_services.embedded.filters import matching_faces
from lunatasks.luna_services.embedded.models import Face, FaceDescriptor, FaceLink, FaceList, FaceSample, StoredFile
from lunatasks.luna_services.ports import (
    BadValue,
    FaceCard,
    FaceFilters,
    FacesNotFound,
    Ids,
    ListNotFound,
    NewFace,
    Vectors,
)

MOST_FACES = 1000
_ROUNDS = 5  # of a call that meets another one over the same new faces


class EmbeddedFaces:
    """Faces in this installation's database and storage."""

    def add_faces(self, account_id: UUID, faces: Sequence[NewFace], *, list_id: UUID | None = None) -> list[UUID]:
        """See the port. An id that belongs to another account raises FacesNotFound."""
        _refuse_many(faces)
        unique = {face.face_id: face for face in sorted(faces, key=lambda face: face.face_id.bytes)}
        rows.check_faces(faces)
        return _until_no_conflict(lambda: _add_faces(account_id, unique, list_id))

    def existing_ids(self, account_id: UUID, face_ids: Sequence[UUID]) -> set[UUID]:
        """See the port."""
        found = matching_faces(FaceFilters(account_id, face_ids=list(face_ids)))
        return set(found.values_list("face_id", flat=True))

    def count_faces(self, filters: FaceFilters) -> int:
        """See the port."""
        return matching_faces(filters).count()

    def iterate_ids(self, filters: FaceFilters, *, chunk: int = 1000) -> Iterator[list[UUID]]:
        """See the port."""
        pages = matching_faces(filters).order_by("face_id").values_list("face_id", flat=True)
        last: UUID | None = None
        while ids := list((pages.filter(face_id__gt=last) if last else pages)[:chunk]):
            yield ids
            last = ids[-1]

    def iterate_descriptors(
        self, filters: FaceFilters, *, version: int, chunk: int = 2000
    ) -> Iterator[tuple[Ids, Vectors]]:
        """See the port."""
        # ids first: over the join, PostgreSQL sorted the whole account again for every page
        for ids in self.iterate_ids(filters, chunk=chunk):
            stored = FaceDescriptor.objects.filter(face__in=ids, version=version).order_by("face_id")
            if page := list(stored.values_list("face_id", "vector")):
                yield _ids(face_id for face_id, _ in page), _vectors([bytes(blob) for _, blob in page], version)

    def get_faces(self, account_id: UUID, face_ids: Sequence[UUID]) -> list[FaceCard]:
        """See the port."""
        _refuse_many(face_ids)
        faces = matching_faces(FaceFilters(account_id, face_ids=list(face_ids)))
        return [rows.face_card(face) for face in faces.prefetch_related("links", "samples")]

    @transaction.atomic
    def delete_faces(self, account_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """See the port. The files of samples go after the commit."""
        _refuse_many(face_ids)
        lists = FaceList.objects.filter(account_id=account_id, links__face__in=list(face_ids))
        locked = _lock_lists(lists.values_list("list_id", flat=True))
        ids = _lock_faces(account_id, face_ids, for_delete=True)
        if not ids:
            return []
        FaceList.objects.filter(list_id__in=locked).update(last_update_time=timezone.now())
        images = list(FaceSample.objects.filter(face__in=ids).values_list("sample_id", flat=True))
        samples.delete_rows(samples.stored_files(account_id, samples.bucket_name("face_samples"), images))
        for children in (FaceLink, FaceDescriptor, FaceSample):
            children.objects.filter(face__in=ids).delete()
        Face.objects.filter(face_id__in=ids).delete()
        return ids

    def ensure_list(self, account_id: UUID, list_id: UUID, *, user_data: str = "") -> bool:
        """See the port."""
        rows.check_text("user_data", user_data)
        defaults = {"account_id": account_id, "user_data": user_data}
        face_list, made = FaceList.objects.get_or_create(list_id=list_id, defaults=defaults)
        if face_list.account_id != account_id:
            raise ListNotFound(list_id)
        return made

    @transaction.atomic
    def link_faces(self, account_id: UUID, list_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """See the port."""
        _refuse_many(face_ids)
        _lock_list(account_id, list_id)
        ids = _lock_faces(account_id, face_ids)
        _link(list_id, ids)
        return ids

    @transaction.atomic
    def unlink_faces(self, account_id: UUID, list_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """See the port."""
        _refuse_many(face_ids)
        _lock_list(account_id, list_id)
        links = FaceLink.objects.filter(face_list=list_id, face__in=list(face_ids))
        ids = sorted(links.values_list("face_id", flat=True))
        if ids:
            links.delete()
            _touch(list_id)
        return ids

    def open_sample(self, account_id: UUID, sample_id: UUID) -> bytes | None:
        """See the port."""
        files = samples.stored_files(account_id, samples.bucket_name("face_samples"), [sample_id])
        name = files.values_list("name", flat=True).first()
        return samples.read(name) if name else None


def _refuse_many(items: Sequence[object]) -> None:
    if len(items) > MOST_FACES:
        raise BadValue(f"more than {MOST_FACES} faces in one call")


def _until_no_conflict(add: Callable[[], list[UUID]]) -> list[UUID]:
    # another call may insert the same faces after ours has looked: look again, they exist now
    for _ in range(_ROUNDS - 1):
        try:
            return add()
        except IntegrityError:
            continue
    return add()


def _add_faces(account_id: UUID, faces: dict[UUID, NewFace], list_id: UUID | None) -> list[UUID]:
    ids = list(faces)
    known = set(Face.objects.filter(face_id__in=ids).values_list("face_id", flat=True))
    descriptors = rows.descriptor_rows(face for face_id, face in faces.items() if face_id not in known)
    with samples.WrittenFiles() as files:
        new = [face for face_id, face in faces.items() if face_id not in known]
        images = {face.face_id: _write_sample(files, account_id, face) for face in new if face.sample is not None}
        with transaction.atomic():
            if list_id is not None:
                _lock_list(account_id, list_id)
            _require(known, set(_lock_faces(account_id, sorted(known))))
            Face.objects.bulk_create([rows.face_row(account_id, face) for face in new])
            FaceDescriptor.objects.bulk_create(descriptors)
            samples.save_rows(list(images.values()))
            FaceSample.objects.bulk_create([FaceSample(image.file_id, face_id) for face_id, image in images.items()])
            if list_id is not None:
                _link(list_id, ids)
    return [face.face_id for face in new]


def _write_sample(files: samples.WrittenFiles, account_id: UUID, face: NewFace) -> StoredFile:
    sample_id = face.sample_id or uuid5(face.face_id, "sample")
    return files.write_image(account_id, samples.bucket_name("face_samples"), sample_id, face.sample or b"")


def _require(known: set[UUID], own: set[UUID]) -> None:
    if missing := sorted(known - own):
        raise FacesNotFound(missing[0])


def _lock_list(account_id: UUID, list_id: UUID) -> None:
    if FaceList.objects.select_for_update().filter(account_id=account_id, list_id=list_id).first() is None:
        raise ListNotFound(list_id)


def _lock_lists(list_ids: Iterable[UUID]) -> list[UUID]:
    lists = FaceList.objects.select_for_update().filter(list_id__in=set(list_ids)).order_by("list_id")
    return list(lists.values_list("list_id", flat=True))


def _lock_faces(account_id: UUID, face_ids: Sequence[UUID], *, for_delete: bool = False) -> list[UUID]:
    """Ids of those that exist, ascending. The rows are held against deletion, or for it, until the commit."""
    if not face_ids:
        return []
    faces = matching_faces(FaceFilters(account_id, face_ids=list(face_ids)))
    locked = faces.select_for_update(no_key=not for_delete).order_by("face_id")
    return list(locked.values_list("face_id", flat=True))


def _link(list_id: UUID, face_ids: Sequence[UUID]) -> None:
    linked = set(FaceLink.objects.filter(face_list=list_id, face__in=face_ids).values_list("face_id", flat=True))
    new = [FaceLink(face_list_id=list_id, face_id=face_id) for face_id in face_ids if face_id not in linked]
    if new:
        FaceLink.objects.bulk_create(new)
        _touch(list_id)


def _touch(list_id: UUID) -> None:
    FaceList.objects.filter(list_id=list_id).update(last_update_time=timezone.now())


def _ids(face_ids: Iterable[UUID]) -> Ids:
    return np.frombuffer(b"".join(face_id.bytes for face_id in face_ids), dtype=np.uint8).reshape(-1, 16)


def _vectors(blobs: list[bytes], version: int) -> Vectors:
    return from_bytes(blobs, VERSIONS[version].dimension)
