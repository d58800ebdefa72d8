"""What the start page shows: how tasks stand, what runs, what failed, whether workers and queue are there."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone
from redis import RedisError
from rq import Worker

from errors_app.models import TaskError
from lunatasks.admin_site.progress import Progress, progress_of
from lunatasks.admin_site.readonly import MOST_COUNTED
from lunatasks.luna_services.embedded.models import Face
from tasks_app import dispatch
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, Status

MOST_RUNNING = 10
MOST_FAILED = 5


@dataclass(frozen=True, slots=True)
class Machinery:
    """Queue and workers. `waiting`: messages by queue, None when the queue does not answer."""

    waiting: dict[str, int] | None
    workers: int
    busy: int
    overdue: int


def overview() -> dict[str, Any]:
    """The context of the start page; every count is capped, so that it stays cheap with millions of tasks."""
    return {
        "counts": [(status, _capped(Task.objects.filter(task_status=status))) for status in Status],
        "most_counted": MOST_COUNTED,
        "running": _running(),
        "failed": _failed(),
        "machinery": _machinery(),
        "faces": _capped(Face.objects.all()),
    }


def _capped(rows: Any) -> int:
    return int(rows.order_by()[:MOST_COUNTED].count())


def _running() -> list[tuple[Task, Progress]]:
    tasks = list(
        Task.objects.filter(task_status__in=ACTIVE)
        .defer("content", "inputs", "secrets")
        .order_by("-task_status", "-pk")[:MOST_RUNNING]
    )
    progress = progress_of(tasks, now=timezone.now())
    return [(task, progress[task.pk]) for task in tasks]


def _failed() -> list[tuple[Task, TaskError | None]]:
    tasks = list(
        Task.objects.filter(task_status=Status.FAILED)
        .defer("content", "inputs", "secrets")
        .order_by("-pk")[:MOST_FAILED]
    )
    newest = TaskError.objects.filter(task__in=tasks).order_by().values("task_id").annotate(last=Max("pk"))
    errors = {error.task_id: error for error in TaskError.objects.filter(pk__in=newest.values("last"))}
    return [(task, errors.get(task.pk)) for task in tasks]


def _machinery() -> Machinery:
    busy = Subtask.objects.filter(lease_until__gte=Now()).values("worker").distinct().count()
    overdue = _capped(Subtask.objects.filter(lease_until__lt=Now(), subtask_status=Status.IN_PROGRESS))
    try:
        names = (dispatch.CONTROL, *sorted(set(dispatch.QUEUE_OF_TYPE.values())))
        waiting = {name: int(dispatch.queue(name).count) for name in names}
        workers = len(Worker.all(connection=dispatch.queue(dispatch.CONTROL).connection))
    except RedisError:
        return Machinery(None, 0, busy, overdue)
    return Machinery(waiting, workers, busy, overdue)
