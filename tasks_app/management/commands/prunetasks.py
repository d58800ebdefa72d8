"""`manage.py prunetasks --older-than 30d`: delete ended tasks with their results."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from lunatasks.errors import TaskNotFound
from tasks_app import services
from tasks_app.management.options import add_account_option, age
from tasks_app.querysets import TaskFilters, filter_tasks
from tasks_app.states import TERMINAL, Status

PAGE = 500
QUIET_SECONDS = 5.0
STATUSES = {Status(status).label: int(status) for status in sorted(TERMINAL)}


class Command(BaseCommand):
    help = "Delete tasks that ended before: rows, errors, results and the files of their parts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than", required=True, type=age, metavar="AGE", help="of tasks that ended before: 45m, 12h, 30d, 2w"
        )
        parser.add_argument("--status", choices=tuple(STATUSES), help="these only; default all that have ended")
        add_account_option(parser)
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")

    def handle(self, **options: Any) -> None:
        status = options["status"] and STATUSES[options["status"]]
        ended_before = timezone.now() - options["older_than"]
        filters = TaskFilters(account_id=options["account"], task_status=status, end_time__lt=ended_before)
        if options["dry_run"]:
            count = filter_tasks(filters).filter(task_status__in=TERMINAL).count()
            self.stdout.write(f"{count} tasks would be deleted")
            return
        count, told = 0, time.monotonic()
        for task_id in _ids(filters):
            count += _delete(task_id)
            if time.monotonic() - told >= QUIET_SECONDS:
                told = time.monotonic()
                self.stderr.write(f"{count} tasks deleted so far")
        self.stdout.write(f"{count} tasks deleted")


def _delete(task_id: int) -> bool:
    try:
        if services.get_task(task_id=task_id).task_status not in TERMINAL:  # it was started again meanwhile
            return False
        services.delete_task(task_id=task_id)
    except TaskNotFound:  # somebody else was quicker
        return False
    return True


def _ids(filters: TaskFilters) -> Iterator[int]:
    """Ids of the tasks, oldest first; a task that cannot be deleted is not met again."""
    last = 0
    while page := _page(filters, last):
        yield from page
        last = page[-1]


def _page(filters: TaskFilters, last: int) -> list[int]:
    rows = filter_tasks(filters).filter(task_status__in=TERMINAL, pk__gt=last).order_by("pk")
    ids: list[int] = list(rows.values_list("pk", flat=True)[:PAGE])
    return ids
