"""What the service needs of a face platform: protocols, the values that pass through them, their errors.

An adapter (`embedded`, later `http`) implements the protocols; `registry` picks it by settings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint8]
"""(n, 16) uint8: the bytes of n uuids."""

Vectors = NDArray[np.float32]
"""(n, d) float32: n descriptors."""


class PortError(Exception):
    """A service refused or failed. `permanent`: the same call can never succeed. `code`: of the catalogue."""

    permanent: ClassVar[bool] = True
    code: ClassVar[int] = 1


class ListNotFound(PortError):
    """The list does not exist in the account."""

    code = 22003


class FacesNotFound(PortError):
    """One or more of the named faces do not exist in the account; the first one is the argument."""

    code = 22004


class BadDescriptor(PortError):
    """A descriptor of the wrong dimension, not finite or of length zero."""

    code = 12022


class BadImage(PortError):
    """The bytes are no image that can be decoded within the limits."""

    code = 12022


class BadValue(PortError):
    """A member of an object that cannot be stored: too long, out of range, too many of them."""

    code = 12022


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
class BasicAttributes:
    """Estimates of a face: age in years, gender 0 female / 1 male, ethnicity as a code of the contract."""

    age: int | None = None
    gender: int | None = None
    ethnicity: int | None = None


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face to store. `descriptors` maps version to a float32 vector; `sample` is a JPEG."""

    face_id: UUID
    external_id: str = ""
    user_data: str = ""
    event_id: UUID | None = None
    avatar: str = ""
    create_time: datetime | None = None
    attributes: BasicAttributes | None = None
    descriptors: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    sample: bytes | None = field(default=None, repr=False)


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
