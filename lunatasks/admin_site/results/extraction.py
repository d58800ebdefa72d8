"""The result of an additional extraction: how many objects have which generation now."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.http import HttpRequest

from lunatasks.admin_site.results import stream
from lunatasks.admin_site.results.stream import blocks, kept, opened, read_rows, row_places
from lunatasks.admin_site.shown import ShownObject, kind_of, may_see, shown_objects
from tasks_app.models import Task

OBJECTS_SHOWN = 42
_GENERATION = re.compile(rb'"generation":(\d{1,9})\}')
_LONGEST_MARK = 24


@dataclass(frozen=True, slots=True)
class Summary:
    """`generations`: (generation, objects), ascending; places of the first rows."""

    objects: int
    generations: list[tuple[int, int]]
    places: list[tuple[int, int]]


def extraction_page(request: HttpRequest, task: Task) -> dict[str, Any]:
    """Counts, and the first objects with the generation each of them got."""
    kind = kind_of(task.content.get("filters", {}).get("objects_type"))
    sees_them = may_see(request, kind)
    with opened(task) as result:
        is_partial = result.size > stream.MOST_SCANNED
        summary = kept(task, lambda: _summary(result.stream))
        rows = [row for row in read_rows(result.stream, summary.places) if row] if sees_them else []
    found = shown_objects(task.account_id, kind, [row["object_id"] for row in rows])
    shown: list[tuple[ShownObject, int, int]] = [
        (found[row["object_id"]], int(row["generation"]), len(row["samples"])) for row in rows
    ]
    return {
        "summary": summary,
        "is_partial": is_partial,
        "may_see": sees_them,
        "objects": shown,
        "noun": f"{kind}s",
        "target": str(task.content.get("extraction_target", "")).replace("_", " "),
        "version": task.content.get("options", {}).get("descriptor_version"),
        "only_missing": task.content.get("options", {}).get("missing", True),
    }


def _summary(data: BinaryIO) -> Summary:
    counts: Counter[int] = Counter()
    for block, seen in blocks(data, _LONGEST_MARK):
        # a mark that ended in the repeated bytes was counted with the block before
        counts.update(int(mark[1]) for mark in _GENERATION.finditer(block) if mark.end() > seen)
    return Summary(counts.total(), sorted(counts.items()), row_places(data, OBJECTS_SHOWN))
