"""Between which ids the rows of a range of time lie, on PostgreSQL.

Ids and times rise together, but nothing promises it. An index has the earliest and the latest time of every block of
ids: one look at each says in which of them rows can be, and whoever reads in the order of ids skips the others.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Model

from tasks_app.models import BLOCK

OPERATORS = {"gte": ">=", "lt": "<"}


def narrowed(model: type[Model], lookups: Mapping[str, Any]) -> dict[str, Any] | None:
    """The lookups and, with a range of time among them, bounds of the id that lose no row; None when no row matches."""
    bounded = dict(lookups)
    if connection.vendor != "postgresql":
        return bounded
    low, high = 0, None
    for column, bounds in _ranges(lookups).items():
        first, last = _blocks(model, column, bounds)
        if first is None or last is None:
            return None
        low, high = max(low, first), last if high is None else min(high, last)
    return bounded if high is None else bounded | {"id__gte": low * BLOCK, "id__lt": (high + 1) * BLOCK}


def _ranges(lookups: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Bounds by column of time."""
    ranges: dict[str, dict[str, Any]] = {}
    for name, value in lookups.items():
        column, _, bound = name.rpartition("__")
        if column.endswith("_time"):
            ranges.setdefault(column, {})[bound] = value
    return ranges


def _blocks(model: type[Model], column: str, bounds: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The first and the last block with a row within the bounds."""
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001
    within = " AND ".join(f"{connection.ops.quote_name(column)} {OPERATORS[bound]} %s" for bound in bounds)
    statement = f"""
        SELECT min(block), max(block)
        FROM generate_series((SELECT min(id) / {BLOCK} FROM {table}), (SELECT max(id) / {BLOCK} FROM {table})) AS block
        WHERE (SELECT true FROM {table} WHERE id / {BLOCK} = block AND {within} LIMIT 1)
    """  # noqa: S608  names of our own model
    with connection.cursor() as cursor:
        cursor.execute(statement, list(bounds.values()))
        first, last = cursor.fetchone()
    return first, last
