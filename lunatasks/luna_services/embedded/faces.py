"""The Faces port over our own tables.

Locks are taken in one order everywhere: lists before faces, each by id.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from lunatasks.luna_services.embedded import lists, rows, samples
from lunatasks.luna_services.embedded.bulk import insert_rows, until_no_conflict
from lunatasks.luna_services.embedded.extracted import (
    NEVER_EXTRACTED,
    Descriptors,
    attributes_extractable,
    check_new_attributes,
    pages_of,
    put_attributes,
)
from lunatasks.luna_services.embedded.filters import matching_faces
from lunatasks.luna_services.embedded.models import Face, FaceDescriptor, FaceLink, FaceList, FaceSample, StoredFile
from lunatasks.luna_services.ports import (
    BadValue,
    Extractable,
    FaceCard,
    FaceFilters,
    FacesNotFound,
    Ids,
    ListCard,
    ListNotFound,
    NewAttributes,
    NewFace,
    StoredDescriptor,
    Vectors,
)

MOST_FACES = 1000
_DESCRIPTORS = Descriptors(FaceDescriptor, "face", "face")


class EmbeddedFaces:
    """Faces in this installation's database and storage."""

    def add_faces(self, account_id: UUID, faces: Sequence[NewFace], *, list_id: UUID | None = None) -> list[UUID]:
        """See the port. An id that belongs to another account raises FacesNotFound."""
        _refuse_many(faces)
        unique = {face.face_id: face for face in sorted(faces, key=lambda face: face.face_id.bytes)}
        rows.check_faces(faces)
        return until_no_conflict(lambda: _add_faces(account_id, unique, list_id))

    def existing_ids(self, account_id: UUID, face_ids: Sequence[UUID]) -> set[UUID]:
        """See the port."""
        found = matching_faces(FaceFilters(account_id, face_ids=list(face_ids)))
        return set(found.values_list("face_id", flat=True))

    def count_faces(self, filters: FaceFilters) -> int:
        """See the port."""
        return matching_faces(filters).count()

    def iterate_ids(self, filters: FaceFilters, *, chunk: int = 1000) -> Iterator[list[UUID]]:
        """See the port."""
        return pages_of(matching_faces(filters), "face_id", chunk)

    def iterate_descriptors(
        self, filters: FaceFilters, *, version: int, chunk: int = 2000
    ) -> Iterator[tuple[Ids, Vectors]]:
        """See the port."""
        # ids first: over the join, PostgreSQL sorted the whole account again for every page
        for ids in self.iterate_ids(filters, chunk=chunk):
            if page := _DESCRIPTORS.page(ids, version):
                yield page

    def get_faces(self, account_id: UUID, face_ids: Sequence[UUID]) -> list[FaceCard]:
        """See the port."""
        _refuse_many(face_ids)
        faces = list(matching_faces(FaceFilters(account_id, face_ids=list(face_ids))))
        # pairs of ids: with a prefetch, a manager is made for every face
        links = _ids_by_face(FaceLink.objects.values_list("face_id", "face_list_id"), face_ids)
        stored = _ids_by_face(FaceSample.objects.values_list("face_id", "sample_id"), face_ids)
        return [rows.face_card(face, links[face.face_id], stored[face.face_id]) for face in faces]

    @transaction.atomic
    def delete_faces(self, account_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """See the port. The files of samples go after the commit."""
        _refuse_many(face_ids)
        holding = FaceList.objects.filter(account_id=account_id, links__face__in=list(face_ids))
        locked = lists.lock_lists(holding.values_list("list_id", flat=True))
        ids = lists.lock_faces(account_id, face_ids, for_delete=True)
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
        lists.lock_list(account_id, list_id)
        ids = lists.lock_faces(account_id, face_ids)
        lists.link(list_id, ids)
        return ids

    @transaction.atomic
    def unlink_faces(self, account_id: UUID, list_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """See the port."""
        _refuse_many(face_ids)
        lists.lock_list(account_id, list_id)
        links = FaceLink.objects.filter(face_list=list_id, face__in=list(face_ids))
        ids = sorted(links.values_list("face_id", flat=True))
        if ids:
            links.delete()
            lists.touch(list_id)
        return ids

    def open_sample(self, account_id: UUID, sample_id: UUID) -> bytes | None:
        """See the port."""
        files = samples.stored_files(account_id, samples.bucket_name("face_samples"), [sample_id])
        name = files.values_list("name", flat=True).first()
        return samples.read(name) if name else None

    def get_lists(self, account_id: UUID, list_ids: Sequence[UUID]) -> list[ListCard]:
        """See the port."""
        _refuse_many(list_ids, "lists")
        return lists.cards(FaceList.objects.filter(account_id=account_id, list_id__in=list(list_ids)))

    def iterate_lists(self, account_id: UUID, *, chunk: int = 1000) -> Iterator[list[ListCard]]:
        """See the port."""
        for ids in pages_of(FaceList.objects.filter(account_id=account_id), "list_id", chunk):
            yield lists.cards(FaceList.objects.filter(list_id__in=ids))

    def update_list(self, account_id: UUID, list_id: UUID, *, user_data: str) -> None:
        """See the port."""
        rows.check_text("user_data", user_data)
        found = FaceList.objects.filter(account_id=account_id, list_id=list_id)
        if not found.update(user_data=user_data):
            raise ListNotFound(list_id)

    @transaction.atomic
    def delete_lists(self, account_id: UUID, list_ids: Sequence[UUID]) -> list[UUID]:
        """See the port."""
        _refuse_many(list_ids, "lists")
        found = FaceList.objects.filter(account_id=account_id, list_id__in=list(list_ids))
        ids = lists.lock_lists(found.values_list("list_id", flat=True))
        FaceLink.objects.filter(face_list__in=ids).delete()
        FaceList.objects.filter(list_id__in=ids).delete()
        return ids

    def get_descriptors(self, account_id: UUID, face_ids: Sequence[UUID], *, version: int) -> list[StoredDescriptor]:
        """See the port."""
        _refuse_many(face_ids)
        return _DESCRIPTORS.get(sorted(self.existing_ids(account_id, face_ids)), version)

    def put_descriptors(self, account_id: UUID, descriptors: Sequence[StoredDescriptor]) -> list[UUID]:
        """See the port."""
        _refuse_many(descriptors)
        new = _DESCRIPTORS.rows(descriptors)
        with lists.changing(account_id, [one.object_id for one in descriptors]) as change:
            change.faces = _DESCRIPTORS.put(new, change.locked)
        return change.locked

    def delete_descriptors(self, account_id: UUID, face_ids: Sequence[UUID], *, version: int) -> list[UUID]:
        """See the port."""
        _refuse_many(face_ids)
        with lists.changing(account_id, face_ids) as change:
            change.faces = _DESCRIPTORS.delete(change.locked, version)
        return change.faces

    def put_attributes(self, account_id: UUID, attributes: Sequence[NewAttributes]) -> list[UUID]:
        """See the port."""
        _refuse_many(attributes)
        check_new_attributes(attributes)
        with lists.changing(account_id, [one.object_id for one in attributes]) as change:
            owners = Face.objects.filter(face_id__in=change.locked)
            change.faces = put_attributes(owners, attributes, ethnicity="ethnicity")
        return change.locked

    def iterate_ids_with_descriptor(
        self, filters: FaceFilters, *, version: int, chunk: int = 1000
    ) -> Iterator[list[UUID]]:
        """See the port."""
        return pages_of(matching_faces(filters).filter(_DESCRIPTORS.exists(version)), "face_id", chunk)

    def iterate_for_descriptors(
        self, filters: FaceFilters, *, version: int, missing: bool = True, chunk: int = 1000
    ) -> Iterator[list[Extractable]]:
        """See the port."""
        faces = matching_faces(filters)
        wanted = faces.filter(~_DESCRIPTORS.exists(version)) if missing else faces
        return _DESCRIPTORS.extractable(pages_of(wanted, "face_id", chunk), _samples_of, version)

    def iterate_for_attributes(
        self, filters: FaceFilters, *, missing: bool = True, chunk: int = 1000
    ) -> Iterator[list[Extractable]]:
        """See the port."""
        faces = matching_faces(filters)
        wanted = faces.filter(NEVER_EXTRACTED) if missing else faces
        return attributes_extractable(pages_of(wanted, "face_id", chunk), _samples_of, Face)


def _ids_by_face(pairs: QuerySet[Any, tuple[UUID, UUID]], face_ids: Sequence[UUID]) -> Mapping[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for face_id, other_id in pairs.filter(face__in=list(face_ids)):
        found[face_id].append(other_id)
    return found


def _refuse_many(items: Sequence[object], what: str = "faces") -> None:
    if len(items) > MOST_FACES:
        raise BadValue(f"more than {MOST_FACES} {what} in one call")


def _add_faces(account_id: UUID, faces: dict[UUID, NewFace], list_id: UUID | None) -> list[UUID]:
    ids = list(faces)
    known = set(Face.objects.filter(face_id__in=ids).values_list("face_id", flat=True))
    descriptors = rows.descriptor_rows(face for face_id, face in faces.items() if face_id not in known)
    with samples.WrittenFiles() as files:
        new = [face for face_id, face in faces.items() if face_id not in known]
        images = {face.face_id: _write_sample(files, account_id, face) for face in new if face.sample is not None}
        with transaction.atomic():
            if list_id is not None:
                lists.lock_list(account_id, list_id)
            _require(known, set(lists.lock_faces(account_id, sorted(known))))
            insert_rows([rows.face_row(account_id, face) for face in new])
            insert_rows(descriptors)
            samples.save_rows(list(images.values()))
            FaceSample.objects.bulk_create([FaceSample(image.file_id, face_id) for face_id, image in images.items()])
            if list_id is not None:
                lists.link(list_id, ids)
    return [face.face_id for face in new]


def _write_sample(files: samples.WrittenFiles, account_id: UUID, face: NewFace) -> StoredFile:
    sample_id = face.sample_id or uuid5(face.face_id, "sample")
    return files.write_image(account_id, samples.bucket_name("face_samples"), sample_id, face.sample or b"")


def _require(known: set[UUID], own: set[UUID]) -> None:
    if missing := sorted(known - own):
        raise FacesNotFound(missing[0])


def _samples_of(face_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, ...]]:
    found: dict[UUID, list[UUID]] = defaultdict(list)
    stored = FaceSample.objects.filter(face__in=list(face_ids)).order_by("sample_id")
    for face_id, sample_id in stored.values_list("face_id", "sample_id"):
        found[face_id].append(sample_id)
    return {face_id: tuple(some) for face_id, some in found.items()}
