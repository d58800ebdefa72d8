"""Handlers: stored policies of what to do with an image, and doing it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID

from lunatasks.luna_services.ports.errors import PortError
from lunatasks.luna_services.ports.events import NewEvent


class HandlerNotFound(PortError):
    """The account has no such handler; its id is the argument."""

    code: ClassVar[int] = 28107


class NotOffered(PortError):
    """No model of the service can do what the argument names."""

    code: ClassVar[int] = 28108


class BadPolicies(PortError):
    """Policies that are none. `path`: the member that is wrong, dotted, empty for the whole."""

    code: ClassVar[int] = 12022

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(f"{path}: {message}" if path else message)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHandler:
    """A handler to store. Without an id it gets one that its account, description and policies decide."""

    policies: Mapping[str, Any]
    description: str = ""
    handler_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerCard:
    """A stored handler; its policies have all defaults filled in."""

    handler_id: UUID
    account_id: UUID
    description: str
    policies: Mapping[str, Any]
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """An image as it came, and what is known about it.

    `image_type`: 0 any image, 1 a face warp of 250 x 250, 2 a body warp. `use_exif_info`: time and position are
    read from the image where they are not given.
    """

    filename: str
    data: bytes = field(repr=False)
    image_type: int = 0
    external_id: str = ""
    user_data: str = ""
    source: str | None = None
    track_id: str | None = None
    tags: tuple[str, ...] = ()
    create_time: datetime | None = None
    longitude: float | None = None
    latitude: float | None = None
    city: str | None = None
    area: str | None = None
    district: str | None = None
    street: str | None = None
    house_number: str | None = None
    use_exif_info: bool = False


@dataclass(frozen=True, slots=True)
class HandledEvent:
    """An event of an image: flat, as it is stored where the policies say so, and as a handler answers it.

    `is_new`: it is stored, and was not before.
    """

    event: NewEvent
    answer: Mapping[str, Any] = field(repr=False)
    is_stored: bool
    is_new: bool


class HandlerRun(Protocol):
    """A handler made ready for many images. Not for several threads at once."""

    def process(self, image: SourceImage) -> list[HandledEvent]:
        """The events of an image, larger faces first, stored as the policies say.

        Ids follow from the handler (or its policies), the account and the bytes of the image: a second call makes
        nothing twice. Raises BadImage, NotOffered (a body warp), ListNotFound (a list was removed), BadValue.
        """
        ...


class Handlers(Protocol):
    """Handlers, always within one account."""

    def check_policies(self, policies: object) -> dict[str, Any]:
        """Policies with all defaults filled in. Raises BadPolicies, NotOffered."""
        ...

    def add_handler(self, account_id: UUID, handler: NewHandler) -> tuple[UUID, bool]:
        """Store a handler; its id, and whether it is new. The same again is no error.

        Raises BadPolicies, NotOffered, BadValue (the id has other policies or another account), ListNotFound.
        """
        ...

    def get_handler(self, account_id: UUID, handler_id: UUID) -> HandlerCard | None:
        """The handler, or None."""
        ...

    def iterate_handlers(self, account_id: UUID, *, chunk: int = 1000) -> Iterator[list[HandlerCard]]:
        """The account's handlers by id, in chunks."""
        ...

    def delete_handlers(self, account_id: UUID, handler_ids: Sequence[UUID]) -> list[UUID]:
        """Delete handlers (at most 1000), not their events; returns the ids that existed."""
        ...

    def open_run(
        self,
        account_id: UUID,
        policies: Mapping[str, Any],
        *,
        handler_id: UUID | None = None,
        now: datetime | None = None,
    ) -> HandlerRun:
        """A run of policies, which are those of the handler when its id is given.

        `now`: the time of its events, by default the present; faces made later are no candidates of its matching, so
        that no result depends on the order of images. Raises BadPolicies, NotOffered, ListNotFound.
        """
        ...
