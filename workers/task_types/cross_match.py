"""Cross matching: the vectors of both sides are copied; a part finds the best candidates of some references."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import DescriptorVersion, score_above, similarity
from lunatasks.luna_services.ports import Ids, Vectors
from tasks_app.contents.versions import default_version
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files import snapshot
from workers.files.json_rows import merge_rows, write_rows
from workers.numeric import ids, matching
from workers.numeric.matching import Best
from workers.task_types import selection
from workers.task_types.base import Plan, TaskKind

MEBIBYTE = 2**20


def split(context: Context, phase: int) -> Plan:
    """Copy ids and vectors of both sides; a part is [start, stop) of the references."""
    for side in ("reference", "candidate"):
        _refuse_too_many(context, side)
    references = _copy(context, "reference")
    candidates = references if _sides_are_equal(context) else _copy(context, "candidate")
    inputs: dict[str, Any] = {
        "reference_ids": references.ids,
        "reference_vectors": references.vectors,
        "candidate_ids": candidates.ids,
        "candidate_vectors": candidates.vectors,
    }
    step = settings.LUNATASKS_TILE_ROWS
    parts = ([start, min(start + step, references.count)] for start in range(0, references.count, step))
    return Plan(parts=parts, inputs=inputs)


def process(context: Context, content: Any) -> Artefact:
    """Rows of the result of some references."""
    return write_rows(context, _matched(context, content))


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """The rows of all parts, references ascending."""
    return merge_rows(context, parts)


def _matched(context: Context, content: Any) -> Iterator[dict[str, Any]]:
    start, stop = content
    own_ids = context.read_input("reference_ids")[start:stop]
    other_ids = context.read_input("candidate_ids")
    same_kind = _filters(context)["reference_type"] == _filters(context)["candidate_type"]
    found = matching.best_matches(
        np.asarray(context.read_input("reference_vectors")[start:stop]),
        np.asarray(context.read_input("candidate_vectors")),
        limit=_least_score(context),
        best=context.content["limit"],
        memory=settings.LUNATASKS_MEMORY_MB * MEBIBYTE,
        check=context.check,
        itself=ids.positions(own_ids, other_ids) if same_kind else None,
    )
    for some in found:
        context.progress(int(some.objects[-1]) if len(some.objects) else 0, stop - start)
        yield from _rows(some, own_ids, other_ids, _version(context))


def _filters(context: Context) -> dict[str, Any]:
    filters: dict[str, Any] = context.content["filters"]
    return filters


def _version(context: Context) -> DescriptorVersion:
    return default_version(_filters(context)["descriptor"]["type"])


def _least_score(context: Context) -> float:
    version, threshold = _version(context), context.content.get("threshold")
    return version.match_score if threshold is None else score_above(threshold, version)


def _refuse_too_many(context: Context, side: str) -> None:
    kind, given = _filters(context)[f"{side}_type"], _filters(context)[f"{side}_filters"]
    if kind == "faces":
        count = registry.faces().count_faces(selection.face_filters(context.account_id, given))
    else:
        count = registry.events().count_events(selection.event_filters(context.account_id, given))
    if count > settings.LUNATASKS_MATCH_OBJECTS:
        raise errors.TooManyToMatch(settings.LUNATASKS_MATCH_OBJECTS)


def _sides_are_equal(context: Context) -> bool:
    filters = _filters(context)
    return all(filters[f"reference_{name}"] == filters[f"candidate_{name}"] for name in ("type", "filters"))


def _copy(context: Context, side: str) -> snapshot.Snapshot:
    found = snapshot.write_snapshot(context, _descriptors(context, side), name=f"-{side}")
    if not found.count:
        raise errors.NothingToMatch(f"{side}s")
    return found


def _descriptors(context: Context, side: str) -> Iterable[tuple[Ids, Vectors]]:
    filters, version = _filters(context), _version(context)
    given = filters[f"{side}_filters"]
    if filters[f"{side}_type"] == "faces":
        chosen = selection.face_filters(context.account_id, given)
        return registry.faces().iterate_descriptors(chosen, version=version.number)
    return registry.events().iterate_descriptors(
        selection.event_filters(context.account_id, given), kind=version.kind, version=version.number
    )


def _rows(
    found: Best, own: NDArray[np.uint8], other: NDArray[np.uint8], version: DescriptorVersion
) -> Iterator[dict[str, Any]]:
    """The result's objects of references with candidates."""
    references, counts = np.unique(found.objects, return_counts=True)
    candidates = ids.to_strings(other[found.neighbours])
    scores = iter(found.scores.tolist())
    for reference, count in zip(ids.to_strings(own[references]), counts.tolist(), strict=True):
        yield {
            "reference_id": reference,
            "candidates": [
                {"candidate_id": next(candidates), "similarity": similarity(next(scores), version)}
                for _ in range(count)
            ],
        }


KIND = TaskKind(number=TaskType.CROSS_MATCH, split=split, process=process, merge=merge, needs_all_parts=True)
