"""Content of a clustering task."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from lunatasks.luna_services.descriptors import SFACE, similarity
from tasks_app.contents.filters import EventFilters, FaceFilters
from tasks_app.contents.members import ABSENT, Flag, Limit, Members, Share


class Params(Members):
    """`use_track_info`: events of one track are one cluster."""

    use_track_info: Flag = 0


class FaceDescriptor(Members):
    """Which descriptor is compared."""

    type: Literal["face"] = "face"


class AnyDescriptor(Members):
    """Which descriptor is compared; events may have one of the body."""

    type: Literal["face", "body"] = "face"


def default_threshold() -> float:
    """The similarity of the cosine that clustering needs, of the default descriptor version."""
    return similarity(SFACE.cluster_score, SFACE)


class Clustering(Members):
    """What clusterings of faces and of events share; a missing `limit` keeps all edges."""

    objects_type: Literal["faces", "events"]
    params: Params = Field(default_factory=Params)
    threshold: Share = Field(default_factory=default_threshold)
    limit: Limit = ABSENT


class FaceClustering(Clustering):
    """Clustering of faces."""

    filters: FaceFilters = Field(default_factory=FaceFilters)
    descriptor: FaceDescriptor = Field(default_factory=FaceDescriptor)


class EventClustering(Clustering):
    """Clustering of events."""

    filters: EventFilters = Field(default_factory=EventFilters)
    descriptor: AnyDescriptor = Field(default_factory=AnyDescriptor)


def model_of(content: Mapping[str, Any]) -> type[Clustering]:
    """The model that the content's objects_type asks for."""
    return EventClustering if content.get("objects_type") == "events" else FaceClustering
