"""Numbers of the contract: types, statuses, and the sets of statuses that code, filters and pages share."""

from django.db import models


class TaskType(models.IntegerChoices):
    """`task_type` of the contract."""

    UNKNOWN = 0, "unknown"
    LINKER = 1, "linker"
    CLUSTERING = 2, "clustering"
    GC = 3, "garbage collecting"
    REPORTER = 4, "reporter"
    ADDITIONAL_EXTRACT = 5, "additional extract"
    CROSS_MATCH = 6, "cross match"
    ROC = 7, "ROC"
    EXPORTER = 8, "exporter"
    ESTIMATOR = 9, "estimator"


class Status(models.IntegerChoices):
    """`task_status`, and `subtask_status` without COLLECT_RESULTS.

    PENDING: set by create and rerun, left by the first claim, or by cancel.
    IN_PROGRESS: set by the first claim; left when the last part of the last phase ends, by failure or cancel.
        Of a part: set by its claim; left by finish, fail, cancel, and back to PENDING by rescue or a graceful stop.
    CANCELLED, FAILED, DONE: terminal, left by an explicit rerun only.
    COLLECT_RESULTS: set when the last part ends; left by the merge, by failure or cancel.
    """

    PENDING = 0, "pending"
    IN_PROGRESS = 1, "in progress"
    CANCELLED = 2, "cancelled"
    FAILED = 3, "failed"
    COLLECT_RESULTS = 4, "collect results"
    DONE = 5, "done"


class Step(models.IntegerChoices):
    """What a task that is not terminal does next; its own lease covers all but PARTS.

    SPLIT: plan the parts of `phase`. PARTS: they run, each under a lease of its own. MERGE: write the result.
    RESUME, RESTART: first step of a rerun: put unfinished parts back, or clear away all there was.
    """

    SPLIT = 0, "split"
    PARTS = 1, "parts"
    MERGE = 2, "merge"
    RESUME = 3, "resume"
    RESTART = 4, "restart"


TERMINAL = frozenset({Status.CANCELLED, Status.FAILED, Status.DONE})
ACTIVE = frozenset(Status) - TERMINAL
OPEN = frozenset({Status.PENDING, Status.IN_PROGRESS})
"""Statuses of a part that has not ended."""
CANCELLABLE = ACTIVE
RERUNNABLE = TERMINAL
RESULT_REFUSED = frozenset({Status.CANCELLED, Status.FAILED})
"""Statuses in which asking for the result is 28020."""
