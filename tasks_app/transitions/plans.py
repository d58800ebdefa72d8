"""Creation of a task, and the parts of its phases."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from tasks_app import dispatch
from tasks_app.models import Subtask, Task
from tasks_app.states import Status, Step
from tasks_app.transitions.ends import end_phase
from tasks_app.transitions.fences import FREE, ROWS_PER_TRANSACTION, TaskFence, delete_in_batches, locked


def create(**columns: Any) -> Task:
    """A pending task, its first message sent on commit."""
    with transaction.atomic():
        task = Task.objects.create(dispatched_at=Now(), **columns)
        dispatch.send_on_commit([dispatch.task_message(task)])
    return task


def clear_unplanned_parts(fence: TaskFence) -> None:
    """Remove what an earlier attempt at this split left behind."""
    leftovers = Subtask.objects.filter(task_id=fence.task_id, phase__gte=fence.phase)
    delete_in_batches(fence, leftovers)


def add_parts(fence: TaskFence, contents: Sequence[Any], *, first: int) -> None:
    """Write parts first, first + 1, ... of the phase that is being split; nobody sees them before `start_parts`."""
    with transaction.atomic():
        locked(fence)
        Subtask.objects.bulk_create(
            [
                Subtask(
                    task_id=fence.task_id,
                    run=fence.run,
                    phase=fence.phase,
                    number=number,
                    content=content,
                    create_time=Now(),
                )
                for number, content in enumerate(contents, first)
            ],
            ignore_conflicts=True,  # the batch may be there already: a commit whose answer was lost
        )


def start_parts(fence: TaskFence, *, count: int, last: bool, inputs: dict[str, Any]) -> None:
    """End the split: `count` parts may run now; without any, go on to what follows the phase."""
    with transaction.atomic():
        task = locked(fence)
        fence.rows().update(
            step=Step.PARTS,
            planned_phases=fence.phase + 1,
            last_phase=last,
            inputs={**task.inputs, **inputs},
            count_task_parts_all=F("count_task_parts_all") + count,
            last_update_time=Now(),
            dispatched_at=Now(),
            **FREE,
        )
        if not count:
            end_phase(Task.without_content.get(pk=fence.task_id))


def dispatch_parts(task_id: int, run: int, phase: int) -> None:
    """Send the pending parts of a phase that `start_parts` or a rerun opened, a batch at a time."""
    task = Task.without_content.get(pk=task_id)
    waiting = Subtask.objects.filter(
        task_id=task_id, run=run, phase=phase, subtask_status=Status.PENDING, dispatched_at__isnull=True
    ).order_by("pk")
    last = 0
    while batch := list(waiting.filter(pk__gt=last)[:ROWS_PER_TRANSACTION]):
        last = batch[-1].pk
        mark_sent(Subtask.objects.filter(pk__in=[part.pk for part in batch], dispatched_at__isnull=True))
        if not dispatch.send([dispatch.part_message(part, task) for part in batch]):
            return


def mark_sent(rows: QuerySet[Any]) -> None:
    """Write the time of sending into rows whose task is not locked.

    Rows that somebody else has locked are left out: he claims or ends them, and who waits for nobody is in no deadlock.
    """
    with transaction.atomic():
        free = rows.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True)
        rows.model.objects.filter(pk__in=list(free)).update(dispatched_at=Now())
