"""SELECTs that Django composes once: to compose one takes several times as long as to run it.

The ORM stays the author of the SQL, of the parameters' and the columns' conversions; what is kept is what it made for a
set of lookups, whose values then change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from django.db import connection
from django.db.models import Field, JSONField, Model

MOST_STATEMENTS = 512
LARGEST_INTEGER = 2**31 - 1
"""Beyond it Django reasons about the range of the column; such values go its own way."""
KEYS = ("id", "task_id")
BOUNDS = ("__gte", "__lt")


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT without LIMIT; `fields` convert the values of its lookups in order."""

    sql: str
    fields: "tuple[Field[Any, Any], ...]"
    columns: tuple[str, ...]
    convert: Callable[[Sequence[Any]], Any]

    def page(self, values: Sequence[Any], *, size: int, offset: int = 0) -> list[dict[str, Any]]:
        """Rows from `offset` on, at most `size`, as dicts of the columns."""
        parameters = [_prepared(field, value) for field, value in zip(self.fields, values, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(f"{self.sql} LIMIT %s OFFSET %s", [*parameters, size, offset])
            rows = self.convert(cursor.fetchall())
        return [dict(zip(self.columns, row, strict=True)) for row in rows]


def is_plain(lookups: Mapping[str, Any]) -> bool:
    """Whether each lookup is one parameter of the statement."""
    return not any(
        isinstance(value, list)
        or (_column(name) not in KEYS and isinstance(value, int) and abs(value) > LARGEST_INTEGER)
        for name, value in lookups.items()
    )


def newest(
    model: type[Model], columns: tuple[str, ...], lookups: Mapping[str, Any], *, size: int, offset: int = 0
) -> list[dict[str, Any]]:
    """The named columns of the rows that match plain lookups, newest first; a JSON column as a fragment for orjson."""
    return _statement(model, columns, tuple(lookups), connection.vendor, _examples(lookups)).page(
        list(lookups.values()), size=size, offset=offset
    )


class _Examples(tuple[Any, ...]):
    """Values to compose the statement with: equal to any others, for the cache."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Examples)

    def __hash__(self) -> int:
        return 0


def _examples(lookups: Mapping[str, Any]) -> _Examples:
    return _Examples(lookups.values())


@lru_cache(maxsize=MOST_STATEMENTS)
def _statement(
    model: type[Model], columns: tuple[str, ...], lookups: tuple[str, ...], vendor: str, examples: _Examples
) -> Statement:
    rows = model._default_manager.order_by("-id").values(*columns)  # noqa: SLF001  Django's name for it
    for name, value in zip(lookups, examples, strict=True):
        rows = rows.filter(**{name: value})
    compiler = rows.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    fields = tuple(_field(model, name) for name in lookups)
    if [_prepared(field, value) for field, value in zip(fields, examples, strict=True)] != list(parameters):
        raise AssertionError(f"Django gives other parameters for {lookups}")
    selected = [expression for expression, _, _ in compiler.select]
    converters = compiler.get_converters(selected)
    for position, expression in enumerate(selected):
        if isinstance(expression.output_field, JSONField):
            converters[position] = ([_fragment], expression)
    return Statement(sql, fields, columns, lambda found: compiler.apply_converters(found, converters))


def _field(model: type[Model], lookup: str) -> "Field[Any, Any]":
    found: Field[Any, Any] = model._meta.get_field(_column(lookup))  # type: ignore[assignment]  # noqa: SLF001
    return found


def _column(lookup: str) -> str:
    for bound in BOUNDS:
        lookup = lookup.removesuffix(bound)
    return lookup


def _prepared(field: "Field[Any, Any]", value: Any) -> Any:
    return field.get_db_prep_value(value, connection)


def _fragment(value: Any, expression: Any, used: Any) -> orjson.Fragment | None:
    return None if value is None else orjson.Fragment(value)
