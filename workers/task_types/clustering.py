"""Clustering: the objects' vectors are copied, tiles of their score matrix are parts, the merge joins them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import numpy as np
import orjson
from django.conf import settings
from numpy.typing import NDArray

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import DescriptorVersion, score_above
from lunatasks.luna_services.ports import Ids, Vectors
from tasks_app.contents.versions import default_version
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files import snapshot
from workers.numeric import clustering, ids
from workers.numeric.clustering import Best
from workers.task_types.base import Plan, TaskKind
from workers.task_types.selection import event_filters, face_filters, uuids

MEBIBYTE = 2**20
FOLD_ENTRIES = 4_000_000
"""Entries of best lists that the merge gathers before it reduces them."""


def split(context: Context, phase: int) -> Plan:
    """Copy ids and vectors of the objects; a part is a tile of their score matrix."""
    version = default_version(_kind(context))
    tracks = Tracks()
    found = snapshot.write_snapshot(context, _descriptors(context, version, tracks))
    if not found.count:
        raise errors.NothingToCluster
    threshold = context.content.get("threshold")
    limit = version.cluster_score if threshold is None else score_above(threshold, version)
    inputs = {"ids": found.ids, "vectors": found.vectors, "count": found.count, "limit": limit}
    if _by_track(context):
        inputs["tracks"] = context.write_array("-tracks.npy", tracks.edges())
    return Plan(parts=clustering.tiles(found.count, settings.LUNATASKS_TILE_ROWS), inputs=inputs)


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
    if _by_track(context):
        edges = np.concatenate([edges, context.read_input("tracks")])
    labels = clustering.components(context.inputs["count"], edges)
    return _write_clusters(context, *clustering.groups(labels))


class Tracks:
    """Objects of one track are one cluster: an edge from each to the first one of its track."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._edges: list[tuple[int, int]] = []
        self._count = 0

    def add(self, event_ids: Sequence[UUID], tracks: Mapping[UUID, str]) -> None:
        """The next objects, in the order of the snapshot; those without a track are alone."""
        for number, event_id in enumerate(event_ids, self._count):
            track = tracks.get(event_id)
            if track is not None and self._first.setdefault(track, number) != number:
                self._edges.append((self._first[track], number))
        self._count += len(event_ids)

    def edges(self) -> NDArray[np.int64]:
        """(k, 2) int64."""
        return np.array(self._edges, dtype=np.int64).reshape(-1, 2)


def _kind(context: Context) -> Literal["face", "body"]:
    return "body" if (context.content.get("descriptor") or {}).get("type") == "body" else "face"


def _by_track(context: Context) -> bool:
    params = context.content.get("params") or {}
    return bool(context.content["objects_type"] == "events" and params.get("use_track_info"))


def _descriptors(context: Context, version: DescriptorVersion, tracks: Tracks) -> Iterator[tuple[Ids, Vectors]]:
    given = context.content.get("filters")
    if context.content["objects_type"] == "faces":
        filters = face_filters(context.account_id, given)
        yield from registry.faces().iterate_descriptors(filters, version=version.number)
        return
    wanted, events = event_filters(context.account_id, given), registry.events()
    for some_ids, vectors in events.iterate_descriptors(wanted, kind=_kind(context), version=version.number):
        if _by_track(context):
            event_ids = uuids(some_ids)
            tracks.add(event_ids, events.track_ids(context.account_id, event_ids))
        yield some_ids, vectors


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
