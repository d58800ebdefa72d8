"""Export everything of an account into one archive."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services.embedded.archive import export_objects
from lunatasks.luna_services.embedded.management.options import archive_services
from lunatasks.luna_services.ports import PortError


class Command(BaseCommand):
    """`manage.py exportobjects FILE.zip`."""

    help = "Write lists, faces, events, descriptors, images and objects of an account into a zip."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.zip")
        parser.add_argument("--account", type=UUID, default=settings.LUNATASKS_DEFAULT_ACCOUNT_ID, help="owner's uuid")
        parser.add_argument("--force", action="store_true", help="replace a file that exists")
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, **options: Any) -> None:
        path: Path = options["file"]
        if path.exists() and not options["force"]:
            raise CommandError(f"{path} exists; --force replaces it")
        started = time.monotonic()
        try:
            counts = export_objects(path, options["account"], archive_services())
        except OSError as error:
            raise CommandError(f"{path} could not be written ({error.strerror})") from None
        except PortError as error:
            raise CommandError(str(error)) from None
        took = round(time.monotonic() - started, 3)
        readable = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        self.stdout.write(json.dumps(counts | {"seconds": took}) if options["json"] else f"{readable} in {took:.1f} s")
