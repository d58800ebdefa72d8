"""Reading some of a stored JSON result: rows where they lie, ids by their place, counts of what repeats."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import numpy as np
import orjson
from django.core.cache import cache

from lunatasks.errors import LunaError
from tasks_app import services
from tasks_app.models import Task

CHUNK = 2**20
ID_BYTES = 39
"""Of one id in a list: 36 characters, two quotes, a comma."""
MOST_ROWS = 1000
"""Rows that can be looked at; the others are counted and downloaded only."""
LONGEST_ROW = 2**22
MOST_SCANNED = 2**28
"""Bytes of a result in which marks are counted for its summary."""
MOST_PARSED = 2**26
"""Bytes of a result whose rows are read for its summary: two seconds."""
KEPT_SECONDS = 3600
_ESCAPE = re.compile(rb"\\.", re.DOTALL)

Kept = TypeVar("Kept")


class Unreadable(Exception):
    """The result cannot be shown; the argument says why, in a sentence for the page."""


@dataclass(frozen=True, slots=True)
class Window:
    """A page of rows, `first` to `last` 1-based of `total`."""

    number: int
    pages: int
    first: int
    last: int
    total: int

    @property
    def previous(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


def window(page: str, total: int, size: int, *, reachable: int | None = None) -> Window:
    """Nonsense is the first page, too much the last one. `reachable`: how many of the total can be paged."""
    within = total if reachable is None else min(total, reachable)
    pages = max(1, -(-within // size))
    wanted = int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1
    number = min(max(1, wanted), pages)
    return Window(number, pages, (number - 1) * size + 1, min(within, number * size), total)


@contextmanager
def opened(task: Task) -> Iterator[services.OpenResult]:
    """The stored result. Raises Unreadable."""
    try:
        found = services.open_result(task_id=task.pk)
        with found.stream:
            yield found
    except LunaError as error:
        raise Unreadable(error.detail) from None
    except OSError:
        raise Unreadable("The storage of results does not answer.") from None


def kept(task: Task, make: Callable[[], Kept]) -> Kept:
    """What never changes of a result: made once, then from the cache."""
    key = f"lunatasks.result.{task.result_id}"
    found: Kept | None = cache.get(key)
    if found is None:
        found = make()
        cache.set(key, found, KEPT_SECONDS)
    return found


def count_ids(size: int) -> int:
    """How many ids a list of so many bytes holds. Raises ValueError for what is no such list."""
    if size == 2:
        return 0
    count, rest = divmod(size - 1, ID_BYTES)
    if rest or count < 1:
        raise ValueError("no list of ids")
    return count


def read_ids(stream: BinaryIO, first: int, last: int) -> list[str]:
    """Ids first to last (1-based) of a list."""
    if last < first:
        return []
    stream.seek(1 + (first - 1) * ID_BYTES)
    ids: list[str] = orjson.loads(b"[" + stream.read((last - first + 1) * ID_BYTES - 1) + b"]")
    return ids


def blocks(stream: BinaryIO, overlap: int = 0, *, most: int | None = None) -> Iterator[tuple[bytes, int]]:
    """(block, how many of its first bytes were in the last one too) from the start, of at most MOST_SCANNED bytes."""
    stream.seek(0)
    tail, read = b"", 0
    while read < (most or MOST_SCANNED) and (chunk := stream.read(CHUNK)):
        yield tail + chunk, len(tail)
        read += len(chunk)
        tail = (tail + chunk)[-overlap:] if overlap else b""


def count_marks(stream: BinaryIO, *marks: bytes) -> list[int]:
    """How often each mark occurs in the first MOST_SCANNED bytes."""
    counts = [0] * len(marks)
    overlap = max(map(len, marks)) - 1
    for block, seen in blocks(stream, overlap):
        for number, mark in enumerate(marks):
            # of the repeated bytes, as many as cannot hold the whole mark
            counts[number] += block.count(mark, max(0, seen - len(mark) + 1))
    return counts


def row_places(stream: BinaryIO, most: int = MOST_ROWS) -> list[tuple[int, int]]:
    """(start, stop) in bytes of the first rows of an array of objects."""
    places: list[tuple[int, int]] = []
    for start, stop in _places(stream):
        places.append((start, stop))
        if len(places) >= most:
            break
    return places


def read_rows(stream: BinaryIO, places: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Rows by their places; one that is too long to be shown is empty."""
    rows: list[dict[str, Any]] = []
    for start, stop in places:
        stream.seek(start)
        rows.append(orjson.loads(stream.read(stop - start)) if stop - start <= LONGEST_ROW else {})
    return rows


def all_rows(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """Rows within the first MOST_PARSED bytes, one after the other; those that are too long are left out."""
    buffer, offset = bytearray(), 0
    scanner = _Scanner()
    for block, _ in blocks(stream, most=MOST_PARSED):
        buffer += block
        done = 0
        for start, stop in scanner.feed(block):
            if stop - start <= LONGEST_ROW and start >= offset:
                yield orjson.loads(buffer[start - offset : stop - offset])
            done = stop - offset
        del buffer[:done]
        offset += done
        if len(buffer) > LONGEST_ROW + CHUNK:
            offset += len(buffer)
            buffer.clear()


def _places(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    scanner = _Scanner()
    for block, _ in blocks(stream):
        yield from scanner.feed(block)


class _Scanner:
    """Finds where the objects of an array begin and end, block by block, without building them."""

    def __init__(self) -> None:
        self._offset = self._depth = 0
        self._in_text = self._is_escaped = False
        self._start = 0

    def feed(self, block: bytes) -> Iterator[tuple[int, int]]:
        """(start, stop) of the rows that end in this block."""
        plain = self._without_escapes(block)
        codes = np.frombuffer(plain, np.uint8)
        quotes = np.cumsum(codes == ord('"')) + int(self._in_text)
        outside = (quotes & 1) == 0
        steps = np.where((codes == ord("{")) | (codes == ord("[")), 1, 0)
        steps -= np.where((codes == ord("}")) | (codes == ord("]")), 1, 0)
        steps *= outside
        depths = np.cumsum(steps) + self._depth
        for at in np.flatnonzero(((steps == 1) & (depths == 2)) | ((steps == -1) & (depths == 1))).tolist():
            if steps[at] == 1:
                self._start = self._offset + at
            else:
                yield self._start, self._offset + at + 1
        self._in_text, self._depth = bool(quotes[-1] & 1), int(depths[-1])
        self._offset += len(block)

    def _without_escapes(self, block: bytes) -> bytes:
        """The block with escaped characters masked; an escape may begin in one block and end in the next."""
        if self._is_escaped:
            block = b"_" + block[1:]
        if b"\\" not in block:
            self._is_escaped = False
            return block
        plain = _ESCAPE.sub(b"__", block)
        self._is_escaped = plain.endswith(b"\\")
        return plain
