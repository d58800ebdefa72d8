"""A clustering from request to result, in this process."""

import numpy as np
import orjson
import pytest
from django.core.files.storage import storages

from errors_app.models import TaskError
from lunatasks.luna_services.descriptors import SFACE
from tasks_app import artefacts, services
from tasks_app.models import Task
from tasks_app.states import Status
from tests.engine.conftest import people


def result_of(task: Task) -> list[list[str]]:
    with services.open_result(task_id=task.pk).stream as stream:
        return orjson.loads(stream.read())


def obvious_clusters(ids, vectors, limit) -> list[list[str]]:
    """Flood fill over all pairs, one after the other."""
    wide = vectors.astype(np.float64)
    open_objects, found = set(range(len(ids))), []
    while open_objects:
        cluster, frontier = set(), {min(open_objects)}
        while frontier:
            at = frontier.pop()
            cluster.add(at)
            frontier |= {other for other in open_objects - cluster if float(wide[at] @ wide[other]) >= limit}
        open_objects -= cluster
        found.append(sorted(str(ids[at]) for at in cluster))
    return sorted(found, key=lambda cluster: (-len(cluster), cluster[0]))


@pytest.mark.parametrize("rows", [1, 3, 5, 4096])
def test_the_result_equals_a_flood_fill_whatever_the_tiles(make_faces, make_clustering, work, settings, rows):
    settings.LUNATASKS_TILE_ROWS = rows
    make_faces(5, 3)
    task = make_clustering()

    work()

    task.refresh_from_db()
    assert task.task_status == Status.DONE
    assert result_of(task) == obvious_clusters(*people(5, 3), SFACE.cluster_score)
    assert task.count_task_parts_done == task.count_task_parts_all > 0


def test_only_the_result_stays_when_the_task_is_done(make_faces, make_clustering, work, settings):
    settings.LUNATASKS_TILE_ROWS = 4
    make_faces()
    task = make_clustering()

    work()

    task.refresh_from_db()
    assert list(artefacts.walk(artefacts.folder_of_task(task.pk))) == [task.result_path]
    assert storages["results"].size(task.result_path) == task.result_size


def test_no_object_at_all_fails_the_task_with_a_stored_28010(make_clustering, work):
    task = make_clustering()

    work()

    task.refresh_from_db()
    assert task.task_status == Status.FAILED
    assert list(TaskError.objects.values_list("task_id", "error_code", "status_code")) == [(task.pk, 28010, 404)]


def test_filters_choose_the_objects(make_faces, make_clustering, work):
    wanted = make_faces(1, 2, seed=1)
    make_faces(2, 2, seed=2)
    task = make_clustering(filters={"face_ids": [str(face_id) for face_id in wanted]})

    work()

    assert result_of(task) == [sorted(str(face_id) for face_id in wanted)]
