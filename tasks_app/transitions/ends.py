"""Ends of parts, of phases and of tasks; deletion."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from lunatasks import errors
from tasks_app import dispatch
from tasks_app.models import Subtask, Task
from tasks_app.states import CANCELLABLE, OPEN, TERMINAL, Status, Step
from tasks_app.transitions.fences import (
    FREE,
    ROWS_PER_TRANSACTION,
    Artefact,
    FenceLost,
    PartFence,
    TaskFence,
    lease_lost,
    locked,
    store_errors,
)


def finish_part(fence: PartFence, artefact: Artefact | None, found: Sequence[errors.LunaError] = ()) -> None:
    """The part is done; the last one of its phase opens what follows. Raises FenceLost."""
    columns = artefact.columns() if artefact else {"result_id": uuid.uuid4()}
    with transaction.atomic():
        _end_part(fence, fence.rows(), Status.DONE, found, columns)


def fail_part(fence: PartFence, found: Sequence[errors.LunaError]) -> None:
    """The part failed for good; its task goes on with the others. Raises FenceLost."""
    with transaction.atomic():
        _end_part(fence, fence.rows(), Status.FAILED, found, {})


def quarantine_part(part: Subtask, error: errors.LunaError) -> bool:
    """Fail a part whose lease ran out once too often; False when it went on meanwhile."""
    fence = PartFence(part.task_id, part.pk, part.run, part.attempt)
    expired = fence.rows().filter(lease_lost())
    try:
        with transaction.atomic():
            _end_part(fence, expired, Status.FAILED, [error], {"lost_count": F("lost_count") + 1})
    except FenceLost:
        return False
    return True


def _end_part(
    fence: PartFence,
    rows: QuerySet[Subtask],
    status: Status,
    found: Sequence[errors.LunaError],
    columns: dict[str, Any],
) -> None:
    # The task's row first: of several parts that end together exactly one then sees that none is left.
    task = (
        Task.without_content.select_for_update()
        .filter(pk=fence.task_id, run=fence.run, step=Step.PARTS, task_status=Status.IN_PROGRESS)
        .first()
    )
    if task is None or not rows.update(subtask_status=status, end_time=Now(), **FREE, **columns):
        raise FenceLost
    store_errors(task, found, part_id=fence.part_id)
    Task.objects.filter(pk=task.pk).update(
        count_task_parts_done=F("count_task_parts_done") + int(status == Status.DONE), last_update_time=Now()
    )
    if not task.subtasks.filter(phase=task.phase, subtask_status__in=OPEN).exists():
        end_phase(task)


def end_phase(task: Task) -> None:
    """All parts of the phase have ended and the task's row is locked: merge, next phase, or failure."""
    parts = task.subtasks.filter(phase=task.phase)
    if parts.exists() and not parts.filter(subtask_status=Status.DONE).exists():
        store_errors(task, [errors.AllPartsFailed(parts.count())])
        end_task(Task.objects.filter(pk=task.pk), Status.FAILED)
    elif task.last_phase:
        open_step(task, Step.MERGE, task_status=Status.COLLECT_RESULTS)
    else:
        open_step(task, Step.SPLIT, phase=task.phase + 1)


def open_step(task: Task, step: Step, **columns: Any) -> None:
    Task.objects.filter(pk=task.pk).update(
        step=step, dispatched_at=Now(), lost_count=0, last_update_time=Now(), **FREE, **columns
    )
    if step != Step.PARTS:
        dispatch.send_on_commit([dispatch.task_message(Task.without_content.get(pk=task.pk))])


def finish_task(fence: TaskFence, artefact: Artefact, found: Sequence[errors.LunaError] = ()) -> None:
    """The result is there. Raises FenceLost."""
    with transaction.atomic():
        task = locked(fence)
        store_errors(task, found)
        end_task(fence.rows(), Status.DONE, **artefact.columns())


def fail_task(fence: TaskFence, found: Sequence[errors.LunaError]) -> None:
    """Split or merge failed for good. Raises FenceLost."""
    with transaction.atomic():
        task = locked(fence)
        store_errors(task, found)
        end_task(fence.rows(), Status.FAILED)


def quarantine_task(task: Task, error: errors.LunaError) -> bool:
    """Fail a task whose split or merge lost its worker once too often; False when it went on meanwhile."""
    fence = TaskFence(task.pk, task.run, Step(task.step), task.phase, task.attempt)
    with transaction.atomic():
        row = fence.rows().select_for_update().filter(lease_lost()).first()
        if row is None:
            return False
        store_errors(row, [error])
        return end_task(fence.rows(), Status.FAILED, lost_count=F("lost_count") + 1)


def end_task(rows: QuerySet[Task], status: Status, **columns: Any) -> bool:
    return bool(rows.update(task_status=status, end_time=Now(), last_update_time=Now(), **FREE, **columns))


def cancel(task_id: int) -> None:
    """Cancel an active task: at once for parts that wait, at their next check for those that run.

    Raises TaskNotFound, NotCancellable.
    """
    with transaction.atomic():
        task = Task.without_content.select_for_update().filter(pk=task_id).first()
        if task is None:
            raise errors.TaskNotFound(task_id)
        rows = Task.objects.filter(pk=task_id, run=task.run, task_status__in=CANCELLABLE)
        if not end_task(rows, Status.CANCELLED):
            raise errors.NotCancellable(task_id, task.task_status)
        store_errors(task, [errors.TaskCancelled(task_id)])
        # No more running parts than workers: all of them now; the waiting ones follow in batches.
        _cancel_parts(task.subtasks.filter(subtask_status=Status.IN_PROGRESS))
    settle_parts(task_id)


def settle_parts(task_id: int) -> int:
    """Cancel the open parts of a task that has ended, a batch at a time; how many there were."""
    count = 0
    ended = Task.objects.filter(pk=task_id, task_status__in=TERMINAL)
    while batch := list(
        Subtask.objects.filter(task_id=task_id, subtask_status__in=OPEN)
        .order_by("pk")
        .values_list("pk", flat=True)[:ROWS_PER_TRANSACTION]
    ):
        with transaction.atomic():
            if not ended.select_for_update().exists():
                return count
            count += _cancel_parts(Subtask.objects.filter(pk__in=batch, subtask_status__in=OPEN))
    return count


def _cancel_parts(parts: QuerySet[Subtask]) -> int:
    return parts.update(subtask_status=Status.CANCELLED, end_time=Now(), **FREE)


def delete(task_id: int) -> bool:
    """Remove an ended task with its parts and errors, in batches, its own row last; False when it was run again."""
    ended = Task.without_content.filter(pk=task_id, task_status__in=TERMINAL)
    # Of a task that is half gone, after a kill, nothing may be kept by a rerun.
    ended.update(step=Step.RESTART)
    for related in (Task(pk=task_id).errors.all(), Subtask.objects.filter(task_id=task_id)):
        while _delete_batch(ended, related):
            pass
    with transaction.atomic():
        if ended.select_for_update().exists():
            ended.delete()
    return not Task.objects.filter(pk=task_id).exists()


def _delete_batch(ended: QuerySet[Task], related: QuerySet[Any]) -> bool:
    with transaction.atomic():
        if not ended.select_for_update().exists():
            return False
        batch = list(related.order_by("pk").values_list("pk", flat=True)[:ROWS_PER_TRANSACTION])
        related.model.objects.filter(pk__in=batch).delete()
    return bool(batch)
