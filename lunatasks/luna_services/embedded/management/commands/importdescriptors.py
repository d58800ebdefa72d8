"""Import faces that are known by their descriptors only."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.management.options import add_target_options, ensure_named_list
from lunatasks.luna_services.embedded.vectors import BadFile, LoadSummary, load_vectors, read_vectors
from lunatasks.luna_services.ports import ListNotFound, PortError


class Command(BaseCommand):
    """`manage.py importdescriptors FILE.npz`."""

    help = "Import faces from arrays face_id, descriptor and optionally external_id, version of a .npz file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.npz")
        add_target_options(parser)

    def handle(self, **options: Any) -> None:
        faces, account_id = registry.faces(), options["account"]
        try:
            file = read_vectors(options["file"])
            list_id = ensure_named_list(faces, account_id, options["list"])
            summary = load_vectors(file, account_id, faces, list_id)
        except ListNotFound:
            raise CommandError(f"list {options['list']} is not one of account {account_id}") from None
        except (BadFile, PortError) as error:
            raise CommandError(f"{options['file']}: {error}") from None
        totals = {"account_id": str(account_id), "list_id": list_id and str(list_id)} | asdict(summary)
        self.stdout.write(json.dumps(totals) if options["json"] else _readable(summary))


def _readable(summary: LoadSummary) -> str:
    rate = summary.rows / summary.seconds if summary.seconds else 0.0
    return (
        f"{summary.new_faces} new faces of {summary.rows} rows in {summary.seconds:.1f} s ({rate:.0f} per second), "
        f"{summary.known_faces} existed"
    )
