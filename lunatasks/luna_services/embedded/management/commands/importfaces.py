"""Import the faces of a folder of photos, as faces or as events."""

import json
from argparse import ArgumentParser
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.event_photos import EventSummary, import_event_photos, policies_of_import
from lunatasks.luna_services.embedded.face_models.extractor import ModelsMissing
from lunatasks.luna_services.embedded.management.options import add_target_options, ensure_named_list
from lunatasks.luna_services.embedded.photos import ImportSummary, PhotoImport, import_photos
from lunatasks.luna_services.ports import HandlerRun, ListNotFound, PortError


class Command(BaseCommand):
    """`manage.py importfaces DIR`."""

    help = "Import the faces of the photos in a folder; names of sub-folders become external ids."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        add_target_options(parser)
        parser.add_argument("--jobs", type=int, default=1, choices=range(1, 65), metavar="N", help="processes (1)")
        parser.add_argument("--events", action="store_true", help="make events of the photos: source is the folder")
        parser.add_argument("--handler", type=UUID, metavar="UUID", help="with --events: the handler that makes them")
        parser.add_argument("--tracks", action="store_true", help="with --events: the photos of a folder are one track")

    def handle(self, **options: Any) -> None:
        folder: Path = options["folder"].expanduser().absolute()
        _refuse_contradictions(folder, options)
        account_id = options["account"]
        try:
            list_id = ensure_named_list(registry.faces(), account_id, options["list"])
            if options["events"]:
                run = _open_run(account_id, options["handler"], list_id)
                summary: EventSummary | ImportSummary = import_event_photos(folder, run, tracks=options["tracks"])
            else:
                summary = import_photos(_job(folder, account_id, list_id, options["jobs"]))
        except ListNotFound as error:
            name = options["list"] or error
            raise CommandError(f"list {name} is not one of account {account_id}") from None
        except (ModelsMissing, PortError) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"stopped, a file could not be written ({error.strerror}); run it again") from None
        except BrokenProcessPool:
            raise CommandError("a process of the extraction died; run it again, what is done stays") from None
        totals = {"account_id": str(account_id), "list_id": list_id and str(list_id)} | summary.as_dict()
        self.stdout.write(json.dumps(totals) if options["json"] else _readable(summary))


def _refuse_contradictions(folder: Path, options: dict[str, Any]) -> None:
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder")
    if not options["events"] and (options["handler"] or options["tracks"]):
        raise CommandError("--handler and --tracks go with --events")
    if options["events"] and options["jobs"] > 1:
        raise CommandError("--events runs in one process")
    if options["handler"] and options["list"]:
        raise CommandError("the handler says which lists; leave --list out")


def _job(folder: Path, account_id: UUID, list_id: UUID | None, jobs: int) -> PhotoImport:
    models, version = settings.LUNATASKS_MODELS_DIR, settings.LUNATASKS_FACE_VERSION
    return PhotoImport(folder, account_id, registry.faces(), models, list_id, jobs, version)


def _open_run(account_id: UUID, handler_id: UUID | None, list_id: UUID | None) -> HandlerRun:
    if handler_id is None:
        return registry.handlers().open_run(account_id, policies_of_import(list_id))
    handler = registry.handlers().get_handler(account_id, handler_id)
    if handler is None:
        raise CommandError(f"handler {handler_id} is not one of account {account_id}")
    return registry.handlers().open_run(account_id, handler.policies, handler_id=handler_id)


def _readable(summary: EventSummary | ImportSummary) -> str:
    rate = f"{summary.seconds:.1f} s ({summary.photos_per_second:.1f} per second)"
    if isinstance(summary, EventSummary):
        lines = [
            f"{summary.photos} photos in {rate}: {summary.new_events} new events",
            f"  events that were there     {summary.known_events}",
        ]
    else:
        lines = [
            f"{summary.photos} photos in {rate}: {summary.new_faces} new faces",
            f"  known from an earlier run  {summary.known_photos}",
            f"  copies of another photo    {summary.duplicates}",
        ]
    lines += [
        f"  without a face             {summary.without_face}",
        f"  with several faces         {summary.several_faces}",
        f"  files that are no photos   {summary.other_files}",
        f"  broken                     {len(summary.broken)}",
    ]
    return "\n".join(lines + [f"    {item['file']}: {item['reason']}" for item in summary.broken])
