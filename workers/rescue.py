"""Finding what was lost: leases that ran out, messages that are in no queue, parts and files nobody needs.

Every pass is idempotent; two rescues side by side do no harm.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Now
from redis import RedisError

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


def rescue_once() -> Report:
    """One pass over everything but files."""
    report = Report()
    _rescue_parts(report)
    _rescue_tasks(report)
    report.sent_again = send_again()
    report.settled = settle_ended()
    if report:
        logger.info("rescue: %s", report)
    return report


# -- leases that ran out -----------------------------------------------------------------------------


def _rescue_parts(report: Report) -> None:
    expired = Subtask.objects.filter(lease_until__lt=Now(), subtask_status=Status.IN_PROGRESS)
    for part in expired.select_related("task").defer("task__content")[:BATCH]:
        faults.point("rescue.found")
        if part.lost_count + 1 >= settings.LUNATASKS_MAX_LOST:
            error = errors.PartQuarantined(f"Part {part.number}", part.task_id, part.lost_count + 1)
            report.quarantined += transitions.quarantine_part(part, error)
        elif transitions.release_lost_part(part):
            faults.point("rescue.released")
            report.released += 1
            dispatch.send([dispatch.part_message(part, part.task)])


def _rescue_tasks(report: Report) -> None:
    expired = Task.without_content.filter(lease_until__lt=Now(), task_status__in=ACTIVE)
    for task in expired[:BATCH]:
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
    try:
        return _send_tasks_again() + _send_parts_again()
    except RedisError as error:
        logger.warning("the queue does not answer (%s)", type(error).__name__)
        return 0


def _long_ago() -> object:
    return Now() - Value(timedelta(seconds=settings.LUNATASKS_REDISPATCH_SECONDS))


def _send_tasks_again() -> int:
    rows = Task.without_content.filter(
        task_status__in=ACTIVE, lease_until__isnull=True, dispatched_at__lt=_long_ago()
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
        .filter(sent__lt=_long_ago())
        .select_related("task")
        .defer("task__content")  # of a hundred thousand entries it would be parsed again for every part
        .order_by("dispatched_at", "pk")
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
    if not found:
        return 0
    names = {name for queue in {message.queue for _, message in found} for name in dispatch.queue(queue).get_job_ids()}
    missing = [message for _, message in found if message.name not in names]
    if missing and not dispatch.send(missing):
        return 0
    rows.filter(pk__in=[pk for pk, _ in found]).update(dispatched_at=Now())
    return len(missing)


# -- what ended tasks leave --------------------------------------------------------------------------


def settle_ended() -> int:
    """Cancel open parts of tasks that have ended."""
    ended = Task.objects.filter(pk=OuterRef("task_id"), task_status__in=TERMINAL)
    task_ids = (
        Subtask.objects.filter(Q(subtask_status__in=OPEN), Exists(ended)).values_list("task_id", flat=True).distinct()
    )
    return sum(transitions.settle_parts(task_id) for task_id in list(task_ids[:BATCH]))


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
