"""Content of an exporter task.

Stored: `{"objects_type": "faces" | "events", "filters": {...}, "columns": [str], "csv_delimiter": str,
"save_images": 0 | 1, "descriptor": {"type": "face" | "body"}}`; the descriptor says which sample and score are meant.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from tasks_app.contents.columns import EventColumn, FaceColumn, Table
from tasks_app.contents.filters import EventFilters, FaceFilters
from tasks_app.contents.members import EVENTS, AnyDescriptor, Content, FaceDescriptor, ObjectsType, Unique


class FaceExporter(Table):
    """Export of faces."""

    objects_type: Literal["faces"]
    filters: FaceFilters = Field(default_factory=FaceFilters)
    columns: Unique[FaceColumn] = Field(default_factory=list)
    descriptor: FaceDescriptor = Field(default_factory=FaceDescriptor)


class EventExporter(Table):
    """Export of events."""

    objects_type: Literal["events"]
    filters: EventFilters = Field(default_factory=EventFilters)
    columns: Unique[EventColumn] = Field(default_factory=list)
    descriptor: AnyDescriptor = Field(default_factory=AnyDescriptor)

    def needs(self) -> set[str]:
        """See Content."""
        return {EVENTS}


class AnyExporter(FaceExporter):
    """Refuses what names none of the object types."""

    objects_type: ObjectsType  # type: ignore[assignment]


MODELS: dict[object, type[Content]] = {"faces": FaceExporter, "events": EventExporter}


def model_of(content: Mapping[str, Any]) -> type[Content]:
    """The model that the content's objects_type asks for."""
    objects_type = content.get("objects_type")
    return MODELS.get(objects_type, AnyExporter) if isinstance(objects_type, str) else AnyExporter


VARIANTS = (FaceExporter, EventExporter)
