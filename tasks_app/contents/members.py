"""The kinds of members that contents are made of: strict JSON types with the contract's bounds.

A member that may be absent has the default ABSENT and a type without None: null is refused.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from lunatasks.times import format_time, parse_time
from lunatasks.uuids import PATTERN

ABSENT: Any = None
MAX_VALUES = 1000
MAX_INTEGER = 2**63 - 1
MAX_USER_DATA = 128
MASK = "********"


class Members(BaseModel):
    """An object of known members only; `"1"` is no number, `1.0` no integer, true no 1."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    def take_secrets(self, path: str = "") -> Iterator[tuple[str, str | int]]:
        """(dotted path, value) of every secret there is; in its place stays the mask."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Members):
                yield from value.take_secrets(f"{path}{name}.")
            elif value is not None and SECRET in field.metadata:
                setattr(self, name, MASK)
                yield f"{path}{name}", value


class Content(Members):
    """The content of one type of task."""

    def needs(self) -> set[str]:
        """What an installation must offer for this content, in the words of `availability`."""
        return set()


def _time(text: str) -> str:
    try:
        return str(format_time(parse_time(text)))
    except ValueError:
        raise PydanticCustomError("time", "Input should be an RFC 3339 time with an offset") from None


def _uuid(text: str) -> str:
    return text.lower()


def _unique(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("unique", "Values should be unique")
    return values


NO_NUL = r"^[^\x00]*$"  # PostgreSQL cannot store it
SECRET = "secret"  # noqa: S105  marks members that are encrypted at rest
Text = Annotated[str, StringConstraints(pattern=NO_NUL)]
Word = Annotated[str, StringConstraints(pattern=NO_NUL, min_length=1)]
"""A string that a filter asks for: an empty one would match everything or nothing."""
UserData = Annotated[str, StringConstraints(pattern=NO_NUL, max_length=MAX_USER_DATA)]
Time = Annotated[str, AfterValidator(_time), Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, StringConstraints(pattern=PATTERN), AfterValidator(_uuid)]
Share = Annotated[float, Field(ge=0, le=1)]
Flag = Annotated[int, Field(ge=0, le=1)]
Natural = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Limit = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
ObjectsType = Literal["faces", "events"]
# the value chose the model, so these check for both, and tell readers of the schema the one that is there
OnlyFaces = Annotated[ObjectsType, WithJsonSchema({"type": "string", "const": "faces"})]
OnlyEvents = Annotated[ObjectsType, WithJsonSchema({"type": "string", "const": "events"})]
OnlyZero = Annotated[Flag, WithJsonSchema({"type": "integer", "const": 0})]
OnlyOne = Annotated[Flag, WithJsonSchema({"type": "integer", "const": 1})]
EVENTS = "objects_type 'events'"
"""The need of a content that works on events."""

Item = TypeVar("Item")
AnyOf = Annotated[list[Item], Field(min_length=1, max_length=MAX_VALUES)]
"""1 to 1000 values: an empty array read as "absent" would select everything."""
Unique = Annotated[list[Item], Field(json_schema_extra={"uniqueItems": True}), AfterValidator(_unique)]


class Owner(Members):
    """Filters of a task that selects its objects otherwise: nothing but whose they are."""

    account_id: Uuid = ABSENT


class FaceDescriptor(Members):
    """Which descriptor is meant: a face has none of a body."""

    type: Literal["face"] = "face"


class AnyDescriptor(Members):
    """Which descriptor is meant; events may have one of the body."""

    type: Literal["face", "body"] = "face"
