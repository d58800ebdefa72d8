"""A ROC that keeps all scores stays within the memory that is set."""

import tracemalloc
from uuid import UUID

import numpy as np
import pytest

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, normalise
from lunatasks.luna_services.ports import NewFace
from tasks_app import services
from tasks_app.states import Status, TaskType

OBJECTS = 1400


@pytest.fixture
def markup(transactional_db, account):
    """Two faces each of many strangers."""
    vectors = normalise(np.random.default_rng(1).standard_normal((OBJECTS, SFACE.dimension)))
    ids = [UUID(int=number) for number in range(1, OBJECTS + 1)]
    faces = [NewFace(face_id=one, descriptors={SFACE.number: row}) for one, row in zip(ids, vectors, strict=True)]
    for start in range(0, OBJECTS, 1000):
        registry.faces().add_faces(account, faces[start : start + 1000])
    return [{"face_id": str(one), "label": number // 2} for number, one in enumerate(ids)]


def test_all_scores_need_no_more_memory_than_was_set(account, sent, work, settings, markup):
    settings.LUNATASKS_MEMORY_MB = 4
    content = {"markup": markup, "key_FPRs": [0.1]}
    task = services.create_task(account_id=account, task_type=TaskType.ROC, content=content)

    tracemalloc.start()
    try:
        work()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    task.refresh_from_db()
    assert task.task_status == Status.DONE
    assert peak < 8 * 2**20, f"{peak / 2**20:.1f} MiB; 979 300 scores alone are 7.5"
