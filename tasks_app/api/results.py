"""A result as it is sent: a zip as it lies, or JSON with the task's errors appended while streaming."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.http import StreamingHttpResponse

from lunatasks.api.downloads import Download, release_connections
from tasks_app.api.shapes import ERROR_COLUMNS, error_shape
from tasks_app.models import Task
from tasks_app.services import OpenResult

ERRORS_AT_ONCE = 1000


def result_response(result: OpenResult) -> StreamingHttpResponse:
    """The download of an open result. Raises Busy."""
    if result.is_json:
        download = Download(result.stream, head=b'{"result": ', tail=_errors_of(result.task_id))
    else:
        download = Download(result.stream)
    response = StreamingHttpResponse(download, content_type="application/json" if result.is_json else "application/zip")
    suffix = "json" if result.is_json else "zip"
    response.headers["Content-Disposition"] = f"attachment; filename=task_{result.task_id}.{suffix}"
    response.headers["Cache-Control"] = "no-store"
    if not result.is_json:
        response.headers["Content-Length"] = str(result.size)
    release_connections()
    return response


def _errors_of(task_id: int) -> Iterator[bytes]:
    """`, "errors": [...]}`: newest first, a batch of rows at a time."""
    yield b', "errors": ['
    separator = b""
    below: int | None = None
    while batch := _older_errors(task_id, below):
        yield separator + orjson.dumps(batch)[1:-1]
        separator, below = b",", batch[-1]["error_id"]
    yield b"]}"


def _older_errors(task_id: int, below: int | None) -> list[dict[str, Any]]:
    rows = Task(pk=task_id).errors.order_by("-id")
    if below is not None:
        rows = rows.filter(id__lt=below)
    batch = [error_shape(row) for row in rows.values(*ERROR_COLUMNS)[:ERRORS_AT_ONCE]]
    release_connections()
    return batch
