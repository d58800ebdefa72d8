"""Reporter: a clustering's result becomes a table of its objects, cluster after cluster."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from lunatasks import errors
from tasks_app import artefacts
from tasks_app.contents import reporter as contents
from tasks_app.models import Task
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files.clusters import read_clusters
from workers.task_types import selection, tables
from workers.task_types.base import Plan, TaskKind
from workers.task_types.tables import Table


def split(context: Context, phase: int) -> Plan:
    """Copy ids and clusters of the clustering's objects, in the order of its result.

    The clustering may have gone, or been started again, since the report was asked for: its checks are made again.
    """
    contents.check_objects(context.content, context.account_id)
    task = Task.objects.get(pk=context.content["filters"]["task_id"])
    ids, clusters = _read(context, task)
    plan = selection.plan_array(context, [ids], settings.LUNATASKS_PART_SIZE)
    facts = {
        "objects_type": task.content["objects_type"],
        "descriptor_type": task.content.get("descriptor", {}).get("type", "face"),
    }
    return Plan(
        parts=plan.parts,
        inputs={**plan.inputs, "clusters": context.write_array("-clusters.npy", clusters), **facts},
    )


def process(context: Context, content: Any) -> Artefact:
    """Rows and images of some objects."""
    start, stop = content
    ids = selection.uuids(selection.planned_ids(context, content))
    clusters = context.read_input("clusters")[start:stop].tolist()
    return tables.write_part(context, _table(context), ids, [(cluster,) for cluster in clusters])


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """All of them as a zip."""
    return tables.merge_parts(context, _table(context), ("cluster",), parts)


def _read(context: Context, task: Task) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    stored = Artefact(task.result_path, task.result_size, task.result_sha256)
    ids, clusters = bytearray(), [np.empty(0, np.int64)]
    try:
        with artefacts.storage().open(stored.path, "rb") as stream:
            for some_ids, some_clusters in read_clusters(stream, stored, task_id=task.pk):
                context.check()
                ids += some_ids
                clusters.append(np.array(some_clusters, np.int64))
    except FileNotFoundError:
        raise errors.ResultNotFound(task.pk) from None
    return np.frombuffer(ids, np.uint8).reshape(-1, 16), np.concatenate(clusters)


def _table(context: Context) -> Table:
    content = context.content
    return Table(
        objects_type=context.inputs["objects_type"],
        columns=content["columns"],
        delimiter=content["csv_delimiter"],
        with_images=bool(content["save_images"]),
        descriptor_type=context.inputs["descriptor_type"],
    )


KIND = TaskKind(number=TaskType.REPORTER, split=split, process=process, merge=merge, needs_all_parts=True)
