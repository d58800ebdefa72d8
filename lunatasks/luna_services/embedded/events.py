"""The Events port over our own tables.

Locks are taken in one order everywhere: events by id, then source images by id.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from lunatasks.luna_services.embedded import event_rows, samples
from lunatasks.luna_services.embedded.bulk import insert_rows, until_no_conflict
from lunatasks.luna_services.embedded.extracted import (
    NEVER_EXTRACTED,
    Descriptors,
    attributes_extractable,
    check_new_attributes,
    pages_of,
    put_attributes,
)
from lunatasks.luna_services.embedded.filters import matching_events
from lunatasks.luna_services.embedded.models import (
    Event,
    EventColor,
    EventDescriptor,
    EventOrigin,
    EventTag,
    Face,
    FaceList,
)
from lunatasks.luna_services.ports import (
    BadValue,
    DescriptorKind,
    EventCard,
    EventFilters,
    EventsNotFound,
    Extractable,
    FacesNotFound,
    Ids,
    ListNotFound,
    NewAttributes,
    NewEvent,
    StoredDescriptor,
    Vectors,
)

MOST_EVENTS = 1000
_DESCRIPTORS: dict[DescriptorKind, Descriptors] = {
    "face": Descriptors(EventDescriptor, "event", "face", {"kind": "face"}),
    "body": Descriptors(EventDescriptor, "event", "body", {"kind": "body"}),
}


class EmbeddedEvents:
    """Events in this installation's database."""

    def add_events(self, account_id: UUID, events: Sequence[NewEvent]) -> list[UUID]:
        """See the port."""
        _refuse_many(events)
        unique = {event.event_id: event for event in sorted(events, key=lambda event: event.event_id.bytes)}
        event_rows.check_events(events)
        return until_no_conflict(lambda: _add_events(account_id, unique))

    def existing_ids(self, account_id: UUID, event_ids: Sequence[UUID]) -> set[UUID]:
        """See the port."""
        return set(_own(account_id, event_ids).values_list("event_id", flat=True))

    def count_events(self, filters: EventFilters) -> int:
        """See the port."""
        return matching_events(filters).count()

    def iterate_ids(self, filters: EventFilters, *, chunk: int = 1000) -> Iterator[list[UUID]]:
        """See the port."""
        return pages_of(matching_events(filters), "event_id", chunk)

    def get_events(self, account_id: UUID, event_ids: Sequence[UUID]) -> list[EventCard]:
        """See the port."""
        _refuse_many(event_ids)
        found = _own(account_id, event_ids).order_by("event_id").prefetch_related("tag_rows", "color_rows")
        return [event_rows.event_card(event) for event in found]

    def track_ids(self, account_id: UUID, event_ids: Sequence[UUID]) -> dict[UUID, str]:
        """See the port."""
        found = _own(account_id, event_ids).values_list("event_id", "track_id")
        return {event_id: track_id for event_id, track_id in found if track_id}

    @transaction.atomic
    def delete_events(
        self,
        account_id: UUID,
        event_ids: Sequence[UUID],
        *,
        remove_samples: bool = False,
        remove_image_origins: bool = False,
    ) -> list[UUID]:
        """See the port. The files of images go after the commit."""
        _refuse_many(event_ids)
        found = _own(account_id, event_ids).select_for_update().order_by("event_id")
        detections = list(found.values_list("event_id", "face_detections", "body_detections"))
        ids = [event_id for event_id, _, _ in detections]
        if not ids:
            return []
        if remove_image_origins:
            _remove_origins(account_id, ids)
        if remove_samples:
            _remove_images(account_id, "face_samples", (texts for _, texts, _ in detections))
            _remove_images(account_id, "body_samples", (texts for _, _, texts in detections))
        for children in (EventTag, EventColor, EventOrigin, EventDescriptor):
            children.objects.filter(event__in=ids).delete()
        Event.objects.filter(event_id__in=ids).delete()
        return ids

    def iterate_descriptors(
        self, filters: EventFilters, *, kind: DescriptorKind, version: int, chunk: int = 2000
    ) -> Iterator[tuple[Ids, Vectors]]:
        """See the port."""
        # ids first: over the join, PostgreSQL sorted the whole account again for every page
        for ids in self.iterate_ids(filters, chunk=chunk):
            if page := _DESCRIPTORS[kind].page(ids, version):
                yield page

    def iterate_ids_with_descriptor(
        self, filters: EventFilters, *, kind: DescriptorKind, version: int, chunk: int = 1000
    ) -> Iterator[list[UUID]]:
        """See the port."""
        return pages_of(matching_events(filters).filter(_DESCRIPTORS[kind].exists(version)), "event_id", chunk)

    def get_descriptors(
        self, account_id: UUID, event_ids: Sequence[UUID], *, kind: DescriptorKind, version: int
    ) -> list[StoredDescriptor]:
        """See the port."""
        _refuse_many(event_ids)
        return _DESCRIPTORS[kind].get(sorted(self.existing_ids(account_id, event_ids)), version)

    def put_descriptors(
        self, account_id: UUID, descriptors: Sequence[StoredDescriptor], *, kind: DescriptorKind
    ) -> list[UUID]:
        """See the port."""
        _refuse_many(descriptors)
        rows = _DESCRIPTORS[kind].rows(descriptors)
        with transaction.atomic():
            ids = _lock(account_id, [one.object_id for one in descriptors])
            _DESCRIPTORS[kind].put(rows, ids)
        return ids

    @transaction.atomic
    def delete_descriptors(
        self, account_id: UUID, event_ids: Sequence[UUID], *, kind: DescriptorKind, version: int
    ) -> list[UUID]:
        """See the port."""
        _refuse_many(event_ids)
        return _DESCRIPTORS[kind].delete(_lock(account_id, event_ids), version)

    def put_attributes(self, account_id: UUID, attributes: Sequence[NewAttributes]) -> list[UUID]:
        """See the port."""
        _refuse_many(attributes)
        check_new_attributes(attributes)
        with transaction.atomic():
            ids = _lock(account_id, [one.object_id for one in attributes])
            put_attributes(Event.objects.filter(event_id__in=ids), attributes, ethnicity="ethnic_group")
        return ids

    def iterate_for_descriptors(
        self,
        filters: EventFilters,
        *,
        kind: DescriptorKind,
        version: int,
        missing: bool = True,
        chunk: int = 1000,
    ) -> Iterator[list[Extractable]]:
        """See the port."""
        table, events = _DESCRIPTORS[kind], matching_events(filters)
        wanted = events.filter(~table.exists(version)) if missing else events
        return table.extractable(pages_of(wanted, "event_id", chunk), _samples_of(kind), version)

    def iterate_for_attributes(
        self, filters: EventFilters, *, missing: bool = True, chunk: int = 1000
    ) -> Iterator[list[Extractable]]:
        """See the port."""
        events = matching_events(filters)
        wanted = events.filter(NEVER_EXTRACTED) if missing else events
        return attributes_extractable(pages_of(wanted, "event_id", chunk), _samples_of("face"), Event)


def _own(account_id: UUID, event_ids: Sequence[UUID]) -> QuerySet[Event]:
    return matching_events(EventFilters(account_id=account_id, event_ids=list(event_ids)))


def _refuse_many(items: Sequence[object]) -> None:
    if len(items) > MOST_EVENTS:
        raise BadValue(f"more than {MOST_EVENTS} events in one call")


def _add_events(account_id: UUID, events: dict[UUID, NewEvent]) -> list[UUID]:
    known = dict(Event.objects.filter(event_id__in=list(events)).values_list("event_id", "account_id"))
    if foreign := sorted(event_id for event_id, owner in known.items() if owner != account_id):
        raise EventsNotFound(foreign[0])
    new = [event for event_id, event in events.items() if event_id not in known]
    descriptors = event_rows.descriptor_rows(new)
    with transaction.atomic():
        _refuse_foreign_faces(account_id, new)
        insert_rows([event_rows.event_row(account_id, event) for event in new])
        insert_rows(event_rows.tag_rows(account_id, new))
        insert_rows(event_rows.color_rows(account_id, new))
        insert_rows(event_rows.origin_rows(new))
        insert_rows(descriptors)
    return [event.event_id for event in new]


def _refuse_foreign_faces(account_id: UUID, events: Sequence[NewEvent]) -> None:
    face_ids = {event.face_id for event in events if event.face_id is not None}
    faces = Face.objects.filter(face_id__in=face_ids).exclude(account_id=account_id)
    if face_ids and (foreign := faces.order_by("face_id").first()):
        raise FacesNotFound(foreign.face_id)
    list_ids = {list_id for event in events for list_id in event.attach_result}
    lists = FaceList.objects.filter(list_id__in=list_ids).exclude(account_id=account_id)
    if list_ids and (foreign_list := lists.order_by("list_id").first()):
        raise ListNotFound(foreign_list.list_id)


def _lock(account_id: UUID, event_ids: Sequence[UUID]) -> list[UUID]:
    """Ids of those that exist, ascending. The rows are held against deletion until the commit."""
    found = _own(account_id, event_ids).select_for_update(no_key=True).order_by("event_id")
    return list(found.values_list("event_id", flat=True))


def _remove_origins(account_id: UUID, event_ids: Sequence[UUID]) -> None:
    """Remove source images that only these events name."""
    named = set(EventOrigin.objects.filter(event__in=event_ids).values_list("image_id", flat=True))
    images = samples.stored_files(account_id, samples.bucket_name("image_origins"), sorted(named))
    # locked before we look who else names them: of two calls that delete the last two events, one comes second
    locked = list(images.select_for_update().order_by("file_id").values_list("file_id", flat=True))
    others = EventOrigin.objects.filter(image_id__in=locked, event__account_id=account_id)
    kept = set(others.exclude(event__in=event_ids).values_list("image_id", flat=True))
    samples.delete_rows(images.filter(file_id__in=[image_id for image_id in locked if image_id not in kept]))


def _remove_images(account_id: UUID, role: str, detections: Iterable[str]) -> None:
    images = sorted({sample_id for text in detections for sample_id in event_rows.sample_ids(text)})
    samples.delete_rows(samples.stored_files(account_id, samples.bucket_name(role), images))


def _samples_of(kind: DescriptorKind) -> Callable[[Sequence[UUID]], dict[UUID, tuple[UUID, ...]]]:
    def find(event_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, ...]]:
        texts = Event.objects.filter(event_id__in=list(event_ids)).values_list("event_id", f"{kind}_detections")
        return {event_id: event_rows.sample_ids(text) for event_id, text in texts}

    return find
