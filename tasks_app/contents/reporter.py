"""Content of a reporter task.

Stored: `{"filters": {"task_id": int, "account_id"}, "columns": [str], "csv_delimiter": str, "save_images": 0 | 1}`.
At creation the clustering is the account's, done and has a result, and the columns are those of its objects_type.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field

from lunatasks import errors
from tasks_app import artefacts
from tasks_app.contents.columns import COLUMNS, AnyColumn, Table
from tasks_app.contents.members import Limit, Owner, Unique
from tasks_app.models import Task
from tasks_app.states import Status, TaskType


class ReportedTask(Owner):
    """The clustering that the report is made of."""

    task_id: Limit


class Reporter(Table):
    """A report of a clustering."""

    filters: ReportedTask
    columns: Unique[AnyColumn] = Field(default_factory=list)


def model_of(content: Mapping[str, Any]) -> type[Reporter]:
    """The model of every report."""
    return Reporter


def check_objects(content: Mapping[str, Any], account_id: UUID) -> None:
    """Raises TaskNotFound, NoReportOfType, NoReportOfStatus, NoReportWithoutResult, ResultNotFound, BadBody."""
    task_id = content["filters"]["task_id"]
    task = Task.objects.filter(pk=task_id, account_id=account_id).first()
    if task is None:
        raise errors.TaskNotFound(task_id)
    if task.task_type != TaskType.CLUSTERING:
        raise errors.NoReportOfType(task_id, task.task_type)
    if task.task_status != Status.DONE:
        raise errors.NoReportOfStatus(task.task_status)
    if not task.result_path:
        raise errors.NoReportWithoutResult
    if not artefacts.storage().exists(task.result_path):
        raise errors.ResultNotFound(task_id)
    _check_columns(content["columns"], task.content["objects_type"])


def _check_columns(columns: list[str], objects_type: str) -> None:
    for position, column in enumerate(columns):
        if column not in COLUMNS[objects_type]:
            raise errors.BadBody(f"content.columns.{position}", f"Objects of type {objects_type} have no such column")


VARIANTS = (Reporter,)
