"""Faces and their lists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from lunatasks.luna_services.ports.values import (
    BasicAttributes,
    Extractable,
    Ids,
    NewAttributes,
    StoredDescriptor,
    Vector,
    Vectors,
)


@dataclass(frozen=True, slots=True)
class FaceFilters:
    """The face filters of the contract, ANDed; None means not asked for; a null field never matches.

    `user_data` is a case-sensitive substring; bounds `__gte` are included, `__lt` excluded.
    """

    account_id: UUID
    face_ids: Sequence[UUID] | None = None
    external_ids: Sequence[str] | None = None
    user_data: str | None = None
    create_time__gte: datetime | None = None
    create_time__lt: datetime | None = None
    face_id__gte: UUID | None = None
    face_id__lt: UUID | None = None
    list_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face to store. `descriptors` maps version to a float32 vector; `sample` is a JPEG.

    `sample_id`: under which the sample is stored, by default a uuid5 of the face.
    """

    face_id: UUID
    external_id: str = ""
    user_data: str = ""
    event_id: UUID | None = None
    avatar: str = ""
    create_time: datetime | None = None
    attributes: BasicAttributes | None = None
    descriptors: dict[int, Vector] = field(default_factory=dict, repr=False)
    sample: bytes | None = field(default=None, repr=False)
    sample_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class FaceCard:
    """What reports and pages show of a face."""

    face_id: UUID
    account_id: UUID
    external_id: str
    user_data: str
    create_time: datetime
    event_id: UUID | None
    avatar: str
    lists: tuple[UUID, ...]
    attributes: BasicAttributes
    sample_ids: tuple[UUID, ...]
    attributes_sample_ids: tuple[UUID, ...] = ()
    attributes_generation: int = 0


@dataclass(frozen=True, slots=True)
class ListCard:
    """A list of faces. `last_update_time` moves when faces come, go or change, not with `user_data`."""

    list_id: UUID
    account_id: UUID
    user_data: str
    create_time: datetime
    last_update_time: datetime
    face_count: int


class Faces(Protocol):
    """Faces, their lists, attributes, descriptors and samples, always within one account."""

    def add_faces(self, account_id: UUID, faces: Sequence[NewFace], *, list_id: UUID | None = None) -> list[UUID]:
        """Store faces that do not exist yet, at most 1000 a call, and link all given ones to the list.

        Returns the ids that were new; an id that exists is left as it is. Everything or nothing.
        Raises ListNotFound, FacesNotFound (an id belongs to another account), BadDescriptor, BadImage, BadValue.
        """
        ...

    def existing_ids(self, account_id: UUID, face_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the given ids that exist in the account."""
        ...

    def count_faces(self, filters: FaceFilters) -> int:
        """How many faces match."""
        ...

    def iterate_ids(self, filters: FaceFilters, *, chunk: int = 1000) -> Iterator[list[UUID]]:
        """Ids of matching faces in ascending order, in chunks."""
        ...

    def iterate_descriptors(
        self, filters: FaceFilters, *, version: int, chunk: int = 2000
    ) -> Iterator[tuple[Ids, Vectors]]:
        """(ids, vectors) of matching faces that have a descriptor of the version, ids ascending, in chunks.

        Vectors are as stored: float32, L2-normalised.
        """
        ...

    def get_faces(self, account_id: UUID, face_ids: Sequence[UUID]) -> list[FaceCard]:
        """Cards of those of the given ids (at most 1000) that exist, in no particular order."""
        ...

    def delete_faces(self, account_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """Delete faces (at most 1000) with descriptors, links and samples; returns the ids that existed."""
        ...

    def ensure_list(self, account_id: UUID, list_id: UUID, *, user_data: str = "") -> bool:
        """Make the list unless it exists in the account; True when it was made.

        Raises ListNotFound when the id belongs to another account, BadValue.
        """
        ...

    def link_faces(self, account_id: UUID, list_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """Link existing faces (at most 1000) to the list, again without effect; returns the ids that exist.

        Raises ListNotFound.
        """
        ...

    def unlink_faces(self, account_id: UUID, list_id: UUID, face_ids: Sequence[UUID]) -> list[UUID]:
        """Take faces (at most 1000) out of the list; returns the ids that were in it. Raises ListNotFound."""
        ...

    def open_sample(self, account_id: UUID, sample_id: UUID) -> bytes | None:
        """The JPEG of a sample, or None."""
        ...

    def get_lists(self, account_id: UUID, list_ids: Sequence[UUID]) -> list[ListCard]:
        """Cards of those of the given lists (at most 1000) that exist, by id."""
        ...

    def iterate_lists(self, account_id: UUID, *, chunk: int = 1000) -> Iterator[list[ListCard]]:
        """Cards of all lists of the account, by id, in chunks."""
        ...

    def update_list(self, account_id: UUID, list_id: UUID, *, user_data: str) -> None:
        """Change the user data of a list; `last_update_time` stays. Raises ListNotFound, BadValue."""
        ...

    def delete_lists(self, account_id: UUID, list_ids: Sequence[UUID]) -> list[UUID]:
        """Delete lists (at most 1000), not their faces; returns the ids that existed."""
        ...

    def get_descriptors(self, account_id: UUID, face_ids: Sequence[UUID], *, version: int) -> list[StoredDescriptor]:
        """Descriptors of the version of those of the faces (at most 1000) that have one, by id."""
        ...

    def put_descriptors(self, account_id: UUID, descriptors: Sequence[StoredDescriptor]) -> list[UUID]:
        """Store descriptors, at most 1000 a call; one with the same or a newer generation stays as it is.

        Returns the ids of faces that exist. Everything or nothing. Raises BadDescriptor, BadValue.
        """
        ...

    def delete_descriptors(self, account_id: UUID, face_ids: Sequence[UUID], *, version: int) -> list[UUID]:
        """Delete the descriptors of a version of faces (at most 1000); returns the ids that had one."""
        ...

    def put_attributes(self, account_id: UUID, attributes: Sequence[NewAttributes]) -> list[UUID]:
        """Store basic attributes, at most 1000 a call; those with the same or a newer generation stay.

        What is null was not estimated: what the object has of it stays.
        Returns the ids of faces that exist. Everything or nothing. Raises BadValue.
        """
        ...

    def iterate_ids_with_descriptor(
        self, filters: FaceFilters, *, version: int, chunk: int = 1000
    ) -> Iterator[list[UUID]]:
        """Ids of matching faces that have a descriptor of the version, ascending, in chunks."""
        ...

    def iterate_for_descriptors(
        self, filters: FaceFilters, *, version: int, missing: bool = True, chunk: int = 1000
    ) -> Iterator[list[Extractable]]:
        """Matching faces that lack a descriptor of the version (`missing` false: all), ids ascending, in chunks.

        A face without a sample comes too, with no sample ids.
        """
        ...

    def iterate_for_attributes(
        self, filters: FaceFilters, *, missing: bool = True, chunk: int = 1000
    ) -> Iterator[list[Extractable]]:
        """Matching faces whose basic attributes were never extracted (`missing` false: all), ids ascending."""
        ...
