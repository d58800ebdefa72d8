"""Rows of a csv file as bytes: RFC 4180, UTF-8, text that a spreadsheet would take for a formula disarmed."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from lunatasks.times import format_time

Cell = str | int | float | UUID | datetime | Sequence[Any] | Mapping[str, Any] | None

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def rows_as_bytes(rows: Iterable[Sequence[Cell]], delimiter: str) -> bytes:
    """The rows with CRLF; a cell is quoted when it holds the delimiter, a quote or an end of line."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerows([cell_text(cell) for cell in row] for row in rows)
    return stream.getvalue().encode(errors="replace")  # half a surrogate pair is no reason to lose a report


def cell_text(value: Cell) -> str:
    """How a value reads: text disarmed, numbers as they are, lists and objects as JSON, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_STARTS) else value
    if isinstance(value, datetime):
        return str(format_time(value))
    if isinstance(value, int | float | UUID):
        return str(value)
    return json_text(value) if value else ""


def json_text(value: Any) -> str:
    """JSON with members in the order of their names, times as everywhere."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    raise TypeError(type(value).__name__)
