"""Rows as the API shows them: the columns that are read, and the plain dicts made of them."""

from typing import Any

import orjson

from lunatasks.errors import manual_link
from lunatasks.times import format_time

TASK_COLUMNS = (
    "id",
    "task_type",
    "content",
    "create_time",
    "end_time",
    "last_update_time",
    "task_status",
    "result_id",
    "account_id",
    "count_task_parts_done",
    "count_task_parts_all",
    "description",
)
SUBTASK_COLUMNS = ("id", "task_id", "result_id", "create_time", "end_time", "subtask_status", "content")
ERROR_COLUMNS = (
    "id",
    "task_id",
    "subtask_id",
    "error_code",
    "description",
    "detail",
    "additional_info",
    "error_time",
)


def task_shape(row: dict[str, Any]) -> dict[str, Any]:
    """A task of TASK_COLUMNS."""
    return {
        "task_type": row["task_type"],
        "content": row["content"],
        "task_id": row["id"],
        "create_time": format_time(row["create_time"]),
        "end_time": format_time(row["end_time"]),
        "last_update_time": format_time(row["last_update_time"]),
        "task_status": row["task_status"],
        "result_id": row["result_id"],
        "account_id": row["account_id"],
        "count_task_parts_done": row["count_task_parts_done"],
        "count_task_parts_all": row["count_task_parts_all"],
        "description": row["description"],
    }


def subtask_shape(row: dict[str, Any]) -> dict[str, Any]:
    """A part of SUBTASK_COLUMNS; its content is a JSON text."""
    return {
        "subtask_id": row["id"],
        "task_id": row["task_id"],
        "result_id": row["result_id"],
        "create_time": format_time(row["create_time"]),
        "end_time": format_time(row["end_time"]),
        "subtask_status": row["subtask_status"],
        "content": orjson.dumps(row["content"]).decode(),
    }


def error_shape(row: dict[str, Any]) -> dict[str, Any]:
    """A stored error of ERROR_COLUMNS."""
    return {
        "error_id": row["id"],
        "task_id": row["task_id"],
        "subtask_id": row["subtask_id"],
        "error_code": row["error_code"],
        "link": manual_link(row["error_code"]),
        "description": row["description"],
        "detail": row["detail"],
        "additional_info": row["additional_info"],
        "error_time": format_time(row["error_time"]),
    }
