"""Clustering: the objects' vectors are copied, tiles of their score matrix are parts, the merge joins them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from django.conf import settings
from numpy.typing import NDArray

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import VERSIONS, score_above
from lunatasks.luna_services.ports import FaceFilters
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files import snapshot
from workers.numeric import clustering, ids
from workers.numeric.clustering import Best
from workers.task_types.base import Plan, TaskKind

MEBIBYTE = 2**20
FOLD_ENTRIES = 4_000_000
"""Entries of best lists that the merge gathers before it reduces them."""


def split(context: Context, phase: int) -> Plan:
    """Copy ids and vectors of the objects; a part is a tile of their score matrix."""
    version = VERSIONS[settings.LUNATASKS_FACE_VERSION]
    found = snapshot.write_snapshot(
        context, registry.faces().iterate_descriptors(face_filters(context), version=version.number)
    )
    if not found.count:
        raise errors.NothingToCluster
    threshold = context.content.get("threshold")
    limit = version.cluster_score if threshold is None else score_above(threshold, version)
    return Plan(
        parts=clustering.tiles(found.count, settings.LUNATASKS_TILE_ROWS),
        inputs={"ids": found.ids, "vectors": found.vectors, "count": found.count, "limit": limit},
    )


def process(context: Context, content: Any) -> Artefact:
    """Edges of one tile."""
    vectors = context.read_input("vectors")
    limit, best = context.inputs["limit"], context.content.get("limit")
    memory = settings.LUNATASKS_MEMORY_MB * MEBIBYTE
    check = context.check
    if best is None:
        edges = clustering.tile_forest(vectors, tuple(content), limit=limit, memory=memory, check=check)
        return context.write_array(".npy", edges)
    found = clustering.tile_best(vectors, tuple(content), limit=limit, best=best, memory=memory, check=check)
    return context.write_array(".npy", _packed(found))


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """Clusters of the graph that all tiles' edges make: larger ones first, ids ascending."""
    best = context.content.get("limit")
    edges = _all_edges(context, parts) if best is None else _best_edges(context, parts, best)
    labels = clustering.components(context.inputs["count"], edges)
    return _write_clusters(context, *clustering.groups(labels))


def face_filters(context: Context) -> FaceFilters:
    """The content's filters as the faces service takes them."""
    given = dict(context.content.get("filters") or {})
    given.pop("account_id", None)
    for name in ("face_ids",):
        if name in given:
            given[name] = [UUID(value) for value in given[name]]
    for name in ("face_id__gte", "face_id__lt", "list_id"):
        if name in given:
            given[name] = UUID(given[name])
    for name in ("create_time__gte", "create_time__lt"):
        if name in given:
            given[name] = datetime.fromisoformat(given[name])
    return FaceFilters(account_id=context.account_id, **given)


def _all_edges(context: Context, parts: Iterator[Part]) -> NDArray[np.int64]:
    gathered = [np.empty((0, 2), np.int64)]
    for part in parts:
        context.check()
        gathered.append(part.read_array())
    return np.concatenate(gathered)


def _best_edges(context: Context, parts: Iterator[Part], best: int) -> NDArray[np.int64]:
    gathered, waiting = [clustering.NO_NEIGHBOURS], 0
    for part in parts:
        context.check()
        gathered.append(_unpacked(part.read_array()))
        waiting += len(gathered[-1].objects)
        if waiting > FOLD_ENTRIES:
            gathered, waiting = [clustering.keep_best(gathered, best)], 0
    kept = clustering.keep_best(gathered, best)
    return np.column_stack([kept.objects, kept.neighbours])


BEST_ROW = np.dtype([("object", "<i8"), ("neighbour", "<i8"), ("score", "<f8")])


def _packed(found: Best) -> NDArray[Any]:
    rows = np.empty(len(found.objects), dtype=BEST_ROW)
    rows["object"], rows["neighbour"], rows["score"] = found.objects, found.neighbours, found.scores
    return rows


def _unpacked(rows: NDArray[Any]) -> Best:
    return Best(rows["object"], rows["neighbour"], rows["score"])


def _write_clusters(context: Context, order: NDArray[np.int64], bounds: NDArray[np.int64]) -> Artefact:
    strings = ids.to_strings(context.read_input("ids")[order])
    with context.writing(".json") as writer:
        writer.write(b"[")
        for number, size in enumerate(np.diff(bounds)):
            if number % 1000 == 0:
                context.check()
            writer.write(b"," if number else b"")
            writer.write(orjson.dumps([next(strings) for _ in range(size)]))
        writer.write(b"]")
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


KIND = TaskKind(number=TaskType.CLUSTERING, split=split, process=process, merge=merge, needs_all_parts=True)
