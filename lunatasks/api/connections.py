"""Database connections of the web process that broke while they lay in the pool.

Asking every connection whether it works, each time it is taken, would cost as much as reading a task. So reads find
out by failing and are done again; what writes, and pages, ask first.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

Answer = TypeVar("Answer")


def reading(read: Callable[[], Answer]) -> Answer:
    """What `read` gives, at the second try when its connection was a broken one."""
    try:
        return read()
    except (OperationalError, InterfaceError):
        # without a connection the pool had none to give: to wait for it again would double the client's waiting
        if connection.in_atomic_block or connection.connection is None or connection.is_usable():
            raise
        discard_broken()
        return read()


def require_usable() -> None:
    """Get rid of broken connections before anything is written."""
    if connection.in_atomic_block or getattr(connection, "pool", None) is None:
        return
    connection.ensure_connection()
    if not connection.is_usable():
        discard_broken()


def discard_broken() -> None:
    """Close the thread's connection, and those of the pool that do not answer."""
    connection.close()
    pool = getattr(connection, "pool", None)
    if pool is not None:
        pool.check()
