"""Content of a garbage collecting task.

Stored: `{"target", "filters": {...}, "remove_samples", "remove_image_origins" (targets of events), "store_results",
"dry_run": bool, "descriptor_type": "face" | "body" (targets of event descriptors)}`. `target` is faces, events,
face_descriptors, event_descriptors, or body_descriptors, which means event_descriptors with descriptor_type body.
Filters of descriptor targets hold descriptor_version.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from tasks_app.contents.filters import EventFilters, FaceFilters
from tasks_app.contents.members import EVENTS, Content, Natural


class FaceDescriptorFilters(FaceFilters):
    """Filters of faces, and the version that is removed from them."""

    descriptor_version: Natural


class EventDescriptorFilters(EventFilters):
    """Filters of events, and the version that is removed from them."""

    descriptor_version: Natural


class Gc(Content):
    """What all targets share."""

    remove_samples: bool = False
    store_results: bool = False
    dry_run: bool = False


class Faces(Gc):
    """Whole faces."""

    target: Literal["faces"]
    filters: FaceFilters = Field(default_factory=FaceFilters)


class FaceDescriptors(Gc):
    """Descriptors of faces."""

    target: Literal["face_descriptors"]
    filters: FaceDescriptorFilters


class EventTarget(Gc):
    """What targets of events share."""

    remove_image_origins: bool = False

    def needs(self) -> set[str]:
        """See Content."""
        return {EVENTS}


class Events(EventTarget):
    """Whole events."""

    target: Literal["events"]
    filters: EventFilters = Field(default_factory=EventFilters)


class EventDescriptors(EventTarget):
    """Descriptors of events."""

    target: Literal["event_descriptors"]
    descriptor_type: Literal["face", "body"] = "face"
    filters: EventDescriptorFilters


class BodyDescriptors(EventTarget):
    """Descriptors of bodies, which events have."""

    target: Literal["body_descriptors"]
    descriptor_type: Literal["body"] = "body"
    filters: EventDescriptorFilters


class AnyTarget(Gc):
    """Refuses what names none of the targets."""

    target: Literal["face_descriptors", "event_descriptors", "body_descriptors", "events", "faces"]


MODELS: dict[object, type[Gc]] = {
    "faces": Faces,
    "face_descriptors": FaceDescriptors,
    "events": Events,
    "event_descriptors": EventDescriptors,
    "body_descriptors": BodyDescriptors,
}


def model_of(content: Mapping[str, Any]) -> type[Gc]:
    """The model of the content's target."""
    target = content.get("target")
    return MODELS.get(target, AnyTarget) if isinstance(target, str) else AnyTarget


VARIANTS = tuple(MODELS.values())
