"""The result of an estimator: what the handler made of each image."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.http import HttpRequest

from lunatasks.admin_site.readonly import as_uuid
from lunatasks.admin_site.results import stream
from lunatasks.admin_site.results.stream import MOST_ROWS, all_rows, kept, opened, read_rows, row_places, window
from lunatasks.admin_site.shown import ShownObject, may_see, shown_objects
from tasks_app.models import Task

ROWS_PER_PAGE = 25
EVENTS_SHOWN = 12
MOST_GROUPS = 20
MOST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Summary:
    """`errors`: (code, what, images), most frequent first. Of the images within the bytes that are counted."""

    images: int
    failed: int
    events: int
    without_event: int
    errors: list[tuple[int, str, int]]
    places: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Row:
    """An image with its first events; `hidden`: how many more it gave."""

    filename: str
    is_ok: bool
    code: int | None
    error: str
    events: list[ShownObject]
    hidden: int


def estimates_page(request: HttpRequest, task: Task) -> dict[str, Any]:
    """A page of images."""
    sees_them = may_see(request, "event")
    with opened(task) as result:
        is_partial = result.size > stream.MOST_PARSED
        summary = kept(task, lambda: _summary(result.stream))
        page = window(request.GET.get("rows", ""), summary.images, ROWS_PER_PAGE, reachable=len(summary.places))
        rows = read_rows(result.stream, summary.places[page.first - 1 : page.last]) if sees_them else []
        shown = _rows(task, rows)
    return {
        "summary": summary,
        "page": page,
        "rows": shown,
        "is_partial": is_partial,
        "may_see": sees_them,
        "is_capped": summary.images > MOST_ROWS,
        "handler_id": as_uuid(str(task.content.get("handler", {}).get("handler_id", ""))),
    }


def _summary(data: BinaryIO) -> Summary:
    images = failed = events = without = 0
    groups: Counter[tuple[int, str]] = Counter()
    for row in all_rows(data):
        images += 1
        events += len(row["events"])
        if row["error"]:
            failed += 1
            groups[_code(row["error"]), str(row["error"].get("desc", ""))[:MOST_TEXT]] += 1
        elif not row["events"]:
            without += 1
    errors = sorted(groups.items(), key=lambda group: (-group[1], group[0]))[:MOST_GROUPS]
    places = row_places(data, MOST_ROWS)
    return Summary(images, failed, events, without, [(*group, count) for group, count in errors], places)


def _rows(task: Task, rows: list[dict[str, Any]]) -> list[Row]:
    ids = [[event["event_id"] for event in row.get("events", ())[:EVENTS_SHOWN]] for row in rows]
    found = shown_objects(task.account_id, "event", [one for some in ids for one in some])
    return [
        Row(
            filename=str(row.get("filename", "too large to be shown"))[:MOST_TEXT],
            is_ok=not row.get("error"),
            code=_code(row["error"]) if row.get("error") else None,
            error=str((row.get("error") or {}).get("detail", ""))[:MOST_TEXT],
            events=[found[one] for one in some],
            hidden=len(row.get("events", ())) - len(some),
        )
        for row, some in zip(rows, ids, strict=True)
    ]


def _code(error: dict[str, Any]) -> int:
    return int(error.get("error_code", 0))
