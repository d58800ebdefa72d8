"""Content of a cross matching task.

Stored: `{"filters": {"reference_type": "faces" | "events", "candidate_type": same, "reference_filters": {...},
"candidate_filters": {...}, "descriptor": {"type": "face" | "body"}, "account_id"}, "threshold": float, "limit": int}`.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import Field

from lunatasks.luna_services.descriptors import similarity
from tasks_app.contents.filters import EventFilters, FaceFilters, Filters
from tasks_app.contents.members import (
    EVENTS,
    AnyDescriptor,
    Content,
    FaceDescriptor,
    Limit,
    ObjectsType,
    OnlyEvents,
    OnlyFaces,
    Owner,
    Share,
)
from tasks_app.contents.versions import version_of

DEFAULT_LIMIT = 5

References = TypeVar("References", bound=Filters)
Candidates = TypeVar("Candidates", bound=Filters)


def default_threshold(members: dict[str, Any]) -> float:
    """The similarity of the cosine at FMR 1e-4, of the default version of the descriptor that was named."""
    sides = members.get("filters")
    version = version_of({} if sides is None else {"descriptor": sides.descriptor})
    return similarity(version.match_score, version)


class Sides(Owner, Generic[References, Candidates]):
    """What is compared with what."""

    reference_type: ObjectsType
    candidate_type: ObjectsType
    reference_filters: References
    candidate_filters: Candidates
    descriptor: FaceDescriptor = Field(default_factory=FaceDescriptor)


class FacesWithFaces(Sides[FaceFilters, FaceFilters]):
    """Faces on both sides."""

    reference_type: OnlyFaces
    candidate_type: OnlyFaces
    reference_filters: FaceFilters = Field(default_factory=FaceFilters)
    candidate_filters: FaceFilters = Field(default_factory=FaceFilters)


class FacesWithEvents(Sides[FaceFilters, EventFilters]):
    """References are faces, candidates are events."""

    reference_type: OnlyFaces
    candidate_type: OnlyEvents
    reference_filters: FaceFilters = Field(default_factory=FaceFilters)
    candidate_filters: EventFilters = Field(default_factory=EventFilters)


class EventsWithFaces(Sides[EventFilters, FaceFilters]):
    """References are events, candidates are faces."""

    reference_type: OnlyEvents
    candidate_type: OnlyFaces
    reference_filters: EventFilters = Field(default_factory=EventFilters)
    candidate_filters: FaceFilters = Field(default_factory=FaceFilters)


class EventsWithEvents(Sides[EventFilters, EventFilters]):
    """Events on both sides."""

    reference_type: OnlyEvents
    candidate_type: OnlyEvents
    reference_filters: EventFilters = Field(default_factory=EventFilters)
    candidate_filters: EventFilters = Field(default_factory=EventFilters)
    descriptor: AnyDescriptor = Field(default_factory=AnyDescriptor)  # type: ignore[assignment]


SidesType = TypeVar("SidesType", bound=Sides[Any, Any])


class CrossMatch(Content, Generic[SidesType]):
    """The best candidates of every reference."""

    filters: SidesType
    threshold: Share = Field(default_factory=default_threshold)
    limit: Limit = DEFAULT_LIMIT

    def needs(self) -> set[str]:
        """See Content."""
        return {EVENTS} if "events" in (self.filters.reference_type, self.filters.candidate_type) else set()


MODELS: dict[tuple[bool, bool], type[Content]] = {
    (False, False): CrossMatch[FacesWithFaces],
    (False, True): CrossMatch[FacesWithEvents],
    (True, False): CrossMatch[EventsWithFaces],
    (True, True): CrossMatch[EventsWithEvents],
}
"""By whether references and candidates are events."""


def model_of(content: Mapping[str, Any]) -> type[Content]:
    """The model that the types of both sides ask for."""
    filters = content.get("filters")
    sides = filters if isinstance(filters, dict) else {}
    return MODELS[sides.get("reference_type") == "events", sides.get("candidate_type") == "events"]


VARIANTS = tuple(MODELS.values())
