"""The kinds of members that contents are made of: strict JSON types with the contract's bounds.

A member that may be absent has the default ABSENT and a type without None: null is refused.
"""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from lunatasks.api.times import format_time, parse_time
from lunatasks.api.uuids import PATTERN

ABSENT: Any = None
MAX_VALUES = 1000
MAX_INTEGER = 2**63 - 1


class Members(BaseModel):
    """An object of known members only; `"1"` is no number, `1.0` no integer, true no 1."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _time(text: str) -> str:
    try:
        return str(format_time(parse_time(text)))
    except ValueError:
        raise PydanticCustomError("time", "Input should be an RFC 3339 time with an offset") from None


def _word(text: str) -> str:
    if "\0" in text:  # PostgreSQL cannot store it
        raise PydanticCustomError("word", "String should not hold a NUL character")
    return text


def _uuid(text: str) -> str:
    return text.lower()


Word = Annotated[str, Field(min_length=1), AfterValidator(_word)]
"""A string that a filter asks for: an empty one would match everything or nothing."""
Time = Annotated[str, AfterValidator(_time)]
Uuid = Annotated[str, StringConstraints(pattern=PATTERN), AfterValidator(_uuid)]
Share = Annotated[float, Field(ge=0, le=1)]
Flag = Annotated[int, Field(ge=0, le=1)]
Natural = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Limit = Annotated[int, Field(ge=1, le=MAX_INTEGER)]

Item = TypeVar("Item")
AnyOf = Annotated[list[Item], Field(min_length=1, max_length=MAX_VALUES)]
"""1 to 1000 values: an empty array read as "absent" would select everything."""
