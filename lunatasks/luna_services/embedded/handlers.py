"""The Handlers port over our own table, the face models and the other ports."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
from django.conf import settings
from django.utils import timezone

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.handler_matching import open_galleries
from lunatasks.luna_services.embedded.handler_models import Handler
from lunatasks.luna_services.embedded.handler_runs import EmbeddedRun
from lunatasks.luna_services.policies import Policies, as_json, parse_policies
from lunatasks.luna_services.ports import BadValue, HandlerCard, ListNotFound, NewHandler

MOST_HANDLERS = 1000
MOST_CHARACTERS = 128
_MEBIBYTE = 2**20


class EmbeddedHandlers:
    """Handlers of this installation."""

    def check_policies(self, policies: object) -> dict[str, Any]:
        """See the port."""
        return as_json(parse_policies(policies))

    def add_handler(self, account_id: UUID, handler: NewHandler) -> tuple[UUID, bool]:
        """See the port."""
        if len(handler.description) > MOST_CHARACTERS or "\0" in handler.description:
            raise BadValue(f"a description has at most {MOST_CHARACTERS} characters, and no NUL")
        policies = parse_policies(handler.policies)
        _require_lists(account_id, policies)
        values = {"description": handler.description, "policies": as_json(policies)}
        handler_id = handler.handler_id or uuid5(account_id, f"handler:{_canonical(values).decode()}")
        defaults = {"account_id": account_id, **values}
        stored, is_new = Handler.objects.get_or_create(handler_id=handler_id, defaults=defaults)
        if stored.account_id != account_id or _canonical(stored.policies) != _canonical(values["policies"]):
            raise BadValue(f"handler {handler_id} exists and is another one")
        return handler_id, is_new

    def get_handler(self, account_id: UUID, handler_id: UUID) -> HandlerCard | None:
        """See the port."""
        stored = Handler.objects.filter(account_id=account_id, handler_id=handler_id).first()
        return _card(stored) if stored else None

    def iterate_handlers(self, account_id: UUID, *, chunk: int = 1000) -> Iterator[list[HandlerCard]]:
        """See the port."""
        rows = Handler.objects.filter(account_id=account_id).order_by("handler_id")
        last: UUID | None = None
        while page := list((rows.filter(handler_id__gt=last) if last else rows)[:chunk]):
            yield [_card(row) for row in page]
            last = page[-1].handler_id

    def delete_handlers(self, account_id: UUID, handler_ids: Sequence[UUID]) -> list[UUID]:
        """See the port."""
        if len(handler_ids) > MOST_HANDLERS:
            raise BadValue(f"more than {MOST_HANDLERS} handlers in one call")
        rows = Handler.objects.filter(account_id=account_id, handler_id__in=list(handler_ids))
        existing = sorted(rows.values_list("handler_id", flat=True))
        rows.delete()
        return existing

    def open_run(
        self,
        account_id: UUID,
        policies: Mapping[str, Any],
        *,
        handler_id: UUID | None = None,
        now: datetime | None = None,
    ) -> EmbeddedRun:
        """See the port."""
        checked = parse_policies(policies)
        _require_lists(account_id, checked)
        now = now or timezone.now()
        version = settings.LUNATASKS_FACE_VERSION
        galleries = open_galleries(
            registry.faces(),
            account_id,
            checked.match_policy,
            version=version,
            before=now,
            memory=settings.LUNATASKS_MEMORY_MB * _MEBIBYTE,
        )
        namespace = handler_id or uuid5(account_id, f"policies:{_canonical(as_json(checked)).decode()}")
        return EmbeddedRun(account_id, checked, galleries, handler_id, uuid5(account_id, str(namespace)), now)


def _card(row: Handler) -> HandlerCard:
    return HandlerCard(
        handler_id=row.handler_id,
        account_id=row.account_id,
        description=row.description,
        policies=row.policies,
        create_time=row.create_time,
    )


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _require_lists(account_id: UUID, policies: Policies) -> None:
    wanted = sorted({UUID(list_id) for list_id in policies.list_ids()})
    found = {card.list_id for card in registry.faces().get_lists(account_id, wanted)} if wanted else set()
    if missing := [list_id for list_id in wanted if list_id not in found]:
        raise ListNotFound(missing[0])
