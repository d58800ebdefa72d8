"""Which objects a task works on: its filters as the services take them, and the planned ids with their parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from lunatasks.luna_services.ports import EventFilters, FaceFilters, GeoRectangle
from tasks_app.transitions import Artefact
from workers.context import Context
from workers.numeric.ids import to_array
from workers.task_types.base import Plan

IDS_OF_A_CALL = 1000
"""Most ids that one call of a service takes."""
MOST_PARTS = 1000
"""Of tasks with small parts: beyond so many of them the parts grow, for every part is a row and a message."""

_UUIDS = ("face_id__gte", "face_id__lt", "event_id__gte", "event_id__lt", "list_id")
_UUID_LISTS = ("face_ids", "event_ids", "handler_ids", "top_similar_object_ids")
_TIMES = ("create_time__gte", "create_time__lt", "end_time__gte", "end_time__lt")


def face_filters(account_id: UUID, given: Mapping[str, Any] | None) -> FaceFilters:
    """A content's face filters as the faces service takes them; members of other kinds are left out."""
    names = {field.name for field in fields(FaceFilters)}
    return FaceFilters(account_id=account_id, **_values(given or {}, names))


def event_filters(account_id: UUID, given: Mapping[str, Any] | None) -> EventFilters:
    """A content's event filters as the events service takes them; members of other kinds are left out."""
    names = {field.name for field in fields(EventFilters)}
    return EventFilters(account_id=account_id, **_values(given or {}, names))


def _values(given: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in given.items() if name in names and name != "account_id"}


def _value(name: str, value: Any) -> Any:
    if name in _UUIDS:
        return UUID(value)
    if name in _UUID_LISTS:
        return [UUID(item) for item in value]
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name == "geo_position":
        return GeoRectangle(**value)
    return value


def plan_ids(context: Context, chunks: Iterable[list[UUID]], *, size: int, most_parts: int | None = None) -> Plan:
    """Copy the ids; a part is [start, stop) of them, of `size` ids, more when there would be over `most_parts`."""
    return plan_array(context, [to_array(chunk) for chunk in _checked(context, chunks)], size, most_parts)


def plan_array(
    context: Context, chunks: Iterable[NDArray[np.uint8]], size: int, most_parts: int | None = None, **inputs: Artefact
) -> Plan:
    """The same of (n, 16) uint8, beside other inputs of the parts."""
    ids = np.concatenate([np.empty((0, 16), np.uint8), *chunks])
    if most_parts is not None:
        size = max(size, -(-len(ids) // most_parts))
    parts = ([start, min(start + size, len(ids))] for start in range(0, len(ids), size))
    return Plan(parts=parts, inputs={"ids": context.write_array("-ids.npy", ids), "count": len(ids), **inputs})


def _checked(context: Context, chunks: Iterable[list[UUID]]) -> Iterator[list[UUID]]:
    for chunk in chunks:
        context.check()
        yield chunk


def batches(context: Context, content: Any) -> Iterator[list[UUID]]:
    """The ids of a part, in the planned order, as many at a time as a service takes; progress is reported."""
    planned = planned_ids(context, content)
    for start in range(0, len(planned), IDS_OF_A_CALL):
        context.progress(start, len(planned))
        yield uuids(planned[start : start + IDS_OF_A_CALL])


def planned_ids(context: Context, content: Any) -> NDArray[np.uint8]:
    """(n, 16) uint8: the ids of a part, mapped."""
    start, stop = content
    return cast("NDArray[np.uint8]", context.read_input("ids")[start:stop])


def uuids(ids: NDArray[np.uint8]) -> list[UUID]:
    """The uuids of (n, 16) uint8."""
    return [UUID(bytes=row.tobytes()) for row in ids]
