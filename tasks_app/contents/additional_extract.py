"""Content of an additional extraction task.

Stored: `{"extraction_target": "face_descriptor" | "body_descriptor" | "basic_attributes", "options": {"missing": bool,
"descriptor_version": int (descriptor targets)}, "filters": {"objects_type": "faces" | "events", "account_id",
"face_id__gte/lt" or "event_id__gte/lt"}}`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, WithJsonSchema

from tasks_app.contents.members import ABSENT, EVENTS, Content, Members, Natural, Owner, Uuid
from tasks_app.contents.versions import default_version

BODY_MODEL = "body descriptor model"


class FaceRange(Owner):
    """Which faces."""

    objects_type: Literal["faces"]
    face_id__gte: Uuid = ABSENT
    face_id__lt: Uuid = ABSENT


class EventRange(Owner):
    """Which events."""

    objects_type: Literal["events"]
    event_id__gte: Uuid = ABSENT
    event_id__lt: Uuid = ABSENT


class NoRange(Owner):
    """Refuses what names none of the object types."""

    objects_type: Literal["faces", "events"]


class NoBodiesOfFaces(Owner):
    """Refuses faces where bodies are extracted."""

    objects_type: Literal["events"]


class Options(Members):
    """Whether only what is missing is extracted."""

    missing: bool = True


class FaceDescriptorOptions(Options):
    """Which version is extracted of faces."""

    descriptor_version: Natural = Field(default_factory=lambda: default_version("face").number)


class BodyDescriptorOptions(Options):
    """Which version is extracted of bodies."""

    descriptor_version: Natural = ABSENT


Target = Literal["face_descriptor", "body_descriptor", "basic_attributes"]
Range = TypeVar("Range", bound=Owner)


class AdditionalExtract(Content, Generic[Range]):
    """What all targets share."""

    extraction_target: Target
    filters: Range

    def needs(self) -> set[str]:
        """See Content."""
        return {EVENTS} if isinstance(self.filters, EventRange) else set()


class OfFaceDescriptors(AdditionalExtract[Range], Generic[Range]):
    """Extract descriptors of faces."""

    extraction_target: Annotated[Target, WithJsonSchema({"type": "string", "const": "face_descriptor"})]
    options: FaceDescriptorOptions = Field(default_factory=FaceDescriptorOptions)

    def needs(self) -> set[str]:
        """See Content."""
        return super().needs() | {version_need(self.options.descriptor_version)}


class OfBodyDescriptors(AdditionalExtract[Range], Generic[Range]):
    """Extract descriptors of bodies."""

    extraction_target: Annotated[Target, WithJsonSchema({"type": "string", "const": "body_descriptor"})]
    options: BodyDescriptorOptions = Field(default_factory=BodyDescriptorOptions)

    def needs(self) -> set[str]:
        """See Content."""
        return super().needs() | {BODY_MODEL}


class OfBasicAttributes(AdditionalExtract[Range], Generic[Range]):
    """Estimate age, gender and ethnic group."""

    extraction_target: Annotated[Target, WithJsonSchema({"type": "string", "const": "basic_attributes"})]
    options: Options = Field(default_factory=Options)


def version_need(version: int) -> str:
    """The need of a face model of that version."""
    return f"descriptor version {version}"


RANGES: dict[object, type[Owner]] = {"faces": FaceRange, "events": EventRange}


def model_of(content: Mapping[str, Any]) -> type[AdditionalExtract[Any]]:
    """The model that the target and the objects_type ask for."""
    filters = content.get("filters")
    objects_type = filters.get("objects_type") if isinstance(filters, dict) else None
    objects = RANGES.get(objects_type, NoRange) if isinstance(objects_type, str) else NoRange
    if content.get("extraction_target") == "body_descriptor":
        bodies = objects if objects is EventRange else NoBodiesOfFaces
        return OfBodyDescriptors[bodies]  # type: ignore[valid-type]
    if content.get("extraction_target") == "basic_attributes":
        return OfBasicAttributes[objects]  # type: ignore[valid-type]
    return OfFaceDescriptors[objects]  # type: ignore[valid-type]


VARIANTS = (
    OfFaceDescriptors[FaceRange],
    OfFaceDescriptors[EventRange],
    OfBodyDescriptors[EventRange],
    OfBasicAttributes[FaceRange],
    OfBasicAttributes[EventRange],
)
