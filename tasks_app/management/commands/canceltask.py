"""`manage.py canceltask ID...`: cancel tasks that have not ended."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lunatasks.errors import LunaError
from tasks_app import services
from tasks_app.management.options import add_account_option, add_ids_argument


class Command(BaseCommand):
    help = "Cancel tasks: waiting parts at once, running ones within two seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_ids_argument(parser)
        add_account_option(parser)

    def handle(self, **options: Any) -> None:
        ids, refused = list(dict.fromkeys(options["ids"])), 0
        for task_id in ids:
            try:
                services.cancel_task(task_id=task_id, account_id=options["account"])
            except LunaError as error:
                self.stderr.write(f"{error.code}: {error.detail}")
                refused += 1
            else:
                self.stdout.write(f"task {task_id} cancelled")
        if refused:
            raise CommandError(f"{refused} of {len(ids)} tasks were not cancelled")
