"""How far tasks are, how fast they go and how long they will take."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, F, FloatField, Min, Q, Sum, Value, When
from django.db.models.functions import Cast, Least
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import formats
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, Status, Step

ENOUGH = 0.02
"""Fraction of a part that must be done in this run before a rate is told."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Parts that are done, running ones by the fraction they report. `rate` is in parts per second."""

    done: float
    total: int
    label: str
    rate: float | None = None
    remaining: timedelta | None = None
    is_done: bool = False

    @property
    def percent(self) -> int:
        """0 to 100, rounded down; 100 of a task that is done only: after its parts comes the merge."""
        if self.is_done:
            return 100
        return min(99, int(100 * self.done / self.total)) if self.total else 0

    @property
    def rate_text(self) -> str:
        if self.rate is None:
            return formats.NOTHING
        return f"{self.rate:.1f} parts/s" if self.rate >= 1 else f"{60 * self.rate:.1f} parts/min"

    @property
    def remaining_text(self) -> str:
        return formats.NOTHING if self.remaining is None else formats.duration(self.remaining)

    def bar(self) -> SafeString:
        """The bar with its text beside it."""
        return format_html(
            '<span class="progress"><progress max="100" value="{}" aria-label="progress"></progress>'
            "<span>{}&nbsp;%</span> <small>{}</small></span>",
            self.percent,
            self.percent,
            self.label,
        )


def progress_of(tasks: Iterable[Task], *, now: datetime) -> dict[int, Progress]:
    """Progress by task id, with one query for all tasks whose parts run."""
    tasks = list(tasks)
    running = _running([task.pk for task in tasks if task.task_status in ACTIVE and task.step == Step.PARTS])
    return {task.pk: _progress(task, running.get(task.pk), now) for task in tasks}


def fraction(row: Task | Subtask) -> float:
    """What a claim reports of itself, 0 to 1."""
    return min(1.0, max(0.0, row.progress_done / row.progress_all)) if row.progress_all > 0 else 0.0


def _running(task_ids: list[int]) -> dict[int, dict[str, Any]]:
    """By task: `inside`, parts' worth of work in running parts; `fresh`, parts done in this run; `began`."""
    if not task_ids:
        return {}
    reported = Cast("progress_done", FloatField()) / Cast("progress_all", FloatField())
    inside = Case(
        When(subtask_status=Status.IN_PROGRESS, progress_all__gt=0, then=Least(reported, Value(1.0))),
        default=Value(0.0),
        output_field=FloatField(),
    )
    this_run = Q(start_time__gte=F("task__start_time"))
    rows = (
        Subtask.objects.filter(task_id__in=task_ids)
        .values("task_id")
        .annotate(
            inside=Sum(inside),
            fresh=Count("pk", filter=this_run & Q(subtask_status=Status.DONE)),
            began=Min("start_time", filter=this_run),
        )
    )
    return {row["task_id"]: dict(row) for row in rows}


def _progress(task: Task, running: dict[str, Any] | None, now: datetime) -> Progress:
    done, total = task.count_task_parts_done, task.count_task_parts_all
    label = f"{formats.number(done)} of {formats.count(total, 'part')}" if total else "not split yet"
    if task.task_status == Status.DONE:
        return Progress(done, total, formats.count(total, "part"), is_done=True)
    if task.task_status in ACTIVE and task.step != Step.PARTS and task.progress_all > 0:
        # A split or merge is no part: its own progress is told in words only.
        label = f"{label}, {Step(task.step).label} {int(100 * fraction(task))} %"
    if running is None:
        return Progress(done, total, label)
    rate, remaining = _rate(running, total - done - running["inside"], now)
    return Progress(done + running["inside"], total, label, rate, remaining)


def _rate(running: dict[str, Any], left: float, now: datetime) -> tuple[float | None, timedelta | None]:
    worked = running["fresh"] + running["inside"]
    if worked < ENOUGH or running["began"] is None or now <= running["began"]:
        return None, None
    rate = worked / (now - running["began"]).total_seconds()
    return rate, timedelta(seconds=max(0.0, left) / rate)
