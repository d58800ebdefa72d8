"""Results that are lists of ids: linked faces, removed objects."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from lunatasks.admin_site.results.stream import count_ids, opened, read_ids, window
from lunatasks.admin_site.shown import Kind, ShownObject, kind_of, may_see, shown_objects
from tasks_app.models import Task
from tasks_app.states import Status

FACES_SHOWN = 42
IDS_SHOWN = 20
MOST_PARTS = 2000

TARGETS: dict[str, tuple[Kind, str]] = {
    "faces": ("face", "faces"),
    "events": ("event", "events"),
    "face_descriptors": ("face", "descriptors of faces"),
    "event_descriptors": ("event", "descriptors of events"),
    "body_descriptors": ("event", "descriptors of bodies"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """The first of so many ids; `objects` is None when the user may not see them."""

    total: int
    ids: list[str]
    objects: list[ShownObject] | None


def linker_page(request: HttpRequest, task: Task) -> dict[str, Any]:
    """The faces that were linked, and their list."""
    list_id = str(task.content.get("list_id", ""))
    return {
        "listed": _listed(request, task, "face", FACES_SHOWN),
        "list_id": list_id,
        "of_events": kind_of(task.content.get("objects_type")) == "event",
        "members_address": f"{reverse('admin:embedded_face_changelist')}?lists={list_id}",
    }


def gc_page(request: HttpRequest, task: Task) -> dict[str, Any]:
    """What was removed, or would be."""
    kind, noun = TARGETS.get(str(task.content.get("target")), ("face", "objects"))
    is_dry = bool(task.content.get("dry_run"))
    listed = _listed(request, task, kind, IDS_SHOWN)
    planned = task.inputs.get("count")
    return {
        "listed": listed,
        "kind": kind,
        "noun": noun,
        "is_dry": is_dry,
        "removed": None if is_dry else _removed(task),
        "planned": planned if isinstance(planned, int) else None,
        "is_stored": is_dry or bool(task.content.get("store_results")),
        # the objects themselves are gone, unless it was a dry run or about their descriptors
        "still_exist": is_dry or "descriptors" in noun,
        "with_samples": bool(task.content.get("remove_samples")),
        "with_origins": bool(task.content.get("remove_image_origins")),
    }


def _listed(request: HttpRequest, task: Task, kind: Kind, most: int) -> Listed:
    with opened(task) as result:
        total = count_ids(result.size)
        shown = window("1", total, most)
        ids = read_ids(result.stream, 1, shown.last)
    if not may_see(request, kind):
        return Listed(total, ids, None)
    found = shown_objects(task.account_id, kind, ids)
    return Listed(total, ids, [found[one] for one in ids])


def _removed(task: Task) -> int:
    """Objects of the parts that have ended; the result lists them only when that was asked for."""
    parts = task.subtasks.filter(subtask_status=Status.DONE).order_by("pk").values_list("content", flat=True)
    ranges = [part for part in parts[:MOST_PARTS] if isinstance(part, list) and len(part) == 2]
    return sum(int(stop) - int(start) for start, stop in ranges)
