"""Which tasks a list, a count or a page shows: filters in one place, pages by ids first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import F, Model, QuerySet

from tasks_app import statements
from tasks_app.models import Task

Row = TypeVar("Row", bound=Model)

MAX_OFFSET = 2**63 - 1
DEEP = 50_000
"""From this offset on it pays to ask from which end a page is nearer."""
NEAR = 200
"""Up to this offset rows are read at once; beyond it their ids first, from an index alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilters:
    """What was asked for; None means not asked for."""

    account_id: UUID | None = None
    task_ids: Sequence[int] | None = None
    task_type: int | None = None
    task_status: int | None = None
    result_id: UUID | None = None
    create_time__gte: datetime | None = None
    create_time__lt: datetime | None = None
    end_time__gte: datetime | None = None
    end_time__lt: datetime | None = None

    def lookups(self) -> dict[str, Any]:
        """As the ORM takes them; those that were not asked for are absent."""
        named = {name: getattr(self, name) for name in TaskFilters.__dataclass_fields__ if name != "task_ids"}
        return asked(named | {"id__in": self.task_ids})


def asked(lookups: Mapping[str, Any]) -> dict[str, Any]:
    """The lookups that have a value."""
    return {name: value for name, value in lookups.items() if value is not None}


def filter_tasks(filters: TaskFilters) -> QuerySet[Task]:
    """Tasks that match all filters."""
    return Task.objects.filter(**filters.lookups())


def filtered(rows: QuerySet[Row], lookups: dict[str, Any]) -> QuerySet[Row]:
    """The rows by those lookups that have a value."""
    return rows.filter(**asked(lookups))


def page_of(
    model: type[Model], columns: tuple[str, ...], lookups: Mapping[str, Any], *, offset: int, size: int
) -> list[dict[str, Any]]:
    """The named columns of one page of the rows that match, newest first.

    On a deep page, and with several filters, ids come first, from an index alone: every skipped row would be read
    otherwise.
    """
    if offset + size > MAX_OFFSET:
        return []
    ends_early = any(name.endswith("__lt") for name in lookups) and connection.vendor == "postgresql"
    near = offset <= NEAR and statements.is_plain(lookups) and not ends_early
    if near and len(lookups) <= 1:
        return statements.newest(model, columns, lookups, offset=offset, size=size)
    manager = model._default_manager  # noqa: SLF001  Django's name for the manager of any model
    rows = manager.filter(**lookups)
    if ends_early and _is_cheaper_by_time(model, lookups, rows):
        rows = rows.annotate(place=F("id") + 0).order_by("-place")  # not the order of an index: the filter goes first
    if near:
        ids = [row["id"] for row in statements.newest(model, ("id",), lookups, offset=offset, size=size)]
    else:
        ids = ids_of(rows, offset=offset, size=size)
    return list(manager.filter(id__in=ids).order_by("-id").values(*columns))


def ids_of(rows: QuerySet[Row], *, offset: int, size: int) -> list[int]:
    """Ids of one page, newest first; a page past the middle is looked for from the other end."""
    if offset >= DEEP and connection.vendor == "postgresql" and offset > estimated_count(rows) / 2:
        total = rows.count()
        last, first = total - offset - size, total - offset
        oldest = rows.order_by("id").values_list("id", flat=True)
        return list(oldest[max(last, 0) : first])[::-1] if first > 0 else []
    newest = rows if rows.query.order_by else rows.order_by("-id")
    return list(newest.values_list("id", flat=True)[offset : offset + size])


def _is_cheaper_by_time(model: type[Model], lookups: Mapping[str, Any], rows: QuerySet[Any]) -> bool:
    """Whether fewer rows match than are newer than all that match; the planner takes times for spread evenly."""
    open_ended = {name: value for name, value in lookups.items() if not name.endswith("__lt")}
    matching = estimated_count(rows)
    newer = estimated_count(model._default_manager.filter(**open_ended)) - matching  # noqa: SLF001
    return matching < newer


def estimated_count(rows: QuerySet[Row]) -> int:
    """How many rows PostgreSQL expects: its planner's guess, at no cost."""
    text = rows.order_by().values_list("id").explain(format="json")
    if not text:  # Django knows that nothing can match
        return 0
    [plan] = orjson.loads(text)
    return int(plan["Plan"]["Plan Rows"])


def row_of(model: type[Model], columns: tuple[str, ...], lookups: Mapping[str, Any]) -> dict[str, Any] | None:
    """The named columns of the one row that matches, None when there is none."""
    rows = statements.newest(model, columns, asked(lookups), size=1)
    return rows[0] if rows else None
