"""Finding what was lost: leases that ran out, messages that are in no queue, parts and files nobody needs.

Every pass is idempotent; two rescues side by side do no harm.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from redis import RedisError, ResponseError

from lunatasks import errors
from tasks_app import artefacts, dispatch, transitions
from tasks_app.dispatch import Message
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, OPEN, TERMINAL, Status, Step
from workers import faults

logger = logging.getLogger(__name__)

BATCH = 1000


@dataclass(slots=True)
class Report:
    """What a pass did."""

    released: int = 0
    quarantined: int = 0
    sent_again: int = 0
    settled: int = 0

    def __bool__(self) -> bool:
        return bool(self.released or self.quarantined or self.sent_again or self.settled)


def rescue_once(*, release: bool = True) -> Report:
    """One pass over everything but files; leases that ran out are left alone without `release`."""
    report = Report()
    if release:
        _rescue_parts(report)
        _rescue_tasks(report)
    report.sent_again = send_again()
    report.settled = settle_ended()
    if report:
        logger.info("rescue: %s", report)
    return report


@contextmanager
def _for_itself(subject: Task | Subtask | str) -> Iterator[None]:
    """What the database refuses for one row, by a lock or the end of a session, keeps nobody else waiting.

    Raises the error of a database that is gone or locked as a whole: then every row would fail.
    """
    try:
        yield
    except DatabaseError as error:
        if connection.vendor == "sqlite" and isinstance(error, OperationalError):
            raise  # there a lock is one of the whole database
        logger.warning("rescue of %s failed (%s)", subject, type(error).__name__)
        if not connection.is_usable():
            connection.close()
        connection.ensure_connection()


# -- leases that ran out -----------------------------------------------------------------------------


def _rescue_parts(report: Report) -> None:
    expired = Subtask.objects.filter(transitions.lease_lost(), subtask_status=Status.IN_PROGRESS)
    for part in expired.select_related("task").defer("task__content")[:BATCH]:
        with _for_itself(part):
            _rescue_part(part, report)


def _rescue_part(part: Subtask, report: Report) -> None:
    faults.point("rescue.found")
    if part.lost_count + 1 >= settings.LUNATASKS_MAX_LOST:
        error = errors.PartQuarantined(f"Part {part.number}", part.task_id, part.lost_count + 1)
        report.quarantined += transitions.quarantine_part(part, error)
    elif transitions.release_lost_part(part):
        faults.point("rescue.released")
        report.released += 1
        dispatch.send([dispatch.part_message(part, part.task)])


def _rescue_tasks(report: Report) -> None:
    expired = Task.without_content.filter(transitions.lease_lost(), task_status__in=ACTIVE)
    for task in expired[:BATCH]:
        with _for_itself(task):
            _rescue_task(task, report)


def _rescue_task(task: Task, report: Report) -> None:
    faults.point("rescue.found")
    if task.lost_count + 1 >= settings.LUNATASKS_MAX_LOST:
        error = errors.PartQuarantined(Step(task.step).label.capitalize(), task.pk, task.lost_count + 1)
        report.quarantined += transitions.quarantine_task(task, error)
    elif transitions.release_lost_task(task):
        faults.point("rescue.released")
        report.released += 1
        dispatch.send([dispatch.task_message(task)])


# -- messages that are in no queue -------------------------------------------------------------------


def send_again() -> int:
    """Send the messages of old pending rows that are in no queue; how many."""
    count = 0
    try:
        for kind, send_kind in (("tasks' messages", _send_tasks_again), ("parts' messages", _send_parts_again)):
            with _for_itself(kind):
                count += send_kind()
    except RedisError as error:
        logger.warning("the queue does not answer (%s)", type(error).__name__)
    return count


def _send_tasks_again() -> int:
    rows = Task.without_content.filter(
        transitions.sent_long_ago(), task_status__in=ACTIVE, lease_until__isnull=True
    ).exclude(step=Step.PARTS)
    tasks = list(rows.order_by("dispatched_at")[:BATCH])
    return _send_missing(Task.objects.all(), [(task.pk, dispatch.task_message(task)) for task in tasks])


def _send_parts_again() -> int:
    ready = Task.objects.filter(
        pk=OuterRef("task_id"), step=Step.PARTS, phase=OuterRef("phase"), task_status=Status.IN_PROGRESS
    )
    # A part without a time was never sent: the worker that opened its phase died first. Then the phase's time counts.
    rows = (
        Subtask.objects.filter(Exists(ready), subtask_status=Status.PENDING)
        .annotate(sent=Coalesce("dispatched_at", F("task__dispatched_at")))
        .filter(transitions.sent_long_ago("sent"))
        .select_related("task")
        .defer("task__content")  # of a hundred thousand entries it would be parsed again for every part
        # first those that were never sent: nobody does them, while of the others most wait in a queue
        .order_by(F("dispatched_at").asc(nulls_first=True), "pk")
    )
    count = 0
    while parts := list(rows[:BATCH]):
        sent = _send_missing(
            Subtask.objects.all(), [(part.pk, dispatch.part_message(part, part.task)) for part in parts]
        )
        count += sent
        if not sent or len(parts) < BATCH:
            break
    return count


def _send_missing(rows: QuerySet[Task] | QuerySet[Subtask], found: Sequence[tuple[int, Message]]) -> int:
    """Send those whose message is in no queue; all of them are looked at again only after a while."""
    by_queue: dict[str, list[tuple[int, Message]]] = defaultdict(list)
    for pk, message in found:
        by_queue[message.queue].append((pk, message))
    return sum(_send_missing_of(name, rows, group) for name, group in by_queue.items())


def _send_missing_of(queue: str, rows: QuerySet[Task] | QuerySet[Subtask], found: Sequence[tuple[int, Message]]) -> int:
    try:
        names = dispatch.waiting_names(queue)
    except ResponseError:  # somebody else's value stands in its place: the other queues may be well
        logger.warning("the queue %s cannot be read", queue)
        return 0
    missing = [message for _, message in found if message.name not in names]
    if missing and not dispatch.send(missing):
        return 0
    transitions.mark_sent(rows.filter(pk__in=[pk for pk, _ in found]))
    return len(missing)


# -- what ended tasks leave --------------------------------------------------------------------------


def settle_ended() -> int:
    """Cancel open parts of tasks that have ended."""
    ended = Task.objects.filter(pk=OuterRef("task_id"), task_status__in=TERMINAL)
    task_ids = (
        Subtask.objects.filter(Q(subtask_status__in=OPEN), Exists(ended)).values_list("task_id", flat=True).distinct()
    )
    count = 0
    for task_id in list(task_ids[:BATCH]):
        with _for_itself(f"what task {task_id} left"):
            count += transitions.settle_parts(task_id)
    return count


def sweep_files() -> int:
    """Remove files that no row needs: of tasks that are gone, and parts' files of tasks that are done."""
    removed = 0
    for task_id in artefacts.task_ids_with_files():
        task = Task.without_content.filter(pk=task_id).first()
        if task is None:
            removed += artefacts.delete_of_task(task_id)
        elif task.task_status == Status.DONE:
            removed += artefacts.delete_of_parts(task)
    return removed
