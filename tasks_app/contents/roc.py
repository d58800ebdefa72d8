"""Content of a ROC task.

Stored: `{"markup": [{"face_id" | "event_id" | "attribute_id": uuid, "label": int}], "filters": {"account_id"},
"threshold_hit_top": float, "limit": int, "key_FPRs": [float], "cropped": bool}`. The markup is as sent, uuids lowered:
equal entries are still there (`unique_entries` collapses them), one id with two labels was refused.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from lunatasks.uuids import PATTERN
from tasks_app.contents.members import EVENTS, MAX_INTEGER, Content, Limit, Owner, Share

MAX_ENTRIES = 100_000
MAX_KEY_FPRS = 100
ID_NAMES = ("face_id", "event_id", "attribute_id")
NEEDS = {"event_id": EVENTS, "attribute_id": "attribute_id in a markup"}

# uuids are lowered in one go by `_markup`: a Python call for each would take most of the time
_AnyCaseUuid = Annotated[str, StringConstraints(pattern=PATTERN)]


def _with_one_id(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": [name]} for name in ID_NAMES]


class Entry(TypedDict):
    """One image and whose it is. A dict, not a model: a hundred thousand of them are validated at once."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, json_schema_extra=_with_one_id)  # type: ignore[misc]

    face_id: NotRequired[_AnyCaseUuid]
    event_id: NotRequired[_AnyCaseUuid]
    attribute_id: NotRequired[_AnyCaseUuid]
    label: Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]


def _markup(entries: list[Entry]) -> list[Entry]:
    """Ids lowered. Refuses entries without exactly one id, and an id with two labels."""
    labels: dict[tuple[str, str], int] = {}
    for position, entry in enumerate(entries):
        name, value = _id_of(entry, position)
        value = value.lower()
        entry[name] = value  # type: ignore[literal-required]
        label = entry["label"]
        if labels.setdefault((name, value), label) != label:
            raise PydanticCustomError("label", f"Entry {position} has an id that another entry gives another label")
    return entries


def _id_of(entry: Entry, position: int) -> tuple[str, str]:
    if len(entry) == 2:  # the label and one id
        for name in ID_NAMES:
            if name in entry:
                return name, entry[name]  # type: ignore[literal-required]
    raise PydanticCustomError("id", f"Entry {position} should have exactly one of {', '.join(ID_NAMES)}")


KeyFpr = Annotated[float, Field(gt=0, lt=1)]


class Roc(Content):
    """An evaluation of descriptors by marked images."""

    markup: Annotated[list[Entry], Field(min_length=2, max_length=MAX_ENTRIES), AfterValidator(_markup)]
    filters: Owner = Field(default_factory=Owner)
    threshold_hit_top: Share = 0
    limit: Limit = 5
    key_FPRs: Annotated[list[KeyFpr], Field(max_length=MAX_KEY_FPRS)] = Field(default_factory=list)  # noqa: N815
    cropped: bool = False

    def needs(self) -> set[str]:
        """See Content."""
        names = {name for entry in self.markup for name in entry}
        return {need for name, need in NEEDS.items() if name in names}


def model_of(content: Mapping[str, Any]) -> type[Roc]:
    """The model of every ROC."""
    return Roc


def unique_entries(markup: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    """(name of the id, id, label) of a stored markup, equal entries once, in their first order."""
    entries = {(name, entry[name], entry["label"]): None for entry in markup for name in ID_NAMES if name in entry}
    return list(entries)


VARIANTS = (Roc,)
