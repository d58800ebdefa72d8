"""Content of a clustering task.

Stored: `{"objects_type": "faces" | "events", "filters": {..., "create_time__lt"}, "params": {"use_track_info": 0 | 1},
"threshold": float, "descriptor": {"type": "face" | "body"}, "limit": int (absent: all edges)}`.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from lunatasks.luna_services.descriptors import similarity
from tasks_app.contents.filters import EventFilters, FaceFilters
from tasks_app.contents.members import (
    ABSENT,
    EVENTS,
    AnyDescriptor,
    Content,
    FaceDescriptor,
    Flag,
    Limit,
    Members,
    ObjectsType,
    OnlyEvents,
    OnlyFaces,
    Share,
)
from tasks_app.contents.versions import version_of


class Params(Members):
    """`use_track_info`: events of one track are one cluster."""

    use_track_info: Flag = 0


def default_threshold(members: dict[str, Any]) -> float:
    """The similarity of the cosine that clustering needs, of the default version of the descriptor that was named."""
    version = version_of(members)
    return similarity(version.cluster_score, version)


class Clustering(Content):
    """What clusterings of faces and of events share; a missing `limit` keeps all edges."""

    objects_type: ObjectsType
    params: Params = Field(default_factory=Params)
    descriptor: AnyDescriptor = Field(default_factory=AnyDescriptor)
    threshold: Share = Field(default_factory=default_threshold)
    limit: Limit = ABSENT

    def needs(self) -> set[str]:
        """See Content."""
        return {EVENTS} if self.objects_type == "events" else set()


class FaceClustering(Clustering):
    """Clustering of faces."""

    objects_type: OnlyFaces
    filters: FaceFilters = Field(default_factory=FaceFilters)
    descriptor: FaceDescriptor = Field(default_factory=FaceDescriptor)  # type: ignore[assignment]


class EventClustering(Clustering):
    """Clustering of events."""

    objects_type: OnlyEvents
    filters: EventFilters = Field(default_factory=EventFilters)


def model_of(content: Mapping[str, Any]) -> type[Clustering]:
    """The model that the content's objects_type asks for."""
    return EventClustering if content.get("objects_type") == "events" else FaceClustering


VARIANTS = (FaceClustering, EventClustering)
