"""`manage.py gc --target events --older-than 30d`: a garbage collecting task."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lunatasks.errors import LunaError
from lunatasks.times import format_time
from tasks_app import services
from tasks_app.management.options import add_account_option, add_wait_option, age
from tasks_app.management.waiting import refuse_unless_done, wait_for
from tasks_app.models import Task
from tasks_app.states import TaskType

TARGETS = ("faces", "events", "face_descriptors", "event_descriptors", "body_descriptors")


class Command(BaseCommand):
    help = "Create a task that deletes old objects or descriptors of an account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--target", required=True, choices=TARGETS)
        parser.add_argument(
            "--older-than", required=True, type=age, metavar="AGE", help="of objects made before: 45m, 12h, 30d, 2w"
        )
        add_account_option(parser, default=settings.LUNATASKS_DEFAULT_ACCOUNT_ID)
        parser.add_argument("--descriptor-version", type=int, metavar="N", help="of descriptor targets: which one goes")
        parser.add_argument("--descriptor-type", choices=("face", "body"), help="of event_descriptors; default face")
        parser.add_argument("--remove-samples", action="store_true", help="of events: their samples go too")
        parser.add_argument("--remove-image-origins", action="store_true", help="of events: source images go too")
        parser.add_argument("--dry-run", action="store_true", help="count and list, delete nothing")
        add_wait_option(parser)

    def handle(self, **options: Any) -> None:
        try:
            task = services.create_task(
                account_id=options["account"],
                task_type=TaskType.GC,
                content=content_of(options),
                description="manage.py gc",
                request_id=services.new_request_id(),
            )
        except LunaError as error:
            raise CommandError(f"{error.code}: {error.detail}") from None
        self.stdout.write(f"task {task.pk} created")
        if options["wait"]:
            self._report(wait_for(task.pk, stream=self.stderr))

    def _report(self, task: Task) -> None:
        refuse_unless_done(task)
        if task.content["dry_run"]:
            self.stdout.write(f"task {task.pk} done: {task.inputs['count']} would be deleted")
            return
        failed = task.count_task_parts_all - task.count_task_parts_done
        self.stdout.write(f"task {task.pk} done: {task.inputs['count']} found, {failed} parts failed")
        if failed:
            raise CommandError(
                f"{failed} of {task.count_task_parts_all} parts failed; see the errors of task {task.pk}"
            )


def content_of(options: dict[str, Any]) -> dict[str, Any]:
    """The content as a POST would bring it."""
    filters: dict[str, Any] = {"create_time__lt": format_time(timezone.now() - options["older_than"])}
    if options["descriptor_version"] is not None:
        filters["descriptor_version"] = options["descriptor_version"]
    content = {"target": options["target"], "filters": filters, "dry_run": options["dry_run"]}
    for name in ("remove_samples", "remove_image_origins"):
        if options[name]:
            content[name] = True
    if options["descriptor_type"]:
        content["descriptor_type"] = options["descriptor_type"]
    return content
