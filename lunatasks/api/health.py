"""Whether the parts that the service stands on really work: each is used, not looked at."""

import logging
import uuid
from collections.abc import Callable

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import Error as DatabaseError
from django.db import connection
from redis import Redis, RedisError

from lunatasks.api import connections
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import PortError

logger = logging.getLogger(__name__)

QUEUE_SECONDS = 2
EXPECTED = (DatabaseError, RedisError, OSError, PortError, ImportError, ValueError)
"""What a part raises that is down, or whose setting names nothing that is there."""


def parts_down(*, include_luna_services: bool) -> list[str]:
    """Names of the parts that do not work, in a fixed order."""
    probes: dict[str, Callable[[], None]] = {"database": _database, "queue": _queue, "storage": _storage}
    if include_luna_services:
        probes |= {
            "luna-faces": _faces,
            "luna-events": _events,
            "luna-image-store": _image_store,
            "luna-handlers": _handlers,
        }
    return [name for name, probe in probes.items() if not _works(name, probe)]


def _works(name: str, probe: Callable[[], None]) -> bool:
    try:
        probe()
    except EXPECTED as error:
        logger.warning("healthcheck: %s does not work (%s)", name, type(error).__name__)
        return False
    return True


def _database() -> None:
    connections.reading(_select)


def _select() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def _queue() -> None:
    with Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=QUEUE_SECONDS, socket_timeout=QUEUE_SECONDS
    ) as client:
        client.ping()


def _storage() -> None:
    for alias in ("results", "default"):
        _probe_storage(alias)


def _probe_storage(alias: str) -> None:
    storage = storages[alias]
    sent = uuid.uuid4().bytes
    name = storage.save(f"health/{uuid.uuid4()}", ContentFile(sent))
    try:
        with storage.open(name, "rb") as stream:
            if stream.read() != sent:
                raise OSError("the storage gave back other bytes")
    finally:
        storage.delete(name)


def _faces() -> None:
    registry.faces().existing_ids(settings.LUNATASKS_DEFAULT_ACCOUNT_ID, [uuid.uuid4()])


def _events() -> None:
    registry.events().existing_ids(settings.LUNATASKS_DEFAULT_ACCOUNT_ID, [uuid.uuid4()])


def _image_store() -> None:
    registry.image_store().has_image(
        settings.LUNATASKS_DEFAULT_ACCOUNT_ID, registry.buckets().face_samples, uuid.uuid4()
    )


def _handlers() -> None:
    registry.handlers().get_handler(settings.LUNATASKS_DEFAULT_ACCOUNT_ID, uuid.uuid4())
