"""Events: what a camera or photo gave at a moment, and whom it resembled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from lunatasks.luna_services.ports.values import (
    DescriptorKind,
    Extractable,
    Ids,
    NewAttributes,
    StoredDescriptor,
    Vector,
    Vectors,
)


@dataclass(frozen=True, slots=True)
class GeoRectangle:
    """Origin +- delta in degrees, bounds included; longitude wraps at 180, latitude is clipped."""

    origin_longitude: float
    origin_latitude: float
    longitude_delta: float = 0.01
    latitude_delta: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilters:
    """The event filters of the contract, ANDed; None means not asked for; a null field never matches.

    Sequences mean any of; tags and colours match when any is shared; `user_data` is a case-sensitive substring;
    `__gte` is included, `__lt` excluded. `face_id__gte`, `face_id__lt` and `list_id` are of the event's face (linker).
    """

    account_id: UUID
    event_ids: Sequence[UUID] | None = None
    handler_ids: Sequence[UUID] | None = None
    face_ids: Sequence[UUID] | None = None
    top_similar_object_ids: Sequence[UUID] | None = None
    external_ids: Sequence[str] | None = None
    top_similar_external_ids: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    cities: Sequence[str] | None = None
    areas: Sequence[str] | None = None
    districts: Sequence[str] | None = None
    streets: Sequence[str] | None = None
    house_numbers: Sequence[str] | None = None
    track_ids: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    user_data: str | None = None
    create_time__gte: datetime | None = None
    create_time__lt: datetime | None = None
    end_time__gte: datetime | None = None
    end_time__lt: datetime | None = None
    event_id__gte: UUID | None = None
    event_id__lt: UUID | None = None
    top_matching_candidates_label: str | None = None
    top_similar_object_similarity__gte: float | None = None
    top_similar_object_similarity__lt: float | None = None
    age__gte: int | None = None
    age__lt: int | None = None
    apparent_age__gte: int | None = None
    apparent_age__lt: int | None = None
    gender: int | None = None
    emotions: Sequence[int] | None = None
    ethnic_groups: Sequence[int] | None = None
    masks: Sequence[int] | None = None
    liveness: Sequence[int] | None = None
    apparent_gender: Sequence[int] | None = None
    headwear_states: Sequence[int] | None = None
    backpack_states: Sequence[int] | None = None
    sleeve_lengths: Sequence[str] | None = None
    upper_clothing_colors: Sequence[str] | None = None
    geo_position: GeoRectangle | None = None
    face_id__gte: UUID | None = None
    face_id__lt: UUID | None = None
    list_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels of the source image; it may reach beyond its edges."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Detection:
    """A face or body that was seen.

    `sample_id`: an image in the bucket of face or body samples. `image_origin`: the id of an image in the bucket
    of image origins, or an outside address. `detect_ts`: seconds from the start of a video.
    """

    sample_id: UUID | None = None
    rect: Rect | None = None
    detect_time: datetime | None = None
    detect_ts: float | None = None
    image_origin: str = ""


@dataclass(frozen=True, slots=True)
class TopMatch:
    """The most similar candidate of all match results."""

    object_type: Literal["face", "event"]
    object_id: UUID
    similarity: float
    label: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFields:
    """The members of an event that are given and read alike; None or empty is unknown. Codes are the contract's.

    `match_result`: [{"label", "candidates": [{"face" or "event": {...}, "similarity"}]}], as JSON holds it.
    `face_id`: of the face the event made. `attach_result`: ids of lists that face was linked to.
    """

    event_id: UUID
    handler_id: UUID | None = None
    external_id: str = ""
    user_data: str = ""
    source: str | None = None
    track_id: str | None = None
    end_time: datetime | None = None
    face_id: UUID | None = None
    attach_result: tuple[UUID, ...] = ()
    tags: tuple[str, ...] = ()
    face_detections: tuple[Detection, ...] = ()
    body_detections: tuple[Detection, ...] = ()
    match_result: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    top_match: TopMatch | None = None
    city: str | None = None
    area: str | None = None
    district: str | None = None
    street: str | None = None
    house_number: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    age: int | None = None
    gender: int | None = None
    emotion: int | None = None
    ethnic_group: int | None = None
    mask: int | None = None
    liveness: int | None = None
    apparent_age: int | None = None
    apparent_gender: int | None = None
    headwear_state: int | None = None
    sleeve_length: str | None = None
    upper_clothing_colors: tuple[str, ...] = ()
    backpack_state: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent(EventFields):
    """An event to store; its images are put into the image store before. Descriptors by version."""

    create_time: datetime | None = None
    face_descriptors: Mapping[int, Vector] = field(default_factory=dict, repr=False)
    body_descriptors: Mapping[int, Vector] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCard(EventFields):
    """What reports, pages and tasks read of an event, but for its descriptors (`get_descriptors`).

    Tags and colours are sorted, `gray` reads `grey`.
    """

    account_id: UUID
    create_time: datetime
    attributes_sample_ids: tuple[UUID, ...] = ()
    attributes_generation: int = 0


class Events(Protocol):
    """Events with attributes and descriptors, always within one account."""

    def add_events(self, account_id: UUID, events: Sequence[NewEvent]) -> list[UUID]:
        """Store events that do not exist yet, at most 1000 a call; an id that exists is left as it is.

        Returns the ids that were new. Everything or nothing. Raises EventsNotFound (an id belongs to another
        account), FacesNotFound, ListNotFound (the event's face or list belongs to another account; one that is
        gone is no error), BadDescriptor, BadValue.
        """
        ...

    def existing_ids(self, account_id: UUID, event_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the given ids that exist in the account."""
        ...

    def count_events(self, filters: EventFilters) -> int:
        """How many events match."""
        ...

    def iterate_ids(self, filters: EventFilters, *, chunk: int = 1000) -> Iterator[list[UUID]]:
        """Ids of matching events in ascending order, in chunks."""
        ...

    def get_events(self, account_id: UUID, event_ids: Sequence[UUID]) -> list[EventCard]:
        """Cards of those of the given ids (at most 1000) that exist, by id."""
        ...

    def track_ids(self, account_id: UUID, event_ids: Sequence[UUID]) -> dict[UUID, str]:
        """The track of each of the given events that has one."""
        ...

    def delete_events(
        self,
        account_id: UUID,
        event_ids: Sequence[UUID],
        *,
        remove_samples: bool = False,
        remove_image_origins: bool = False,
    ) -> list[UUID]:
        """Delete events (at most 1000) with their descriptors; returns the ids that existed.

        Their face and body samples and their source images stay in the image store unless asked for. A source
        image goes when no other event of the call's account is left that names it.
        """
        ...

    def iterate_descriptors(
        self, filters: EventFilters, *, kind: DescriptorKind, version: int, chunk: int = 2000
    ) -> Iterator[tuple[Ids, Vectors]]:
        """(ids, vectors) of matching events that have a descriptor of the version, ids ascending, in chunks.

        Vectors are as stored: float32, L2-normalised.
        """
        ...

    def iterate_ids_with_descriptor(
        self, filters: EventFilters, *, kind: DescriptorKind, version: int, chunk: int = 1000
    ) -> Iterator[list[UUID]]:
        """Ids of matching events that have a descriptor of the version, ascending, in chunks."""
        ...

    def get_descriptors(
        self, account_id: UUID, event_ids: Sequence[UUID], *, kind: DescriptorKind, version: int
    ) -> list[StoredDescriptor]:
        """Descriptors of the version of those of the events (at most 1000) that have one, by id."""
        ...

    def put_descriptors(
        self, account_id: UUID, descriptors: Sequence[StoredDescriptor], *, kind: DescriptorKind
    ) -> list[UUID]:
        """Store descriptors, at most 1000 a call; one with the same or a newer generation stays as it is.

        Returns the ids of events that exist. Everything or nothing. Raises BadDescriptor, BadValue.
        """
        ...

    def delete_descriptors(
        self, account_id: UUID, event_ids: Sequence[UUID], *, kind: DescriptorKind, version: int
    ) -> list[UUID]:
        """Delete the descriptors of a version of events (at most 1000); returns the ids that had one."""
        ...

    def put_attributes(self, account_id: UUID, attributes: Sequence[NewAttributes]) -> list[UUID]:
        """Store age, gender and ethnic group, at most 1000 a call; those with the same or a newer generation stay.

        What is null was not estimated: what the object has of it stays.
        Returns the ids of events that exist. Everything or nothing. Raises BadValue.
        """
        ...

    def iterate_for_descriptors(
        self,
        filters: EventFilters,
        *,
        kind: DescriptorKind,
        version: int,
        missing: bool = True,
        chunk: int = 1000,
    ) -> Iterator[list[Extractable]]:
        """Matching events that lack a descriptor of the version (`missing` false: all), ids ascending, in chunks.

        Sample ids are those of the kind; an event without one comes too.
        """
        ...

    def iterate_for_attributes(
        self, filters: EventFilters, *, missing: bool = True, chunk: int = 1000
    ) -> Iterator[list[Extractable]]:
        """Matching events whose basic attributes were never extracted (`missing` false: all), ids ascending.

        Sample ids are those of faces.
        """
        ...
