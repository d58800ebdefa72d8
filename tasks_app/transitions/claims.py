"""Claims: taken by one worker, kept by its heartbeat, given back, or taken from one that was lost."""

from dataclasses import replace

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, PositiveSmallIntegerField, Value, When
from django.db.models.functions import Coalesce, Now

from tasks_app import dispatch
from tasks_app.models import Subtask, Task
from tasks_app.states import Status, Step
from tasks_app.transitions.fences import FREE, Fence, PartFence, TaskFence, lease_end, lease_lost


def claim_task(fence: TaskFence, *, worker: str, lease: float) -> TaskFence | None:
    """Take the step that the message names; None when somebody else has or had it."""
    changed = (
        fence.rows()
        .filter(lease_until__isnull=True)
        .update(
            attempt=F("attempt") + 1,
            lease_until=lease_end(lease),
            worker=worker,
            task_status=Case(
                When(task_status=Status.PENDING, then=Value(int(Status.IN_PROGRESS))),
                default=F("task_status"),
                output_field=PositiveSmallIntegerField(),
            ),
            start_time=Coalesce(F("start_time"), Now()),
            last_update_time=Now(),
            progress_done=0,
            progress_all=0,
        )
    )
    return replace(fence, attempt=fence.attempt + 1) if changed else None


def claim_part(fence: PartFence, *, worker: str, lease: float) -> PartFence | None:
    """Take the part that the message names; None when somebody else has or had it, or its task is not there yet."""
    # The part's own columns stand outside of the subquery: PostgreSQL checks those again after waiting for a row.
    ready = Task.objects.filter(
        pk=OuterRef("task_id"), run=fence.run, step=Step.PARTS, phase=OuterRef("phase"), task_status=Status.IN_PROGRESS
    )
    changed = Subtask.objects.filter(
        Exists(ready),
        pk=fence.part_id,
        task_id=fence.task_id,
        run=fence.run,
        attempt=fence.attempt,
        subtask_status=Status.PENDING,
    ).update(
        attempt=F("attempt") + 1,
        lease_until=lease_end(lease),
        worker=worker,
        subtask_status=Status.IN_PROGRESS,
        start_time=Now(),
        progress_done=0,
        progress_all=0,
    )
    return replace(fence, attempt=fence.attempt + 1) if changed else None


def extend_lease(fence: Fence, *, lease: float, done: int, total: int) -> bool:
    """Heartbeat: keep the claim and show progress; False when the claim is lost."""
    return bool(
        fence.rows()
        .filter(lease_until__isnull=False)
        .update(lease_until=lease_end(lease), progress_done=done, progress_all=total)
    )


def hand_back(fence: Fence, *, worker: str = "") -> bool:
    """Give the claim back at once (a graceful stop), uncounted, and send its message again.

    `worker`: only when it has the claim, for one that cannot know whether its claim was committed.
    """
    held = {"worker": worker} if worker else {}
    free = {**FREE, "dispatched_at": Now()}
    with transaction.atomic():
        if isinstance(fence, TaskFence):
            changed = fence.rows().filter(**held).update(**free)
        else:
            changed = fence.rows().filter(**held).update(subtask_status=Status.PENDING, **free)
        if changed:
            dispatch.send_on_commit([_message(fence)])
    return bool(changed)


def _message(fence: Fence) -> dispatch.Message:
    task = Task.without_content.get(pk=fence.task_id)
    if isinstance(fence, TaskFence):
        return dispatch.task_message(task)
    return dispatch.part_message(Subtask.objects.get(pk=fence.part_id), task)


def release_lost_part(part: Subtask) -> bool:
    """Let others have a part whose lease ran out; False when it went on meanwhile."""
    fence = PartFence(part.task_id, part.pk, part.run, part.attempt)
    return bool(
        fence.rows()
        .filter(lease_lost())
        .update(subtask_status=Status.PENDING, lost_count=F("lost_count") + 1, dispatched_at=Now(), **FREE)
    )


def release_lost_task(task: Task) -> bool:
    """Let others have a split or merge whose lease ran out; False when it went on meanwhile."""
    fence = TaskFence(task.pk, task.run, Step(task.step), task.phase, task.attempt)
    return bool(fence.rows().filter(lease_lost()).update(lost_count=F("lost_count") + 1, dispatched_at=Now(), **FREE))
