"""What the page of a task shows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db.models import Case, Count, IntegerField, Max, QuerySet, Value, When
from django.http import HttpRequest
from django.utils import timezone

from lunatasks.admin_site import clusters, meanings, task_actions
from lunatasks.admin_site.progress import fraction, progress_of
from lunatasks.admin_site.results.pages import result_of
from lunatasks.admin_site.shown import kind_of, may_see
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, OPEN, Status, Step, TaskType

MOST_SUBTASKS = 20
MOST_ERRORS = 10
MOST_CONTENT = 20_000
"""Characters of a content that are shown."""
MOST_MEMBERS = 60

_SECRET = re.compile(r"pass|secret|token|private|credential|(^|_)key$", re.IGNORECASE)
MASK = "********"


def page_of_task(request: HttpRequest, task: Task) -> dict[str, Any]:
    """The context of the whole page."""
    shown, is_cut = as_json(task.content)
    rows = list(flat(masked(task.content)))
    return {
        **live_part(task),
        "members": rows[:MOST_MEMBERS],
        "members_left": max(0, len(rows) - MOST_MEMBERS),
        "content": shown,
        "content_is_cut": is_cut,
        "buttons": [
            action
            for action in task_actions.BY_VERB.values()
            if task.task_status in action.statuses and action.is_allowed(request)
        ],
        **_result(request, task),
    }


def live_part(task: Task) -> dict[str, Any]:
    """What changes while the task runs."""
    now = timezone.now()
    return {
        "task": task,
        "is_active": task.task_status in ACTIVE,
        "meaning": meanings.meaning(task),
        "progress": progress_of([task], now=now)[task.pk],
        "step": Step(task.step).label if task.task_status in ACTIVE else None,
        "waited": task.start_time and task.start_time - task.create_time,
        "took": working_time(task, now=now),
        "now": now,
        **_subtasks(task, now),
        **_errors(task),
    }


def working_time(task: Task | Subtask, *, now: datetime) -> timedelta | None:
    """From the start of this run to its end, or to now; None before the start."""
    return (task.end_time or now) - task.start_time if task.start_time else None


def as_json(content: Any) -> tuple[str, bool]:
    """The content in lines, secrets masked, and whether it was cut."""
    text = orjson.dumps(masked(content), option=orjson.OPT_INDENT_2).decode()
    return text[:MOST_CONTENT], len(text) > MOST_CONTENT


def masked(value: Any) -> Any:
    """The value with secrets hidden, whatever lies below a member that is named like one."""
    if isinstance(value, dict):
        return {name: MASK if _SECRET.search(str(name)) else masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return value


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Members by their path: `filters.list_id`, ...; a list is one member."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{path}.{name}" if path else str(name))
    elif path:
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        yield path, text if len(text) <= 300 else f"{text[:299]}…"


def _subtasks(task: Task, now: datetime) -> dict[str, Any]:
    """Running parts first, then failed, waiting, cancelled and done ones."""
    by_status = dict(task.subtasks.order_by().values_list("subtask_status").annotate(Count("pk")))
    rank = Case(
        When(subtask_status=Status.IN_PROGRESS, then=Value(0)),
        When(subtask_status=Status.FAILED, then=Value(1)),
        When(subtask_status__in=OPEN, then=Value(2)),
        When(subtask_status=Status.CANCELLED, then=Value(3)),
        default=Value(4),
        output_field=IntegerField(),
    )
    rows: QuerySet[Subtask] = task.subtasks.order_by(rank, "phase", "number").defer("content")
    shown = [
        {"part": part, "took": working_time(part, now=now), "percent": percent_of_part(part)}
        for part in (rows[:MOST_SUBTASKS] if by_status else ())
    ]
    return {
        "subtasks": shown,
        "subtask_count": sum(by_status.values()),
        "subtasks_by_status": sorted(by_status.items()),
    }


def percent_of_part(part: Subtask) -> int:
    """0 to 100."""
    return 100 if part.subtask_status == Status.DONE else int(100 * fraction(part))


def _errors(task: Task) -> dict[str, Any]:
    errors = task.errors
    groups = list(
        errors.order_by()
        .values("error_code", "description")
        .annotate(count=Count("pk"), latest=Max("error_time"))
        .order_by("-count", "error_code")
    )
    latest = list(errors.order_by("-pk")[:MOST_ERRORS]) if groups else []
    return {"error_groups": groups, "errors": latest, "error_count": sum(group["count"] for group in groups)}


def _result(request: HttpRequest, task: Task) -> dict[str, Any]:
    if task.task_status != Status.DONE:
        return {}
    found: dict[str, Any] = {"has_result": True}
    if task.task_type == TaskType.CLUSTERING:
        kind = kind_of(task.content.get("objects_type"))
        page = request.GET.get("clusters", "")
        found["kind"] = kind
        found["clusters"] = clusters.clusters_page(task, page=page, with_objects=may_see(request, kind))
    return found | result_of(request, task)
