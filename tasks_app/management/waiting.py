"""Waiting for tasks on a terminal: progress on stderr, the end as a line, failure as an error."""

import time

from django.core.management.base import CommandError, OutputWrapper

from lunatasks.errors import TaskNotFound
from tasks_app import services
from tasks_app.models import Task
from tasks_app.states import TERMINAL, Status

POLL_SECONDS = 0.5
QUIET_SECONDS = 5.0
"""Between two lines where there is no terminal."""


def wait_for(task_id: int, *, stream: OutputWrapper) -> Task:
    """The task when it has ended. Raises CommandError when it was deleted, or when it is interrupted."""
    shown, told = "", 0.0
    try:
        while True:
            task = services.get_task(task_id=task_id)
            if task.task_status in TERMINAL:
                return task
            line = progress(task)
            if line != shown and (stream.isatty() or time.monotonic() - told >= QUIET_SECONDS):
                stream.write(line)
                stream.flush()
                shown, told = line, time.monotonic()
            time.sleep(POLL_SECONDS)
    except TaskNotFound as error:
        raise CommandError(error.detail) from None
    except KeyboardInterrupt:
        said = f"task {task_id} goes on without being watched; end it by `manage.py canceltask {task_id}`"
        raise CommandError(said, returncode=130) from None


def progress(task: Task) -> str:
    """One line about a task that has not ended."""
    if task.task_status == Status.PENDING:
        return f"task {task.pk}: no worker has taken it yet"
    status = Status(task.task_status).label
    return f"task {task.pk}: {status}, parts {task.count_task_parts_done}/{task.count_task_parts_all}"


def refuse_unless_done(task: Task) -> None:
    """Raises CommandError with the task's first errors."""
    if task.task_status != Status.DONE:
        found = task.errors.order_by("id").values_list("error_code", "detail")[:5]
        details = "; ".join(f"{code}: {detail}" for code, detail in found)
        raise CommandError(f"task {task.pk} {Status(task.task_status).label}: {details}")
