"""Which tasks a list, a count or a page shows: filters in one place, pages by ids first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import F, Max, Min, Model, QuerySet

from tasks_app import blocks, statements
from tasks_app.models import Task

Row = TypeVar("Row", bound=Model)

MAX_OFFSET = 2**63 - 1
DEEP = 50_000
"""From this offset on it pays to count to a row near the page, by several processes, and to walk from there."""
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
    beyond = offset + size > MAX_OFFSET or ("id__in" in lookups and offset >= len(lookups["id__in"]))
    bounded = None if beyond else blocks.narrowed(model, lookups)
    if bounded is None:
        return []
    near = offset <= NEAR and statements.is_plain(bounded)
    if near and len(bounded) <= 1:
        return statements.newest(model, columns, bounded, offset=offset, size=size)
    manager = model._default_manager  # noqa: SLF001  Django's name for the manager of any model
    if near:
        ids = [row["id"] for row in statements.newest(model, ("id",), bounded, offset=offset, size=size)]
    else:
        # expected without the bounds of the id: the planner takes them and the time for unrelated
        ids = _far_ids(manager.filter(**bounded), manager.filter(**lookups), lookups, offset=offset, size=size)
    return list(manager.filter(id__in=ids).order_by("-id").values(*columns))


def _far_ids(
    rows: QuerySet[Row], unbounded: QuerySet[Row], lookups: Mapping[str, Any], *, offset: int, size: int
) -> list[int]:
    """Ids of a page that is not the first, or of lookups that are no plain ones."""
    if connection.vendor == "postgresql":
        if offset >= DEEP:
            return ids_from_pivot(rows, expected=estimated_count(unbounded), offset=offset, size=size)
        if "task_id__in" in lookups and estimated_count(rows) < DEEP:
            # not the order of an index: the newest rows of all would be read until ten are of those tasks
            return ids_of(rows.annotate(place=F("id") + 0).order_by("-place"), offset=offset, size=size)
    return ids_of(rows, offset=offset, size=size)


def ids_of(rows: QuerySet[Row], *, offset: int, size: int) -> list[int]:
    """Ids of one page, newest first, or in the order that the rows have."""
    newest = rows if rows.query.order_by else rows.order_by("-id")
    return list(newest.values_list("id", flat=True)[offset : offset + size])


def ids_from_pivot(rows: QuerySet[Row], *, expected: int, offset: int, size: int) -> list[int]:
    """The same for a deep page: PostgreSQL counts rows faster than it skips them.

    Counted are the rows from the id on that has about `offset` rows above it, if rows lie evenly; the page is looked
    for from there in both directions. Past what is `expected` all are counted: the page is near the last, or beyond it.
    """
    pivot = 0
    if offset < expected:
        ends = rows.aggregate(low=Min("id"), high=Max("id"))
        low, high = ends["low"] or 0, ends["high"] or 0
        pivot = high - (high - low) * offset // expected
    above = rows.filter(id__gte=pivot)
    count = above.count()
    first, last = count - offset - size, count - offset
    oldest = above.order_by("id").values_list("id", flat=True)
    found = list(oldest[max(first, 0) : last])[::-1] if last > 0 else []
    if first >= 0 or not pivot:
        return found
    return found + ids_of(rows.filter(id__lt=pivot), offset=max(-last, 0), size=size - len(found))


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
