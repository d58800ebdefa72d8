"""TaskError: what went wrong in a task, or with one of its objects."""

from typing import ClassVar

from django.db import models
from django.db.models import F
from django.utils import timezone

from tasks_app.models import BLOCK, Subtask, Task
from tasks_app.states import TaskType


class TaskError(models.Model):
    """A stored error. account_id, task_type and status_code are copied in for the filters."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="errors", db_index=False)  # see error_task
    subtask = models.ForeignKey(Subtask, on_delete=models.CASCADE, related_name="errors", null=True, blank=True)
    account_id = models.UUIDField()
    task_type = models.PositiveSmallIntegerField(choices=TaskType.choices)
    error_code = models.IntegerField()
    status_code = models.PositiveSmallIntegerField()
    description = models.CharField(max_length=128)
    detail = models.CharField(max_length=1024)
    additional_info = models.CharField(max_length=1024, null=True, blank=True)  # noqa: DJ001  null in the answer
    error_time = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(F("task"), F("id").desc(), name="error_task"),
            # the rest is in these for pages ordered by id: skipped rows are judged by the index alone
            models.Index(F("account_id"), F("id").desc(), "error_time", name="error_account_times"),
            models.Index(F("id").desc(), "error_time", name="error_times"),
            models.Index(F("task_type"), F("id").desc(), "account_id", name="error_type_account"),
            models.Index(F("status_code"), F("id").desc(), "account_id", name="error_status_account"),
            models.Index(F("error_code"), F("id").desc(), "account_id", name="error_code_account"),
            models.Index(F("error_time"), F("id"), name="error_time"),
            models.Index(F("id") / BLOCK, "error_time", name="error_block_time"),
        ]

    def __str__(self) -> str:
        return f"error {self.pk} of task {self.task_id}: {self.error_code}"
