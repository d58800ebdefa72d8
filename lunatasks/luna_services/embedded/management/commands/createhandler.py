"""Store a handler."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import ListNotFound, NewHandler, NotOffered, PortError

MEMBERS = {"handler_id", "description", "policies"}
MAX_BYTES = 2**20


class Command(BaseCommand):
    """`manage.py createhandler FILE.json`."""

    help = (
        'Store a handler from {"policies": {...}, "description": "...", "handler_id": "uuid"}; the last two may lack.'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.json")
        parser.add_argument("--account", type=UUID, default=settings.LUNATASKS_DEFAULT_ACCOUNT_ID, help="owner's uuid")
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, **options: Any) -> None:
        path, account_id = options["file"], options["account"]
        try:
            handler_id, is_new = registry.handlers().add_handler(account_id, read_handler(path))
        except ListNotFound as error:
            raise CommandError(f"{path}: list {error} is not one of account {account_id}") from None
        except NotOffered as error:
            raise CommandError(f"{path}: {error} is not available in this installation") from None
        except PortError as error:
            raise CommandError(f"{path}: {error}") from None
        if options["json"]:
            self.stdout.write(json.dumps({"handler_id": str(handler_id), "is_new": is_new}))
        else:
            self.stdout.write(f"handler {handler_id} {'stored' if is_new else 'was there already'}")


def read_handler(path: Path) -> NewHandler:
    """The handler of a file. Raises CommandError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        content = json.loads(data) if len(data) <= MAX_BYTES else None
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise CommandError(f"{path}: not JSON") from None
    if not isinstance(content, dict) or "policies" not in content:
        raise CommandError(f"{path}: an object with the member policies is needed")
    if unknown := sorted(set(content) - MEMBERS):
        raise CommandError(f"{path}: unknown member {unknown[0]}")
    description, handler_id = content.get("description", ""), content.get("handler_id")
    if not isinstance(description, str):
        raise CommandError(f"{path}: description is no text")
    try:
        given = None if handler_id is None else UUID(handler_id)
    except (ValueError, AttributeError, TypeError):
        raise CommandError(f"{path}: handler_id is not a uuid") from None
    return NewHandler(policies=content["policies"], description=description, handler_id=given)
