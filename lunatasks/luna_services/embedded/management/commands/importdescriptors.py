"""Import faces or events that are known by their descriptors only."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.management.options import add_target_options, ensure_named_list
from lunatasks.luna_services.embedded.vectors import (
    BadFile,
    EventSummary,
    LoadSummary,
    load_event_vectors,
    load_vectors,
    read_event_vectors,
    read_vectors,
)
from lunatasks.luna_services.ports import ListNotFound, PortError


class Command(BaseCommand):
    """`manage.py importdescriptors FILE.npz`."""

    help = (
        "Import faces or events from arrays face_id or event_id, descriptor and optionally external_id, version, and "
        "of events track_id, source, of a .npz file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.npz")
        parser.add_argument("--target", choices=("faces", "events"), default="faces", help="what is made (faces)")
        parser.add_argument("--type", choices=("face", "body"), default="face", help="of the descriptors (face)")
        add_target_options(parser)

    def handle(self, **options: Any) -> None:
        if options["target"] == "faces" and options["type"] == "body":
            raise CommandError("a face has no body descriptor; take --target events")
        if options["target"] == "events" and options["list"]:
            raise CommandError("events are in no list")
        try:
            totals, readable = _load_events(options) if options["target"] == "events" else _load_faces(options)
        except ListNotFound:
            raise CommandError(f"list {options['list']} is not one of account {options['account']}") from None
        except (BadFile, PortError) as error:
            raise CommandError(f"{options['file']}: {error}") from None
        totals = {"account_id": str(options["account"])} | totals
        self.stdout.write(json.dumps(totals) if options["json"] else readable)


def _load_faces(options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    file = read_vectors(options["file"])
    list_id = ensure_named_list(registry.faces(), options["account"], options["list"])
    summary = load_vectors(file, options["account"], registry.faces(), list_id)
    return {"list_id": list_id and str(list_id)} | asdict(summary), _readable(summary)


def _load_events(options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    file = read_event_vectors(options["file"], options["type"])
    summary = load_event_vectors(file, options["account"], registry.events())
    return asdict(summary), _readable(summary)


def _readable(summary: LoadSummary | EventSummary) -> str:
    rate = summary.rows / summary.seconds if summary.seconds else 0.0
    new, known = (
        (f"{summary.new_events} new events", summary.known_events)
        if isinstance(summary, EventSummary)
        else (f"{summary.new_faces} new faces", summary.known_faces)
    )
    return f"{new} of {summary.rows} rows in {summary.seconds:.1f} s ({rate:.0f} per second), {known} existed"
