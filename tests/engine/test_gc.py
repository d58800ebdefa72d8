"""Garbage collecting from request to result, in this process."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.embedded.models import Face
from lunatasks.luna_services.ports import FaceFilters, NewFace
from tasks_app import services
from tasks_app.models import Subtask
from tasks_app.states import Status, TaskType
from tests.engine.conftest import people
from tests.engine.types import create, ended, errors_of, jpeg, result_of
from workers.task_types import selection


@pytest.fixture(autouse=True)
def small_parts(settings):
    settings.LUNATASKS_GC_PART_SIZE = 3


@pytest.fixture
def collect(account, sent, work):
    """A finished gc."""

    def run(target="faces", status=Status.DONE, **content):
        task = create(account, TaskType.GC, {"target": target, "store_results": True, **content})
        work()
        return ended(task, status)

    return run


def face_ids(account):
    return {face_id for ids in registry.faces().iterate_ids(FaceFilters(account)) for face_id in ids}


def texts(ids):
    return sorted(str(value) for value in ids)


def test_faces_that_match_go_and_the_others_stay(make_faces, collect, account):
    old = make_faces(2, 4, seed=1, create_time=timezone.now() - timedelta(days=40))
    new = make_faces(1, 2, seed=2)
    before = (timezone.now() - timedelta(days=30)).isoformat()

    task = collect(filters={"create_time__lt": before})

    assert face_ids(account) == set(new)
    assert result_of(task) == texts(old)
    assert task.count_task_parts_all == task.count_task_parts_done == 3


def test_links_and_samples_go_with_their_face(transactional_db, collect, account):
    list_id, face_id, sample_id = uuid4(), uuid4(), uuid4()
    faces = registry.faces()
    faces.ensure_list(account, list_id)
    faces.add_faces(account, [NewFace(face_id, sample=jpeg(1), sample_id=sample_id)], list_id=list_id)

    collect()

    assert faces.get_lists(account, [list_id])[0].face_count == 0
    assert faces.open_sample(account, sample_id) is None


def test_only_the_descriptors_of_the_version_go(make_faces, collect, account):
    ids = make_faces(1, 4)
    bare = uuid4()
    registry.faces().add_faces(account, [NewFace(bare)])

    task = collect("face_descriptors", filters={"descriptor_version": SFACE.number})

    assert result_of(task) == texts(ids)
    assert face_ids(account) == {*ids, bare}
    assert registry.faces().get_descriptors(account, ids, version=SFACE.number) == []


def test_descriptors_of_another_version_stay(make_faces, collect, account):
    ids = make_faces(1, 4)

    assert result_of(collect("face_descriptors", filters={"descriptor_version": 1})) == []

    assert len(registry.faces().get_descriptors(account, ids, version=SFACE.number)) == 4


@pytest.mark.parametrize(
    ("target", "filters"), [("faces", {}), ("face_descriptors", {"descriptor_version": SFACE.number})]
)
def test_a_second_task_and_a_rerun_find_nothing(make_faces, collect, work, target, filters):
    make_faces(2, 4)
    first = collect(target, filters=filters)

    second = collect(target, filters=filters)
    services.rerun_task(task_id=first.pk)
    work()

    assert result_of(second) == result_of(ended(first)) == []
    assert errors_of(first) == []


def test_a_dry_run_lists_and_deletes_nothing(make_faces, collect, account):
    ids = make_faces(2, 4)

    task = collect(dry_run=True, store_results=False)

    assert result_of(task) == texts(ids)
    assert face_ids(account) == set(ids)
    assert task.inputs["count"] == 8


def test_the_result_is_empty_unless_asked_for(make_faces, collect, account):
    make_faces(2, 4)

    assert result_of(collect(store_results=False)) == []

    assert face_ids(account) == set()


@pytest.mark.parametrize("dry_run", [True, False])
def test_nothing_to_delete_is_done(transactional_db, collect, dry_run):
    task = collect(dry_run=dry_run)

    assert (result_of(task), task.count_task_parts_all) == ([], 0)


def test_faces_of_another_account_stay(make_faces, collect, account, other_account):
    mine, theirs = make_faces(1, 2), uuid4()
    registry.faces().add_faces(other_account, [NewFace(theirs)])

    task = collect(filters={"face_ids": [str(theirs), *texts(mine)]})

    assert result_of(task) == texts(mine)
    assert face_ids(other_account) == {theirs}


def test_a_part_that_ran_one_and_a_half_times_tells_the_same(make_faces, account, sent, work, monkeypatch):
    ids = make_faces(2, 4)
    task = create(account, TaskType.GC, {"target": "faces", "store_results": True})
    work(1)
    registry.faces().delete_faces(account, sorted(ids)[:2])  # the first half of the first part

    work()

    assert result_of(ended(task)) == texts(ids)
    assert Face.objects.count() == 0


def test_a_face_that_came_later_stays(make_faces, account, sent, work):
    make_faces(2, 4, seed=1)
    task = create(account, TaskType.GC, {"target": "faces"})
    work(1)
    later = make_faces(1, 2, seed=2)

    work()

    ended(task)
    assert face_ids(account) == set(later)


def test_parts_grow_rather_than_become_too_many(make_faces, collect, account, monkeypatch, settings):
    monkeypatch.setattr(selection, "MOST_PARTS", 4)
    settings.LUNATASKS_GC_PART_SIZE = 1
    ids = make_faces(5, 2)

    task = collect()

    sizes = [stop - start for start, stop in Subtask.objects.filter(task=task).values_list("content", flat=True)]
    assert sizes == [3, 3, 3, 1]
    assert result_of(task) == texts(ids)


def test_big_parts_are_deleted_in_calls_of_a_thousand_at_most(make_faces, collect, account, monkeypatch, settings):
    monkeypatch.setattr(selection, "IDS_OF_A_CALL", 4)
    settings.LUNATASKS_GC_PART_SIZE = 1000
    ids = make_faces(5, 2)
    called = []
    delete = registry.faces().delete_faces
    monkeypatch.setattr(registry.faces(), "delete_faces", lambda *a: called.append(len(a[1])) or delete(*a))

    task = collect()

    assert called == [4, 4, 2]
    assert result_of(task) == texts(ids) == texts(people(5, 2)[0])
