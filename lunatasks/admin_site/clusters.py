"""The result of a clustering as a page shows it: the largest clusters as rows of faces or events.

A result may hold millions of ids. One pass over its bytes counts them and notes where the first clusters lie; a
page then reads just those. The summary never changes, so it is kept in the cache.
"""

from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import orjson
from django.core.cache import cache

from lunatasks.admin_site import formats
from lunatasks.admin_site.shown import ShownObject, kind_of, shown_objects
from lunatasks.errors import LunaError
from tasks_app import services
from tasks_app.models import Task

CHUNK = 2**20
MOST_CLUSTERS = 1000
"""Clusters that can be looked at; the smaller ones are counted and downloaded only."""
CLUSTERS_PER_PAGE = 24
OBJECTS_PER_ROW = 14
OBJECTS_PER_PAGE = 120
KEPT_SECONDS = 3600
ID_BYTES = 39
"""Of one id in the file: 36 characters, two quotes, a comma."""
BUCKETS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 50), (51, 100), (101, 1000), (1001, None))


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of a result, and where its first clusters lie. `histogram`: (sizes, clusters, objects)."""

    clusters: int
    objects: int
    singletons: int
    histogram: tuple[tuple[str, int, int], ...]
    starts: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A cluster with its first objects; `names`: their external ids, most frequent first."""

    number: int
    size: int
    objects: list[ShownObject]
    names: list[tuple[str, int]]

    @property
    def hidden(self) -> int:
        return self.size - len(self.objects)

    @property
    def hidden_text(self) -> str:
        return formats.number(self.hidden)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of clusters, or of the objects of one. `first` and `last` are 1-based."""

    rows: list[Row]
    number: int
    pages: int
    first: int
    last: int
    total: int
    summary: Summary

    @property
    def is_capped(self) -> bool:
        return self.summary.clusters > len(self.summary.sizes)

    @property
    def previous(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


def clusters_page(task: Task, *, page: str, with_objects: bool) -> Page | str:
    """One page of clusters, or why there is none. Without the right to see the objects: numbers only."""
    try:
        with services.open_result(task_id=task.pk).stream as stream:
            summary = _summary(task, stream)
            number, pages, first, last = _window(page, len(summary.sizes), CLUSTERS_PER_PAGE)
            wanted = range(first, last) if with_objects else range(0)
            ids = {at: _ids(stream, summary, at, 0, OBJECTS_PER_ROW) for at in wanted}
    except LunaError as error:
        return error.detail
    except OSError:
        return "The storage of results does not answer."
    return Page(_rows(task, summary, ids), number, pages, first + 1, last, summary.clusters, summary)


def cluster_page(task: Task, number: int, *, page: str) -> Page | None:
    """One page of the objects of a cluster, numbered from 1; None when there is no such cluster."""
    try:
        with services.open_result(task_id=task.pk).stream as stream:
            summary = _summary(task, stream)
            if not 1 <= number <= len(summary.sizes):
                return None
            size = summary.sizes[number - 1]
            at, pages, first, last = _window(page, size, OBJECTS_PER_PAGE)
            ids = {number - 1: _ids(stream, summary, number - 1, first, last)}
    except (LunaError, OSError):
        return None
    return Page(_rows(task, summary, ids), at, pages, first + 1, last, size, summary)


def summarise(stream: BinaryIO) -> Summary:
    """Count the clusters of a stored result, `[["id", ...], ...]` without spaces, reading it once."""
    sizes, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    open_quotes, offset = 0, 0
    while chunk := stream.read(CHUNK):
        codes = np.frombuffer(chunk, dtype=np.uint8)
        quotes = np.cumsum(codes == ord('"')) + open_quotes
        ends = quotes[codes == ord("]")]
        begins = np.flatnonzero(codes == ord("[")) + offset
        sizes.append(ends)
        starts.append(begins)
        open_quotes, offset = int(quotes[-1]), offset + len(chunk)
    # The first bracket and the last one are those of the whole.
    counted = np.diff(np.concatenate(sizes), prepend=0)[:-1] // 2
    begins = np.concatenate(starts)[1:] + 1
    return Summary(
        clusters=len(counted),
        objects=int(counted.sum()),
        singletons=int((counted == 1).sum()),
        histogram=_histogram(counted),
        starts=tuple(begins[:MOST_CLUSTERS].tolist()),
        sizes=tuple(counted[:MOST_CLUSTERS].tolist()),
    )


def _histogram(sizes: np.ndarray) -> tuple[tuple[str, int, int], ...]:
    rows = []
    for low, high in BUCKETS:
        inside = sizes[(sizes >= low) & (sizes <= (high or sizes.max(initial=0)))]
        if len(inside):
            label = str(low) if low == high else f"{low} to {high}" if high else f"{low} and more"
            rows.append((label, len(inside), int(inside.sum())))
    return tuple(rows)


def _summary(task: Task, stream: BinaryIO) -> Summary:
    key = f"lunatasks.clusters.{task.result_id}"
    summary: Summary | None = cache.get(key)
    if summary is None:
        summary = summarise(stream)
        cache.set(key, summary, KEPT_SECONDS)
    return summary


def _window(page: str, total: int, size: int) -> tuple[int, int, int, int]:
    """(page, pages, first, last): nonsense is the first page, too much the last one."""
    pages = max(1, -(-total // size))
    wanted = int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1
    number = min(max(1, wanted), pages)
    return number, pages, (number - 1) * size, min(total, number * size)


def _ids(stream: BinaryIO, summary: Summary, at: int, first: int, last: int) -> list[str]:
    last = min(last, summary.sizes[at])
    stream.seek(summary.starts[at] + first * ID_BYTES)
    text = stream.read((last - first) * ID_BYTES - 1)
    ids: list[str] = orjson.loads(b"[" + text + b"]")
    return ids


def _rows(task: Task, summary: Summary, ids: dict[int, list[str]]) -> list[Row]:
    kind = kind_of(task.content.get("objects_type"))
    found = shown_objects(task.account_id, kind, (one for of_row in ids.values() for one in of_row))
    return [_row(at + 1, summary.sizes[at], [found[one] for one in of_row]) for at, of_row in ids.items()]


def _row(number: int, size: int, objects: list[ShownObject]) -> Row:
    names = Counter(one.name for one in objects if one.name)
    return Row(number, size, objects, sorted(names.items(), key=lambda item: (-item[1], item[0])))
