"""Content of a linker task.

Stored: `{"create_list": 0 | 1, "list_id": uuid, "user_data": str (of a new list), "objects_type": "faces" | "events",
"filters": {...}}`. `list_id` is always there: of a list to be made without one, it is chosen at creation, so that a
split that runs twice makes one list. Filters of events hold face_id__gte/lt and list_id too, of the event's face.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from pydantic import Field

from lunatasks import errors
from lunatasks.luna_services import registry
from tasks_app.contents.filters import EventFilters, FaceFilters
from tasks_app.contents.members import (
    ABSENT,
    EVENTS,
    Content,
    ObjectsType,
    OnlyEvents,
    OnlyFaces,
    OnlyOne,
    OnlyZero,
    UserData,
    Uuid,
)


class LinkedEventFilters(EventFilters):
    """Filters of events, and of the face an event made."""

    face_id__gte: Uuid = ABSENT
    face_id__lt: Uuid = ABSENT
    list_id: Uuid = ABSENT


class Linker(Content):
    """What all linkers share."""

    objects_type: ObjectsType

    def needs(self) -> set[str]:
        """See Content."""
        return {EVENTS} if self.objects_type == "events" else set()


class ExistingList(Linker):
    """Link to a list that exists."""

    create_list: OnlyZero = 0
    list_id: Uuid
    user_data: UserData = ABSENT


class NewList(Linker):
    """Link to a list that is made unless it exists."""

    create_list: OnlyOne
    list_id: Uuid = Field(default_factory=lambda: str(uuid4()))
    user_data: UserData = ""


class FacesToExistingList(ExistingList):
    """Faces to a list that exists."""

    objects_type: OnlyFaces
    filters: FaceFilters = Field(default_factory=FaceFilters)


class EventsToExistingList(ExistingList):
    """Events to a list that exists."""

    objects_type: OnlyEvents
    filters: LinkedEventFilters = Field(default_factory=LinkedEventFilters)


class FacesToNewList(NewList):
    """Faces to a new list."""

    objects_type: OnlyFaces
    filters: FaceFilters = Field(default_factory=FaceFilters)


class EventsToNewList(NewList):
    """Events to a new list."""

    objects_type: OnlyEvents
    filters: LinkedEventFilters = Field(default_factory=LinkedEventFilters)


def model_of(content: Mapping[str, Any]) -> type[Linker]:
    """The model that create_list and objects_type ask for."""
    makes_list = type(content.get("create_list")) is int and content["create_list"] == 1
    if content.get("objects_type") == "events":
        return EventsToNewList if makes_list else EventsToExistingList
    return FacesToNewList if makes_list else FacesToExistingList


def check_objects(content: Mapping[str, Any], account_id: UUID) -> None:
    """Raises ListNotFound when the list that must exist does not, in the account."""
    if content["create_list"]:
        return
    if not registry.faces().get_lists(account_id, [UUID(content["list_id"])]):
        raise errors.ListNotFound(content["list_id"])


VARIANTS = (FacesToExistingList, FacesToNewList, EventsToExistingList, EventsToNewList)
