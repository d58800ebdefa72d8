"""Results of reporter and exporter: the beginning of the table."""

from typing import Any

from django.http import HttpRequest

from lunatasks.admin_site.readonly import as_uuid
from lunatasks.admin_site.results.archive import read_head
from lunatasks.admin_site.results.stream import kept, opened
from lunatasks.admin_site.shown import Kind, ShownObject, kind_of, may_see, shown_objects
from tasks_app.models import Task


def table_page(request: HttpRequest, task: Task) -> dict[str, Any]:
    """First rows with a picture of each object, and the files of the archive."""
    with opened(task) as result:
        head = kept(task, lambda: read_head(result.stream))
    kind = kind_of(head.objects_type)
    may_see_them = may_see(request, kind)
    return {
        "head": head,
        "may_see": may_see_them,
        "rows": _rows(task, kind, head.header, head.rows) if may_see_them else [],
        "files": head.files if may_see_them else [],
    }


def _rows(
    task: Task, kind: Kind, header: list[str], rows: list[list[str]]
) -> list[tuple[ShownObject | None, list[str]]]:
    at = header.index(f"{kind}_id") if f"{kind}_id" in header else None
    ids = [row[at] if at is not None and at < len(row) and as_uuid(row[at]) else None for row in rows]
    found = shown_objects(task.account_id, kind, [one for one in ids if one])
    return [(found[one] if one else None, row) for one, row in zip(ids, rows, strict=True)]
