"""`manage.py reruntask ID...`: run ended tasks again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lunatasks.errors import LunaError
from tasks_app import services
from tasks_app.management.options import add_account_option, add_ids_argument, add_wait_option
from tasks_app.management.waiting import refuse_unless_done, wait_for


class Command(BaseCommand):
    help = "Run failed, cancelled or done tasks again; finished parts are kept, of a done task nothing is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_ids_argument(parser)
        add_account_option(parser)
        add_wait_option(parser)

    def handle(self, **options: Any) -> None:
        started, refused = [], 0
        for task_id in dict.fromkeys(options["ids"]):
            try:
                services.rerun_task(
                    task_id=task_id, account_id=options["account"], request_id=services.new_request_id()
                )
            except LunaError as error:
                self.stderr.write(f"{error.code}: {error.detail}")
                refused += 1
            else:
                self.stdout.write(f"task {task_id} starts again")
                started.append(task_id)
        if options["wait"]:
            refused += sum(not self._ends_well(task_id) for task_id in started)
        if refused:
            raise CommandError(f"{refused} of {len(dict.fromkeys(options['ids']))} tasks did not")

    def _ends_well(self, task_id: int) -> bool:
        task = wait_for(task_id, stream=self.stderr)
        try:
            refuse_unless_done(task)
        except CommandError as error:
            self.stderr.write(str(error))
            return False
        self.stdout.write(f"task {task_id} done")
        return True
