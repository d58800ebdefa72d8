"""Reruns: what is finished is kept, of a done task nothing is."""

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from lunatasks import errors
from tasks_app import dispatch
from tasks_app.models import Subtask, Task
from tasks_app.states import RERUNNABLE, Status, Step
from tasks_app.transitions.ends import open_step
from tasks_app.transitions.fences import FREE, ROWS_PER_TRANSACTION, TaskFence, delete_in_batches, locked


def rerun(task_id: int, *, request_id: str) -> None:
    """Run an ended task again: what is finished is kept, of a done task nothing is.

    Raises TaskNotFound, NotRerunnable.
    """
    with transaction.atomic():
        task = Task.without_content.select_for_update().filter(pk=task_id).first()
        if task is None:
            raise errors.TaskNotFound(task_id)
        # A restart that was cancelled half-way has parts missing: it can only be started again.
        afresh = task.task_status == Status.DONE or task.step == Step.RESTART
        changed = Task.objects.filter(pk=task_id, run=task.run, task_status__in=RERUNNABLE).update(
            run=F("run") + 1,
            task_status=Status.PENDING,
            step=Step.RESTART if afresh else Step.RESUME,
            lost_count=0,
            request_id=request_id,
            start_time=None,
            end_time=None,
            last_update_time=Now(),
            dispatched_at=Now(),
            result_id=None,
            result_path="",
            result_size=0,
            result_sha256="",
            **FREE,
        )
        if not changed:
            raise errors.NotRerunnable(task_id, task.task_status)
        dispatch.send_on_commit([dispatch.task_message(Task.without_content.get(pk=task_id))])


def restart(fence: TaskFence) -> None:
    """First step of the rerun of a done task: nothing of the run before stays."""
    delete_in_batches(fence, Task.without_content.get(pk=fence.task_id).errors.all())
    delete_in_batches(fence, Subtask.objects.filter(task_id=fence.task_id))
    with transaction.atomic():
        task = locked(fence)
        open_step(
            task,
            Step.SPLIT,
            phase=0,
            planned_phases=0,
            last_phase=False,
            inputs={},
            count_task_parts_all=0,
            count_task_parts_done=0,
        )


def resume(fence: TaskFence) -> Step:
    """First step of the rerun of a failed or cancelled task: finished parts stay, the others wait again."""
    task = Task.without_content.get(pk=fence.task_id)
    parts = Subtask.objects.filter(task_id=fence.task_id)
    delete_in_batches(fence, parts.filter(phase__gte=task.planned_phases))
    unfinished = parts.exclude(subtask_status=Status.DONE)
    broken = unfinished.order_by("phase").values_list("phase", flat=True).first()
    delete_in_batches(fence, task.errors.filter(subtask=None))
    if broken is not None:
        delete_in_batches(fence, parts.filter(phase__gt=broken))
        delete_in_batches(fence, task.errors.filter(subtask__in=unfinished))
        _put_back(fence, unfinished)
    with transaction.atomic():
        task = locked(fence)
        return _open_resumed(task, parts, broken)


def _put_back(fence: TaskFence, unfinished: QuerySet[Subtask]) -> None:
    old = unfinished.exclude(run=fence.run, subtask_status=Status.PENDING).order_by("pk").values_list("pk", flat=True)
    while batch := list(old[:ROWS_PER_TRANSACTION]):
        with transaction.atomic():
            locked(fence)
            Subtask.objects.filter(pk__in=batch).update(
                run=fence.run,
                subtask_status=Status.PENDING,
                end_time=None,
                start_time=None,
                lost_count=0,
                dispatched_at=None,
                **FREE,
            )


def _open_resumed(task: Task, parts: QuerySet[Subtask], broken: int | None) -> Step:
    counts = {
        "count_task_parts_all": parts.count(),
        "count_task_parts_done": parts.filter(subtask_status=Status.DONE).count(),
    }
    if broken is not None:
        last = task.last_phase and broken + 1 == task.planned_phases
        open_step(task, Step.PARTS, phase=broken, planned_phases=broken + 1, last_phase=last, **counts)
        return Step.PARTS
    if task.planned_phases and task.last_phase:
        open_step(task, Step.MERGE, task_status=Status.COLLECT_RESULTS, **counts)
        return Step.MERGE
    open_step(task, Step.SPLIT, phase=task.planned_phases, **counts)
    return Step.SPLIT
