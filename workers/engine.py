"""Running the steps of tasks: claim, work under a heartbeat, commit under the fence.

The only place with a broad `except`: whatever a task type raises ends its part or its task, never the worker.
"""

import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connection

from lunatasks import errors
from lunatasks.luna_services.ports import PortError
from tasks_app import artefacts, transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import Status, Step, TaskType
from tasks_app.transitions import Artefact, FenceLost, PartFence, TaskFence
from workers import faults
from workers.context import SIGNALS_OF_PROCESS, Context, Part, Stopped, context_of_part, context_of_step
from workers.heartbeat import Heartbeat
from workers.task_types import TYPES
from workers.task_types.base import Plan, TaskKind

logger = logging.getLogger(__name__)

DATABASE_GONE = (OperationalError, InterfaceError, InternalError)
"""The last one is PostgreSQL's for a session that it ended because nothing came in a transaction for too long."""
MOST_ATTEMPTS = 20
"""Claims of one part or step after which the loss of the database counts like any other."""
STOP_SECONDS = 3.0
Value = TypeVar("Value")
FenceOf = TypeVar("FenceOf", TaskFence, PartFence)


@cache
def worker_name() -> str:
    """Who holds a claim, for people who look: host and process."""
    return f"{socket.gethostname()[:100]}:{os.getpid()}"


# -- split -------------------------------------------------------------------------------------------


def run_split(fence: TaskFence) -> None:
    """Plan a phase, or do the first step of a rerun."""
    with _claimed(transitions.claim_task, fence) as claimed:
        if claimed is None:
            return
        faults.point("task.claimed")
        task = Task.objects.get(pk=claimed.task_id)
        if claimed.step == Step.SPLIT:
            _work_on_task(claimed, task, "split", _split)
        else:
            _work_on_task(claimed, task, "rerun", _reopen)


def _split(claimed: TaskFence, task: Task, context: Context) -> None:
    plan = kind_of(task).split(context, claimed.phase)
    faults.point("split.planned")
    _keep(transitions.clear_unplanned_parts, claimed)
    count = 0
    for batch in _batches(plan.parts, 1000):
        _keep(transitions.add_parts, claimed, batch, first=count)
        count += len(batch)
        context.check()
    faults.point("split.parts_written")
    faults.point("split.before_commit")
    _keep(transitions.start_parts, claimed, count=count, last=plan.last, inputs=_plain(plan))
    faults.point("split.committed")
    transitions.dispatch_parts(task.pk, claimed.run, claimed.phase)
    faults.point("split.dispatched")


def _plain(plan: Plan) -> dict[str, Any]:
    return {
        name: {"path": value.path, "size": value.size, "sha256": value.sha256} if isinstance(value, Artefact) else value
        for name, value in plan.inputs.items()
    }


def _reopen(claimed: TaskFence, task: Task, context: Context) -> None:
    if claimed.step == Step.RESTART:
        transitions.restart(claimed)
    elif transitions.resume(claimed) == Step.PARTS:
        opened = Task.without_content.get(pk=task.pk)
        transitions.dispatch_parts(task.pk, claimed.run, opened.phase)


# -- parts -------------------------------------------------------------------------------------------


def run_part(fence: PartFence) -> None:
    """Run one part."""
    with _claimed(transitions.claim_part, fence) as claimed:
        if claimed is None:
            return
        part = Subtask.objects.select_related("task").get(pk=claimed.part_id)
        faults.point("part.claimed", f"{part.task_id}-{part.phase}-{part.number}")
        _work_on_part(claimed, part)
    faults.point("part.committed")


def _work_on_part(claimed: PartFence, part: Subtask) -> None:
    context = context_of_part(part.task, part)
    with Heartbeat(claimed, context.signals):
        try:
            artefact = kind_of(part.task).process(context, part.content)
            faults.point("part.computed")
            faults.point("part.before_commit")
            _keep(transitions.finish_part, claimed, artefact, context.errors)
        except (Stopped, FenceLost):
            _let_go(claimed, context)
        except Exception as error:
            _fail(transitions.fail_part, claimed, context, error)


# -- merge -------------------------------------------------------------------------------------------


def run_merge(fence: TaskFence) -> None:
    """Make the result of the ended parts."""
    with _claimed(transitions.claim_task, fence) as claimed:
        if claimed is None:
            return
        faults.point("merge.claimed")
        task = Task.objects.get(pk=claimed.task_id)
        _work_on_task(claimed, task, "result", _merge)
        _remove_part_files(task.pk)


def _merge(claimed: TaskFence, task: Task, context: Context) -> None:
    kind = kind_of(task)
    if kind.needs_all_parts:
        _refuse_incomplete(task)
    artefact = kind.merge(context, ended_parts(task))
    faults.point("merge.computed")
    faults.point("merge.before_commit")
    _keep(transitions.finish_task, claimed, artefact, context.errors)
    faults.point("merge.committed")


def _remove_part_files(task_id: int) -> None:
    task = Task.without_content.filter(pk=task_id, task_status=Status.DONE).first()
    if task is None:
        return
    try:
        artefacts.delete_of_parts(task)
    except OSError as error:  # the sweep of rescue comes by again
        logger.warning("files of parts of task %s could not be removed: %s", task_id, type(error).__name__)


def _refuse_incomplete(task: Task) -> None:
    count = task.subtasks.count()
    failed = count - task.subtasks.filter(subtask_status=Status.DONE).count()
    if failed:
        raise errors.PartsIncomplete(failed, count)


def ended_parts(task: Task) -> Iterator[Part]:
    """The done parts of the last phase, by number."""
    rows = task.subtasks.filter(phase=task.phase, subtask_status=Status.DONE).order_by("number")
    for row in rows.iterator(chunk_size=1000):
        artefact = Artefact(row.result_path, row.result_size, row.result_sha256) if row.result_path else None
        yield Part(number=row.number, content=row.content, task_id=task.pk, artefact=artefact)


# -- common ------------------------------------------------------------------------------------------


def kind_of(task: Task) -> TaskKind:
    """The task type's functions. Raises NotAvailable for a type this installation does not run."""
    try:
        return TYPES[TaskType(task.task_type)]
    except KeyError:
        raise errors.NotAvailable(f"task type {task.task_type}") from None


@contextmanager
def _claimed(claim: Callable[..., FenceOf | None], fence: FenceOf) -> Iterator[FenceOf | None]:
    """The claim that a message names, None when it is not to be had.

    When the database goes away meanwhile the claim is given back: that is no fault of the work, and does not count.
    """
    held = replace(fence, attempt=fence.attempt + 1)
    try:
        claimed = claim(fence, worker=worker_name(), lease=settings.LUNATASKS_LEASE_SECONDS)
    except DATABASE_GONE as error:  # it may be committed though its answer was lost
        _give_back(held, error)
        claimed = None
    if claimed is None:
        logger.debug("%s was not to be had", fence)
    try:
        yield claimed
    except DATABASE_GONE as error:
        _give_back(held, error)


def _give_back(held: TaskFence | PartFence, error: Exception) -> None:
    # A statement that fails wherever it runs, or that ends its own session each time: the lease runs out, and counts.
    if connection.is_usable() or held.attempt > MOST_ATTEMPTS:
        raise error
    logger.warning("%s: the database is gone (%s)", held, type(error).__name__)
    _keep(transitions.hand_back, held, patience=math.inf, worker=worker_name())


def _work_on_task(claimed: TaskFence, task: Task, name: str, work: Callable[[TaskFence, Task, Context], None]) -> None:
    context = context_of_step(task, run=claimed.run, attempt=claimed.attempt, name=name)
    with Heartbeat(claimed, context.signals):
        try:
            work(claimed, task, context)
        except (Stopped, FenceLost):
            _let_go(claimed, context)
        except Exception as error:
            _fail(transitions.fail_task, claimed, context, error)


def _let_go(claimed: TaskFence | PartFence, context: Context) -> None:
    _forget_files(context)
    if SIGNALS_OF_PROCESS.shutdown.is_set():
        _keep(transitions.hand_back, claimed)
    else:
        logger.info("%s was lost; what it wrote is removed", claimed)


def _fail(transition: Callable[..., None], claimed: TaskFence | PartFence, context: Context, error: Exception) -> None:
    if isinstance(error, DATABASE_GONE):
        # The files stay, for a commit may still be on its way: the sweep takes those that no row names.
        raise error
    _forget_files(context)
    if isinstance(error, errors.LunaError):
        found = error
        logger.warning("%s failed with %s", claimed, error.code)
    else:
        # What a port says may name objects of the account: only its code goes on.
        found = errors.nameless(error.code) if isinstance(error, PortError) else errors.InternalError()
        logger.error("%s failed with an unexpected error", claimed, exc_info=_without_values(error))
    try:
        _keep(transition, claimed, [*context.errors, found])
    except FenceLost:
        logger.info("%s was lost while it failed", claimed)


def _forget_files(context: Context) -> None:
    try:
        context.forget_files()
    except (OSError, *DATABASE_GONE) as error:  # the sweep of rescue comes by again
        logger.warning("files of a lost claim could not be removed: %s", type(error).__name__)


def _without_values(error: Exception) -> tuple[type[Exception], Exception, Any]:
    # The message of a foreign exception may quote data of the task; where it was raised tells enough.
    return Exception, Exception(f"{type(error).__module__}.{type(error).__qualname__}"), error.__traceback__


def _keep(transition: Callable[..., Value], *arguments: Any, patience: float | None = None, **named: Any) -> Value:
    """Carry out a transition, again after the database has come back, for `patience` seconds or as long as a lease.

    Who is asked to stop has less of it: the lease will run out, and that is better than to be killed.
    """
    started = time.monotonic()
    while True:
        try:
            return transition(*arguments, **named)
        except DATABASE_GONE:
            patient = settings.LUNATASKS_LEASE_SECONDS if patience is None else patience
            if SIGNALS_OF_PROCESS.shutdown.is_set():
                patient = min(patient, STOP_SECONDS)
            if time.monotonic() - started > patient:
                raise
            connection.close()
            time.sleep(0.2)


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
