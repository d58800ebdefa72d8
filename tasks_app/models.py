"""Task and Subtask: the rows that decide. `transitions` is the only writer of status, step, run and lease."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from tasks_app.states import TERMINAL, Status, Step, TaskType

TERMINAL_VALUES = sorted(int(status) for status in TERMINAL)
BLOCK = 16_384
"""Ids of a block, of which an index has the earliest and the latest time; see `tasks_app.blocks`."""


class Claimable(models.Model):
    """A row that one worker at a time works on, under a lease that it extends.

    `attempt` grows with every claim and is part of every write's condition, so that a worker whose
    lease ran out changes nothing. `lost_count` counts leases that ran out, never graceful hand-backs.
    """

    attempt = models.PositiveIntegerField(default=0)
    lost_count = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=128, default="", blank=True)
    start_time = models.DateTimeField(null=True, blank=True)
    progress_done = models.BigIntegerField(default=0)
    progress_all = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class Stored(models.Model):
    """A file of the results' storage that became visible with this row's commit."""

    result_id = models.UUIDField(null=True, blank=True)
    result_path = models.CharField(max_length=255, default="", blank=True)
    result_size = models.BigIntegerField(default=0)
    result_sha256 = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        abstract = True


class WithoutContent(models.Manager["Task"]):
    """Tasks whose content stays unread: it may have megabytes, and no transition needs it."""

    def get_queryset(self) -> models.QuerySet["Task"]:
        return super().get_queryset().defer("content")


class Task(Claimable, Stored):
    """A long-running job of one account."""

    account_id = models.UUIDField()
    task_type = models.PositiveSmallIntegerField(choices=TaskType.choices)
    task_status = models.PositiveSmallIntegerField(choices=Status.choices, default=Status.PENDING)
    step = models.PositiveSmallIntegerField(choices=Step.choices, default=Step.SPLIT)
    run = models.PositiveIntegerField(default=1)
    phase = models.PositiveIntegerField(default=0)
    planned_phases = models.PositiveIntegerField(default=0)
    """Phases whose parts are all written; parts of a later phase are a split that did not end."""
    last_phase = models.BooleanField(default=False)
    content = models.JSONField()
    secrets = models.TextField(default="", blank=True, editable=False)
    """Ciphertext of what the content masks; see `tasks_app.secrets`."""
    description = models.CharField(max_length=4096, default="", blank=True)
    inputs = models.JSONField(default=dict, blank=True)
    """What the splits left for parts and merge: small values, and artefacts by name with path, size, sha256."""
    request_id = models.CharField(max_length=64, default="", blank=True)
    create_time = models.DateTimeField(default=timezone.now)
    last_update_time = models.DateTimeField(default=timezone.now)
    end_time = models.DateTimeField(null=True, blank=True)
    count_task_parts_done = models.PositiveIntegerField(default=0)
    count_task_parts_all = models.PositiveIntegerField(default=0)

    objects = models.Manager()
    without_content = WithoutContent()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="task_end_time_when_terminal",
                condition=Q(task_status__in=TERMINAL_VALUES, end_time__isnull=False)
                | (~Q(task_status__in=TERMINAL_VALUES) & Q(end_time__isnull=True)),
            ),
            models.CheckConstraint(
                name="task_parts_done_le_all", condition=Q(count_task_parts_done__lte=F("count_task_parts_all"))
            ),
            models.CheckConstraint(
                name="task_result_when_done",
                condition=~Q(task_status=Status.DONE) | Q(result_id__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            # the times are in these for pages ordered by id: skipped rows are judged by the index alone
            models.Index(
                F("account_id"), F("id").desc(), "create_time", "end_time", "task_type", name="task_account_times"
            ),
            models.Index(F("id").desc(), "create_time", "end_time", name="task_times"),
            models.Index(F("id") / BLOCK, "create_time", name="task_block_create_time"),
            models.Index(F("id") / BLOCK, "end_time", name="task_block_end_time"),
            models.Index(F("account_id"), F("task_status"), F("id").desc(), name="task_account_status"),
            models.Index(F("task_status"), F("id").desc(), name="task_status"),
            models.Index(F("task_type"), F("id").desc(), "account_id", name="task_type_account"),
            models.Index(F("create_time").desc(), F("id").desc(), name="task_create_time"),
            models.Index(F("end_time"), F("id"), name="task_end_time"),
            models.Index(F("result_id"), name="task_result_id"),
            models.Index(F("lease_until"), name="task_lease", condition=Q(lease_until__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"


class Subtask(Claimable, Stored):
    """A part of a task's phase."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="subtasks")
    run = models.PositiveIntegerField()
    phase = models.PositiveIntegerField()
    number = models.PositiveIntegerField()
    subtask_status = models.PositiveSmallIntegerField(choices=Status.choices, default=Status.PENDING)
    content = models.JSONField()
    create_time = models.DateTimeField(default=timezone.now)
    end_time = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task", "run", "phase", "number"], name="subtask_number"),
            models.CheckConstraint(name="subtask_status_known", condition=~Q(subtask_status=Status.COLLECT_RESULTS)),
            models.CheckConstraint(
                name="subtask_end_time_when_terminal",
                condition=Q(subtask_status__in=TERMINAL_VALUES, end_time__isnull=False)
                | (~Q(subtask_status__in=TERMINAL_VALUES) & Q(end_time__isnull=True)),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["task", "phase", "subtask_status"], name="subtask_open"),
            models.Index(F("lease_until"), name="subtask_lease", condition=Q(lease_until__isnull=False)),
            models.Index(F("dispatched_at"), name="subtask_pending", condition=Q(subtask_status=Status.PENDING)),
        ]

    def __str__(self) -> str:
        return f"part {self.phase}-{self.number} of task {self.task_id}"
