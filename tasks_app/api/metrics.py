"""GET /metrics: Prometheus text about tasks, their parts and the requests of this process."""

from typing import Any, ClassVar

from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from lunatasks import errors
from lunatasks.api import traffic
from lunatasks.api.openapi import Operation
from lunatasks.api.views import ApiView
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, OPEN, Status, TaskType

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricsView(ApiView):
    """GET /metrics."""

    needs_all_accounts = True
    operations: ClassVar = {
        "GET": Operation(
            name="getMetrics",
            summary="Get metrics in Prometheus' text format",
            tag="service",
            answers={"text/plain": {"schema": {"type": "string"}}},
            errors=[errors.OutOfScope],
        )
    }

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        lines = [*_task_lines(), *_part_lines(), *traffic.lines()]
        return HttpResponse("\n".join(lines) + "\n", content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _task_lines() -> list[str]:
    counts = Task.objects.order_by().values_list("task_type", "task_status").annotate(number=Count("id"))
    oldest = Task.objects.filter(task_status__in=ACTIVE).aggregate(oldest=Min("create_time"))["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return [
        "# HELP lunatasks_tasks Tasks by type and status.",
        "# TYPE lunatasks_tasks gauge",
        *(
            f'lunatasks_tasks{{type="{TaskType(kind).label}",status="{Status(status).label}"}} {number}'
            for kind, status, number in sorted(counts)
        ),
        "# HELP lunatasks_oldest_active_task_seconds Age of the oldest task that has not ended.",
        "# TYPE lunatasks_oldest_active_task_seconds gauge",
        f"lunatasks_oldest_active_task_seconds {age:.3f}",
    ]


def _part_lines() -> list[str]:
    rows = Subtask.objects.filter(subtask_status__in=OPEN).order_by().values_list("subtask_status")
    return [
        "# HELP lunatasks_open_parts Parts that have not ended, by status.",
        "# TYPE lunatasks_open_parts gauge",
        *(
            f'lunatasks_open_parts{{status="{Status(status).label}"}} {number}'
            for status, number in sorted(rows.annotate(number=Count("id")))
        ),
    ]
