"""Results streamed to clients: in chunks, few at a time, with no database connection held meanwhile."""

import threading
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from django.conf import settings
from django.db import connections

from lunatasks.errors import Busy

CHUNK = 256 * 1024

_slots = threading.BoundedSemaphore(settings.LUNATASKS_DOWNLOADS)


class Download:
    """The chunks of an open file, then those of `tail`; a slot is taken while it lives.

    The response calls `close` when it is sent or the client is gone, also when nothing was read.
    """

    def __init__(self, stream: BinaryIO, *, head: bytes = b"", tail: Iterable[bytes] = ()) -> None:
        if not _slots.acquire(blocking=False):
            stream.close()
            raise Busy
        self._stream = stream
        self._open = True
        self._chunks = self._read(head, tail)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Free the slot and the file; again without effect."""
        if self._open:
            self._open = False
            self._stream.close()
            _slots.release()

    def _read(self, head: bytes, tail: Iterable[bytes]) -> Iterator[bytes]:
        if head:
            yield head
        while chunk := self._stream.read(CHUNK):
            yield chunk
        yield from tail


def release_connections() -> None:
    """Give database connections back, to the pool where there is one; they open again when needed."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
