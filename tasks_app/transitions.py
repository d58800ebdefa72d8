"""The only writer of status, step, run and lease.

Every function is one guarded UPDATE, or a few of them behind a lock of the task's row; the lock order is task
before part everywhere. A worker's identity is a fence: run and attempt (and step and phase of a task) stand in
every WHERE, so that one whose lease ran out changes nothing. Leases are reckoned by the database's clock.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, PositiveSmallIntegerField, QuerySet, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from lunatasks import errors
from tasks_app import dispatch
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, CANCELLABLE, OPEN, RERUNNABLE, TERMINAL, Status, Step

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
        return Task.objects.filter(
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


FREE = {"lease_until": None, "worker": ""}


# -- claims ------------------------------------------------------------------------------------------


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


def hand_back(fence: Fence) -> bool:
    """Give the claim back at once (a graceful stop), uncounted, and send its message again."""
    free = {**FREE, "dispatched_at": Now()}
    with transaction.atomic():
        if isinstance(fence, TaskFence):
            changed = fence.rows().update(**free)
        else:
            changed = fence.rows().update(subtask_status=Status.PENDING, **free)
        if changed:
            dispatch.send_on_commit([_message(fence)])
    return bool(changed)


def _message(fence: Fence) -> dispatch.Message:
    task = Task.objects.get(pk=fence.task_id)
    if isinstance(fence, TaskFence):
        return dispatch.task_message(task)
    return dispatch.part_message(Subtask.objects.get(pk=fence.part_id), task)


# -- creation and planning ---------------------------------------------------------------------------


def create(**columns: Any) -> Task:
    """A pending task, its first message sent on commit."""
    with transaction.atomic():
        task = Task.objects.create(dispatched_at=Now(), **columns)
        dispatch.send_on_commit([dispatch.task_message(task)])
    return task


def clear_unplanned_parts(fence: TaskFence) -> None:
    """Remove what an earlier attempt at this split left behind."""
    leftovers = Subtask.objects.filter(task_id=fence.task_id, phase__gte=fence.phase)
    _delete_in_batches(fence, leftovers)


def add_parts(fence: TaskFence, contents: Sequence[Any], *, first: int) -> None:
    """Write parts first, first + 1, ... of the phase that is being split; nobody sees them before `start_parts`."""
    with transaction.atomic():
        _locked(fence)
        Subtask.objects.bulk_create(
            [
                Subtask(task_id=fence.task_id, run=fence.run, phase=fence.phase, number=number, content=content)
                for number, content in enumerate(contents, first)
            ],
            ignore_conflicts=True,  # the batch may be there already: a commit whose answer was lost
        )


def start_parts(fence: TaskFence, *, count: int, last: bool, inputs: dict[str, Any]) -> None:
    """End the split: `count` parts may run now; without any, go on to what follows the phase."""
    with transaction.atomic():
        task = _locked(fence)
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
            _end_phase(Task.objects.get(pk=fence.task_id))


def dispatch_parts(task_id: int, run: int, phase: int) -> None:
    """Send the pending parts of a phase that `start_parts` or a rerun opened, a batch at a time."""
    task = Task.objects.get(pk=task_id)
    waiting = Subtask.objects.filter(
        task_id=task_id, run=run, phase=phase, subtask_status=Status.PENDING, dispatched_at__isnull=True
    ).order_by("pk")
    while batch := list(waiting[:ROWS_PER_TRANSACTION]):
        Subtask.objects.filter(pk__in=[part.pk for part in batch], dispatched_at__isnull=True).update(
            dispatched_at=Now()
        )
        if not dispatch.send([dispatch.part_message(part, task) for part in batch]):
            return


# -- ends of parts -----------------------------------------------------------------------------------


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
    expired = fence.rows().filter(lease_until__lt=Now())
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
        Task.objects.select_for_update()
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
        _end_phase(task)


def _end_phase(task: Task) -> None:
    """All parts of the phase have ended and the task's row is locked: merge, next phase, or failure."""
    parts = task.subtasks.filter(phase=task.phase)
    if parts.exists() and not parts.filter(subtask_status=Status.DONE).exists():
        store_errors(task, [errors.AllPartsFailed(parts.count())])
        _end_task(Task.objects.filter(pk=task.pk), Status.FAILED)
    elif task.last_phase:
        _open_step(task, Step.MERGE, task_status=Status.COLLECT_RESULTS)
    else:
        _open_step(task, Step.SPLIT, phase=task.phase + 1)


def _open_step(task: Task, step: Step, **columns: Any) -> None:
    Task.objects.filter(pk=task.pk).update(
        step=step, dispatched_at=Now(), lost_count=0, last_update_time=Now(), **FREE, **columns
    )
    if step != Step.PARTS:
        dispatch.send_on_commit([dispatch.task_message(Task.objects.get(pk=task.pk))])


# -- ends of tasks -----------------------------------------------------------------------------------


def finish_task(fence: TaskFence, artefact: Artefact, found: Sequence[errors.LunaError] = ()) -> None:
    """The result is there. Raises FenceLost."""
    with transaction.atomic():
        task = _locked(fence)
        store_errors(task, found)
        _end_task(fence.rows(), Status.DONE, **artefact.columns())


def fail_task(fence: TaskFence, found: Sequence[errors.LunaError]) -> None:
    """Split or merge failed for good. Raises FenceLost."""
    with transaction.atomic():
        task = _locked(fence)
        store_errors(task, found)
        _end_task(fence.rows(), Status.FAILED)


def quarantine_task(task: Task, error: errors.LunaError) -> bool:
    """Fail a task whose split or merge lost its worker once too often; False when it went on meanwhile."""
    fence = TaskFence(task.pk, task.run, Step(task.step), task.phase, task.attempt)
    with transaction.atomic():
        row = fence.rows().select_for_update().filter(lease_until__lt=Now()).first()
        if row is None:
            return False
        store_errors(row, [error])
        return _end_task(fence.rows(), Status.FAILED, lost_count=F("lost_count") + 1)


def _end_task(rows: QuerySet[Task], status: Status, **columns: Any) -> bool:
    return bool(rows.update(task_status=status, end_time=Now(), last_update_time=Now(), **FREE, **columns))


def cancel(task_id: int) -> None:
    """Cancel an active task: at once for parts that wait, at their next check for those that run.

    Raises TaskNotFound, NotCancellable.
    """
    with transaction.atomic():
        task = Task.objects.select_for_update().filter(pk=task_id).first()
        if task is None:
            raise errors.TaskNotFound(task_id)
        rows = Task.objects.filter(pk=task_id, run=task.run, task_status__in=CANCELLABLE)
        if not _end_task(rows, Status.CANCELLED):
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


# -- rerun -------------------------------------------------------------------------------------------


def rerun(task_id: int, *, request_id: str) -> None:
    """Run an ended task again: what is finished is kept, of a done task nothing is.

    Raises TaskNotFound, NotRerunnable.
    """
    with transaction.atomic():
        task = Task.objects.select_for_update().filter(pk=task_id).first()
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
        dispatch.send_on_commit([dispatch.task_message(Task.objects.get(pk=task_id))])


def restart(fence: TaskFence) -> None:
    """First step of the rerun of a done task: nothing of the run before stays."""
    _delete_in_batches(fence, Task.objects.get(pk=fence.task_id).errors.all())
    _delete_in_batches(fence, Subtask.objects.filter(task_id=fence.task_id))
    with transaction.atomic():
        task = _locked(fence)
        _open_step(
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
    task = Task.objects.get(pk=fence.task_id)
    parts = Subtask.objects.filter(task_id=fence.task_id)
    _delete_in_batches(fence, parts.filter(phase__gte=task.planned_phases))
    unfinished = parts.exclude(subtask_status=Status.DONE)
    broken = unfinished.order_by("phase").values_list("phase", flat=True).first()
    _delete_in_batches(fence, task.errors.filter(subtask=None))
    if broken is not None:
        _delete_in_batches(fence, parts.filter(phase__gt=broken))
        _delete_in_batches(fence, task.errors.filter(subtask__in=unfinished))
        _put_back(fence, unfinished)
    with transaction.atomic():
        task = _locked(fence)
        return _open_resumed(task, parts, broken)


def _put_back(fence: TaskFence, unfinished: QuerySet[Subtask]) -> None:
    old = unfinished.exclude(run=fence.run, subtask_status=Status.PENDING).order_by("pk").values_list("pk", flat=True)
    while batch := list(old[:ROWS_PER_TRANSACTION]):
        with transaction.atomic():
            _locked(fence)
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
        _open_step(task, Step.PARTS, phase=broken, planned_phases=broken + 1, last_phase=last, **counts)
        return Step.PARTS
    if task.planned_phases and task.last_phase:
        _open_step(task, Step.MERGE, task_status=Status.COLLECT_RESULTS, **counts)
        return Step.MERGE
    _open_step(task, Step.SPLIT, phase=task.planned_phases, **counts)
    return Step.SPLIT


# -- rescue ------------------------------------------------------------------------------------------


def release_lost_part(part: Subtask) -> bool:
    """Let others have a part whose lease ran out; False when it went on meanwhile."""
    fence = PartFence(part.task_id, part.pk, part.run, part.attempt)
    return bool(
        fence.rows()
        .filter(lease_until__lt=Now())
        .update(subtask_status=Status.PENDING, lost_count=F("lost_count") + 1, dispatched_at=Now(), **FREE)
    )


def release_lost_task(task: Task) -> bool:
    """Let others have a split or merge whose lease ran out; False when it went on meanwhile."""
    fence = TaskFence(task.pk, task.run, Step(task.step), task.phase, task.attempt)
    return bool(
        fence.rows().filter(lease_until__lt=Now()).update(lost_count=F("lost_count") + 1, dispatched_at=Now(), **FREE)
    )


# -- deletion ----------------------------------------------------------------------------------------


def delete(task_id: int) -> bool:
    """Remove an ended task with its parts and errors, in batches, its own row last; False when it was run again."""
    ended = Task.objects.filter(pk=task_id, task_status__in=TERMINAL)
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


# -- inside ------------------------------------------------------------------------------------------


def _locked(fence: TaskFence) -> Task:
    task = fence.rows().select_for_update().first()
    if task is None:
        raise FenceLost
    return task


def _delete_in_batches(fence: TaskFence, rows: QuerySet[Any]) -> None:
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_PER_TRANSACTION]):
        with transaction.atomic():
            _locked(fence)
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
