"""Who may write: the identity of a claim, and what all transitions share."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from lunatasks import errors
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, Status, Step

ROWS_PER_TRANSACTION = 2000
"""More in one transaction would keep SQLite's writers, heartbeats among them, waiting for too long."""


class FenceLost(Exception):
    """The row went on without this worker: cancelled, deleted, rerun, or given to another one."""


@dataclass(frozen=True, slots=True)
class TaskFence:
    """A claim of a task's step."""

    task_id: int
    run: int
    step: Step
    phase: int
    attempt: int

    def rows(self) -> QuerySet[Task]:
        return Task.without_content.filter(
            pk=self.task_id,
            run=self.run,
            step=self.step,
            phase=self.phase,
            attempt=self.attempt,
            task_status__in=ACTIVE,
        )


@dataclass(frozen=True, slots=True)
class PartFence:
    """A claim of a part."""

    task_id: int
    part_id: int
    run: int
    attempt: int

    def rows(self) -> QuerySet[Subtask]:
        return Subtask.objects.filter(
            pk=self.part_id,
            task_id=self.task_id,
            run=self.run,
            attempt=self.attempt,
            subtask_status=Status.IN_PROGRESS,
        )


Fence = TaskFence | PartFence


@dataclass(frozen=True, slots=True)
class Artefact:
    """A whole file in the results' storage: relative path, bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str

    def columns(self) -> dict[str, Any]:
        return {
            "result_id": uuid.uuid4(),
            "result_path": self.path,
            "result_size": self.size,
            "result_sha256": self.sha256,
        }


def lease_end(seconds: float) -> CombinedExpression:
    """The moment so many seconds from now, by the database's clock."""
    return Now() + Value(timedelta(seconds=seconds))


def lease_lost() -> Q:
    """Leases that ran out, and those that end later than any can: the database's clock was set back since then."""
    return Q(lease_until__lt=Now()) | Q(lease_until__gt=lease_end(2 * settings.LUNATASKS_LEASE_SECONDS))


def sent_long_ago(column: str = "dispatched_at") -> Q:
    """Messages old enough to be looked for; also those of a future that only a clock since set back can have seen."""
    long_ago = lease_end(-settings.LUNATASKS_REDISPATCH_SECONDS)
    return Q(**{f"{column}__lt": long_ago}) | Q(**{f"{column}__gt": Now()})


FREE = {"lease_until": None, "worker": ""}


def locked(fence: TaskFence) -> Task:
    task = fence.rows().select_for_update().first()
    if task is None:
        raise FenceLost
    return task


def delete_in_batches(fence: TaskFence, rows: QuerySet[Any]) -> None:
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_PER_TRANSACTION]):
        with transaction.atomic():
            locked(fence)
            rows.model.objects.filter(pk__in=batch).delete()


def store_errors(task: Task, found: Iterable[errors.LunaError], *, part_id: int | None = None) -> None:
    """Append errors to the task; the caller's transaction decides whether they stay."""
    model = task.errors.model
    model.objects.bulk_create(
        [
            model(
                task=task,
                subtask_id=part_id,
                account_id=task.account_id,
                task_type=task.task_type,
                error_time=Now(),  # a worker's clock may be wrong
                error_code=error.code,
                status_code=error.status,
                description=error.desc,
                detail=_storable(error.detail),
                additional_info=None if error.additional_info is None else _storable(error.additional_info),
            )
            for error in found
        ],
        batch_size=500,
    )


def _storable(text: str) -> str:
    return text.replace("\0", "")[:1024]  # PostgreSQL refuses NUL, and SQLite does not measure
