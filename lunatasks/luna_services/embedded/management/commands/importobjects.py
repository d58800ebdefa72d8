"""Import an archive that `exportobjects` wrote."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services.embedded.archive_loading import import_objects
from lunatasks.luna_services.embedded.archive_reading import MAX_TOTAL, BadArchive
from lunatasks.luna_services.embedded.management.options import archive_services
from lunatasks.luna_services.ports import PortError

GIB = 2**30


class Command(BaseCommand):
    """`manage.py importobjects FILE.zip`."""

    help = "Load an archive of exportobjects; what exists already stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.zip")
        parser.add_argument("--account", type=UUID, default=settings.LUNATASKS_DEFAULT_ACCOUNT_ID, help="owner's uuid")
        parser.add_argument(
            "--max-gib",
            type=int,
            default=MAX_TOTAL // GIB,
            metavar="N",
            help="refuse what unpacks to more (%(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, **options: Any) -> None:
        path, started = options["file"], time.monotonic()
        try:
            new = import_objects(path, options["account"], archive_services(), max_total=options["max_gib"] * GIB)
        except BadArchive as error:
            raise CommandError(f"{path}: {error}") from None
        except PortError as error:
            raise CommandError(f"{path}: {type(error).__name__}: {error}") from None
        except OSError as error:
            raise CommandError(f"stopped, a file could not be written ({error.strerror}); run it again") from None
        took = round(time.monotonic() - started, 3)
        readable = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in new.items())
        self.stdout.write(
            json.dumps(new | {"seconds": took}) if options["json"] else f"new: {readable}, in {took:.1f} s"
        )
