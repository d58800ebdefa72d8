"""The result of a cross match: references beside their candidates."""

from dataclasses import dataclass
from typing import Any, BinaryIO

from django.http import HttpRequest

from lunatasks.admin_site.results import stream
from lunatasks.admin_site.results.stream import MOST_ROWS, count_marks, kept, opened, read_rows, row_places, window
from lunatasks.admin_site.shown import Kind, ShownObject, kind_of, may_see, shown_objects
from tasks_app.models import Task

REFERENCES_PER_PAGE = 20
CANDIDATES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the whole result, and where its first rows lie."""

    references: int
    candidates: int
    places: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Row:
    """A reference with its best candidates; `hidden`: how many more there are."""

    reference: ShownObject
    candidates: list[tuple[ShownObject, float]]
    hidden: int


def matches_page(request: HttpRequest, task: Task) -> dict[str, Any]:
    """A page of references."""
    filters = task.content.get("filters", {})
    kinds = kind_of(filters.get("reference_type")), kind_of(filters.get("candidate_type"))
    sees_all = all(may_see(request, kind) for kind in kinds)
    with opened(task) as result:
        is_partial = result.size > stream.MOST_SCANNED
        counts = kept(task, lambda: _counts(result.stream))
        page = window(request.GET.get("rows", ""), counts.references, REFERENCES_PER_PAGE, reachable=len(counts.places))
        rows = read_rows(result.stream, counts.places[page.first - 1 : page.last]) if sees_all else []
        shown = _rows(task, kinds, rows)
    return {
        "counts": counts,
        "page": page,
        "rows": shown,
        "is_partial": is_partial,
        "may_see": sees_all,
        "is_capped": counts.references > MOST_ROWS,
        "threshold": task.content.get("threshold"),
        "limit": task.content.get("limit"),
    }


def _counts(data: BinaryIO) -> Counts:
    # all texts of this result are ids: the marks stand nowhere else
    references, candidates = count_marks(data, b'"reference_id"', b'"candidate_id"')
    return Counts(references, candidates, row_places(data))


def _rows(task: Task, kinds: tuple[Kind, Kind], rows: list[dict[str, Any]]) -> list[Row]:
    references = shown_objects(task.account_id, kinds[0], [row["reference_id"] for row in rows if row])
    listed = [row["candidates"][:CANDIDATES_SHOWN] if row else [] for row in rows]
    candidates = shown_objects(task.account_id, kinds[1], [one["candidate_id"] for some in listed for one in some])
    return [
        Row(
            references[row["reference_id"]],
            [(candidates[one["candidate_id"]], float(one["similarity"])) for one in some],
            len(row["candidates"]) - len(some),
        )
        for row, some in zip(rows, listed, strict=True)
        if row
    ]
