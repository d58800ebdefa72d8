"""Make an access token of the API, list them, or revoke one."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lunatasks.api.models import AccessToken
from lunatasks.times import format_time
from lunatasks.uuids import parse_uuid


def _uuid(text: str) -> UUID:
    try:
        return parse_uuid(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is not a uuid") from error


class Command(BaseCommand):
    help = "Make an access token of the API; --list shows all, --revoke ends one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="whose it is")
        parser.add_argument("--account", help="the only account it opens; all without")
        parser.add_argument("--write", action="store_true", help="create, cancel and delete too, not only read")
        parser.add_argument("--list", action="store_true", help="show the tokens there are")
        parser.add_argument("--revoke", type=int, metavar="ID", help="end a token")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._list()
        elif options["revoke"] is not None:
            self._revoke(options["revoke"])
        elif options["name"]:
            account = _uuid(options["account"]) if options["account"] is not None else None
            token = AccessToken(name=options["name"][:128], account_id=account, can_write=options["write"])
            text = token.issue()
            self.stderr.write(f"token {token.pk}: keep it now, it is not shown again")
            self.stdout.write(text)
        else:
            raise CommandError("say whose the token is, or --list, or --revoke ID")

    def _list(self) -> None:
        for token in AccessToken.objects.all():
            scope = f"{'read and write' if token.can_write else 'read'}, {token.account_id or 'all accounts'}"
            ended = f", revoked {format_time(token.revoke_time)}" if token.revoke_time else ""
            self.stdout.write(f"{token.pk}\t{token.name}\t{scope}{ended}")

    def _revoke(self, token_id: int) -> None:
        tokens = AccessToken.objects.filter(pk=token_id)
        if not tokens.exists():
            raise CommandError(f"there is no token {token_id}")
        tokens.filter(revoke_time=None).update(revoke_time=timezone.now())
        self.stdout.write(f"token {token_id} is revoked")
