"""Import the faces of a folder of photos."""

import json
from argparse import ArgumentParser
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.face_models.extractor import ModelsMissing
from lunatasks.luna_services.embedded.management.options import add_target_options, ensure_named_list
from lunatasks.luna_services.embedded.photos import ImportSummary, PhotoImport, import_photos
from lunatasks.luna_services.ports import ListNotFound, PortError


class Command(BaseCommand):
    """`manage.py importfaces DIR`."""

    help = "Import the faces of the photos in a folder; names of sub-folders become external ids."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        add_target_options(parser)
        parser.add_argument("--jobs", type=int, default=1, choices=range(1, 65), metavar="N", help="processes (1)")

    def handle(self, **options: Any) -> None:
        folder: Path = options["folder"].expanduser().absolute()
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder")
        faces, account_id = registry.faces(), options["account"]
        try:
            list_id = ensure_named_list(faces, account_id, options["list"])
            models, version = settings.LUNATASKS_MODELS_DIR, settings.LUNATASKS_FACE_VERSION
            job = PhotoImport(folder, account_id, faces, models, list_id, options["jobs"], version)
            summary = import_photos(job)
        except ListNotFound:
            raise CommandError(f"list {options['list']} is not one of account {account_id}") from None
        except (ModelsMissing, PortError) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"stopped, a file could not be written ({error.strerror}); run it again") from None
        except BrokenProcessPool:
            raise CommandError("a process of the extraction died; run it again, what is done stays") from None
        totals = {"account_id": str(account_id), "list_id": list_id and str(list_id)} | summary.as_dict()
        self.stdout.write(json.dumps(totals) if options["json"] else _readable(summary))


def _readable(summary: ImportSummary) -> str:
    rate = f"{summary.seconds:.1f} s ({summary.photos_per_second:.1f} per second)"
    lines = [
        f"{summary.photos} photos in {rate}: {summary.new_faces} new faces",
        f"  known from an earlier run  {summary.known_photos}",
        f"  copies of another photo    {summary.duplicates}",
        f"  without a face             {summary.without_face}",
        f"  with several faces         {summary.several_faces}",
        f"  files that are no photos   {summary.other_files}",
        f"  broken                     {len(summary.broken)}",
    ]
    return "\n".join(lines + [f"    {item['file']}: {item['reason']}" for item in summary.broken])
