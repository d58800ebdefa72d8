"""Which tasks a list, a count or a page shows: filters in one place, pages by ids first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from tasks_app.models import Task

Row = TypeVar("Row", bound=Model)

MAX_OFFSET = 2**63 - 1


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


def filter_tasks(filters: TaskFilters) -> QuerySet[Task]:
    """Tasks that match all filters."""
    lookups = {name: getattr(filters, name) for name in TaskFilters.__dataclass_fields__}
    return filtered(Task.objects.all(), lookups | {"task_ids": None, "id__in": filters.task_ids})


def filtered(rows: QuerySet[Row], lookups: dict[str, Any]) -> QuerySet[Row]:
    """The rows by those lookups that have a value."""
    return rows.filter(**{name: value for name, value in lookups.items() if value is not None})


def page_of(rows: QuerySet[Row], fields: Sequence[str], *, offset: int, size: int) -> list[dict[str, Any]]:
    """The named columns of one page of the rows, newest first.

    Ids come first, from an index alone: a deep page would read every skipped row otherwise.
    """
    if offset + size > MAX_OFFSET:
        return []
    ids = list(rows.order_by("-id").values_list("id", flat=True)[offset : offset + size])
    manager = rows.model._default_manager  # noqa: SLF001  Django's name for the manager of any model
    return list(manager.filter(id__in=ids).order_by("-id").values(*fields))
