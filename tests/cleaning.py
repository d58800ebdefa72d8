"""The end of transactional tests: what Django's flush and post_migrate leave, at a fraction of their time.

Most tests fill a handful of the fifty tables. Only those are emptied; content types, permissions and roles stay as the
last real flush made them. A test that changed one of these pays for a real flush.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

Flush = Callable[[TransactionTestCase], None]
Contents = dict[str, list[tuple]]

kept: Contents = {}


@contextmanager
def clean_quickly() -> Iterator[None]:
    """Within the context transactional tests end by `clean`."""
    flush = TransactionTestCase._fixture_teardown
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: clean(case, flush))
        yield


def clean(case: TransactionTestCase, flush: Flush) -> None:
    """Leave the database as `flush` would leave it."""
    special = case.serialized_rollback or case.available_apps is not None
    if special or not kept or contents(kept) != kept:
        flush(case)
        kept.clear()
        if not special:
            kept.update(contents(filled_tables()))
    else:
        empty([table for table in filled_tables() if table not in kept])


@cache
def tables() -> list[str]:
    return sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))


def filled_tables() -> list[str]:
    """Tables that hold a row, by one query."""
    asked = ", ".join(f"EXISTS (SELECT 1 FROM {quoted(table)})" for table in tables())  # noqa: S608  the names are our own
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {asked}")
        return [table for table, filled in zip(tables(), cursor.fetchone(), strict=True) if filled]


def contents(names: Iterable[str]) -> Contents:
    found: Contents = {}
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"SELECT * FROM {quoted(name)} ORDER BY 1")  # noqa: S608
            found[name] = cursor.fetchall()
    return found


def empty(names: list[str]) -> None:
    """Delete all rows; foreign keys are checked at the commit, so the order does not matter."""
    with transaction.atomic(), connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DELETE FROM {quoted(name)}")  # noqa: S608


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
