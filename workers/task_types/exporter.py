"""Exporter: ids are copied, a part writes the rows and images of some of them, the merge joins those into a zip."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from lunatasks.luna_services import registry
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.task_types import selection, tables
from workers.task_types.base import Plan, TaskKind
from workers.task_types.tables import Table


def split(context: Context, phase: int) -> Plan:
    """Copy the ids, ascending."""
    given = context.content["filters"]
    if context.content["objects_type"] == "faces":
        chunks = registry.faces().iterate_ids(selection.face_filters(context.account_id, given))
    else:
        chunks = registry.events().iterate_ids(selection.event_filters(context.account_id, given))
    return selection.plan_ids(context, chunks, size=settings.LUNATASKS_PART_SIZE)


def process(context: Context, content: Any) -> Artefact:
    """Rows and images of some objects."""
    ids = selection.uuids(selection.planned_ids(context, content))
    return tables.write_part(context, _table(context), ids, [()] * len(ids))


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """All of them as a zip."""
    return tables.merge_parts(context, _table(context), (), parts)


def _table(context: Context) -> Table:
    content = context.content
    return Table(
        objects_type=content["objects_type"],
        columns=content["columns"],
        delimiter=content["csv_delimiter"],
        with_images=bool(content["save_images"]),
        descriptor_type=content["descriptor"]["type"],
    )


KIND = TaskKind(number=TaskType.EXPORTER, split=split, process=process, merge=merge, needs_all_parts=True)
