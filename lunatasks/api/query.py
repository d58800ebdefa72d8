"""Query parameters and ids of paths: typed, checked, and named by the error when they are wrong."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.http import HttpRequest, QueryDict

from lunatasks.errors import BadQuery, LunaError
from lunatasks.times import parse_time
from lunatasks.uuids import parse_uuid

Value = TypeVar("Value")

MAX_ID = 2**63 - 1
MAX_IDS = 1000
MAX_PAGE_SIZE = 1000

_INTEGER = re.compile(r"-?[0-9]+")
_MAX_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: rows from `offset`, at most `size`. The offset may lie beyond any number of rows."""

    offset: int
    size: int


class Query:
    """The parameters of one request. A reader returns None when its parameter is absent."""

    def __init__(self, request: HttpRequest) -> None:
        raw = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
        # not request.GET: that one decodes by the charset that the client's Content-Type names
        self._parameters = QueryDict(raw, encoding="utf-8")

    def text(self, name: str) -> str | None:
        """The parameter as it stands. Raises BadQuery when it is repeated."""
        values = self._parameters.getlist(name)
        if len(values) > 1:
            raise BadQuery(name)
        return values[0] if values else None

    def read(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        """The parameter by a function that raises ValueError. Raises BadQuery."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError:
            raise BadQuery(name) from None

    def integer(self, name: str, low: int | None = None, high: int | None = None) -> int | None:
        """An integer in low..high."""
        return self.read(name, lambda text: bounded_integer(text, low, high))

    def time(self, name: str) -> datetime | None:
        """An RFC 3339 time."""
        return self.read(name, parse_time)

    def uuid(self, name: str) -> UUID | None:
        """A uuid."""
        return self.read(name, parse_uuid)

    def ids(self, name: str) -> list[int] | None:
        """1 to 1000 comma separated integers >= 1; those that no row can have are left out."""
        return self.read(name, id_list)

    def page(self) -> Page:
        """`page` and `page_size`."""
        number = self.integer("page", low=1) or 1
        size = self.integer("page_size", low=1, high=MAX_PAGE_SIZE) or 10
        return Page(offset=(number - 1) * size, size=size)


def bounded_integer(text: str, low: int | None = None, high: int | None = None) -> int:
    """Decimal digits with an optional minus. Raises ValueError, also outside of low..high."""
    if not _INTEGER.fullmatch(text):
        raise ValueError("not an integer")
    digits = text.lstrip("-").lstrip("0")
    # so many digits are beyond every row and every bound, and int() refuses thousands of them
    number = int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
    number = -number if text.startswith("-") else number
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError("out of range")
    return number


def id_list(text: str) -> list[int]:
    """See `Query.ids`."""
    parts = text.split(",")
    if len(parts) > MAX_IDS:
        raise ValueError("too many ids")
    return sorted({number for number in (bounded_integer(part, low=1) for part in parts) if number <= MAX_ID})


def path_id(digits: str, missing: type[LunaError]) -> int:
    """The id in a path. Raises the given error for one that no row can have."""
    try:
        return bounded_integer(digits, low=1, high=MAX_ID)
    except ValueError:
        raise missing(digits[:_MAX_DIGITS]) from None
