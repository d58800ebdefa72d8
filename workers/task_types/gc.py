"""Garbage collecting: ids are copied, a part deletes some of them, the result lists what parts have worked off.

A planned id counts as removed when its part has ended: it is not there any more. So a part that ran one and a half
times, and found the second time what the first had left, tells the same.
"""

from collections.abc import Iterator
from typing import Any, Literal
from uuid import UUID

import orjson
from django.conf import settings

from lunatasks.luna_services import registry
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.numeric.ids import to_strings
from workers.task_types import selection
from workers.task_types.base import Plan, TaskKind


def split(context: Context, phase: int) -> Plan:
    """Copy the ids; a dry run has no parts."""
    size = settings.LUNATASKS_GC_PART_SIZE
    plan = selection.plan_ids(context, _matching(context), size=size, most_parts=selection.MOST_PARTS)
    return Plan(parts=(), inputs=plan.inputs) if context.content["dry_run"] else plan


def process(context: Context, content: Any) -> None:
    """Delete some of them."""
    for ids in selection.batches(context, content):
        _delete(context, ids)


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """What was removed, or would be, when that is asked for."""
    with context.writing(".json") as writer:
        writer.write(b"[")
        separator = b""
        for start, stop in _listed(context, parts):
            context.check()
            writer.write(separator + orjson.dumps(list(to_strings(context.read_input("ids")[start:stop])))[1:-1])
            separator = b","
        writer.write(b"]")
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def _listed(context: Context, parts: Iterator[Part]) -> Iterator[tuple[int, int]]:
    """The ranges of ids that the result holds."""
    count = context.inputs["count"]
    if context.content["dry_run"]:
        yield from ((start, min(start + 10_000, count)) for start in range(0, count, 10_000))
    elif context.content["store_results"]:
        yield from (part.content for part in parts)


def _matching(context: Context) -> Iterator[list[UUID]]:
    target, given = context.content["target"], context.content["filters"]
    faces = selection.face_filters(context.account_id, given)
    events = selection.event_filters(context.account_id, given)
    if target == "faces":
        return registry.faces().iterate_ids(faces)
    if target == "events":
        return registry.events().iterate_ids(events)
    version = given["descriptor_version"]
    if target == "face_descriptors":
        return registry.faces().iterate_ids_with_descriptor(faces, version=version)
    return registry.events().iterate_ids_with_descriptor(events, kind=_kind(context), version=version)


def _delete(context: Context, ids: list[UUID]) -> None:
    target, account_id = context.content["target"], context.account_id
    if target == "faces":
        registry.faces().delete_faces(account_id, ids)
    elif target == "events":
        registry.events().delete_events(
            account_id,
            ids,
            remove_samples=context.content["remove_samples"],
            remove_image_origins=context.content["remove_image_origins"],
        )
    elif target == "face_descriptors":
        version = context.content["filters"]["descriptor_version"]
        registry.faces().delete_descriptors(account_id, ids, version=version)
    else:
        version = context.content["filters"]["descriptor_version"]
        registry.events().delete_descriptors(account_id, ids, kind=_kind(context), version=version)


def _kind(context: Context) -> Literal["face", "body"]:
    kind: Literal["face", "body"] = context.content["descriptor_type"]
    return kind


KIND = TaskKind(number=TaskType.GC, split=split, process=process, merge=merge, needs_all_parts=False)
