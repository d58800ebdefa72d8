"""Garbage collecting from request to result, in this process."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import BODY, SFACE
from lunatasks.luna_services.embedded.models import Face
from lunatasks.luna_services.ports import EventFilters, FaceFilters, NewFace
from tasks_app import services
from tasks_app.models import Subtask
from tasks_app.states import Status, TaskType
from tests.engine.conftest import people
from tests.engine.types import (
    add_events,
    body_id,
    create,
    drop_image,
    ended,
    errors_of,
    full_event,
    jpeg,
    origin_id,
    result_of,
    sample_id,
)
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


def event_ids(account):
    return {event_id for ids in registry.events().iterate_ids(EventFilters(account_id=account)) for event_id in ids}


def images_left(account, ids):
    """Which images of the first events are in the store, by bucket."""
    store, buckets = registry.image_store(), registry.buckets()
    numbers = range(1, len(ids) + 1)
    wanted = [(buckets.face_samples, sample_id), (buckets.body_samples, body_id), (buckets.image_origins, origin_id)]
    return [sum(store.has_image(account, bucket, name(number)) for number in numbers) for bucket, name in wanted]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, [5, 5, 5]),
        ({"remove_samples": True}, [0, 0, 5]),
        ({"remove_image_origins": True}, [5, 5, 0]),
        ({"remove_samples": True, "remove_image_origins": True}, [0, 0, 0]),
    ],
)
def test_events_go_with_the_images_that_are_named(transactional_db, account, collect, options, left):
    ids = add_events(account, [full_event(number) for number in range(1, 6)])

    task = collect("events", **options)

    assert result_of(task) == texts(ids)
    assert event_ids(account) == set()
    assert images_left(account, ids) == left


def test_a_source_image_stays_while_another_event_names_it(transactional_db, account, collect):
    ids = add_events(account, [full_event(1), full_event(2, face_detections=full_event(1).face_detections)])

    collect("events", filters={"event_ids": [str(ids[0])]}, remove_image_origins=True)
    assert images_left(account, ids)[2] == 2
    collect("events", remove_image_origins=True)

    assert images_left(account, ids)[2] == 1  # the second event named the first one's image only


@pytest.mark.parametrize(
    ("target", "kind", "options"),
    [
        ("event_descriptors", "face", {}),
        ("event_descriptors", "face", {"descriptor_type": "face"}),
        ("event_descriptors", "body", {"descriptor_type": "body"}),
        ("body_descriptors", "body", {}),
    ],
)
def test_descriptors_of_events_go_by_kind(transactional_db, account, collect, target, kind, options):
    ids = add_events(account, [full_event(number) for number in range(1, 6)], images=False)
    versions = {"face": SFACE.number, "body": BODY.number}

    task = collect(target, filters={"descriptor_version": versions[kind]}, **options)
    again = collect(target, filters={"descriptor_version": versions[kind]}, **options)

    assert (result_of(task), result_of(again)) == (texts(ids), [])
    left = {
        one: len(registry.events().get_descriptors(account, ids, kind=one, version=version))
        for one, version in versions.items()
    }
    assert left == {"face": 5, "body": 5} | {kind: 0}
    assert event_ids(account) == set(ids)


def test_events_of_another_account_stay(transactional_db, account, other_account, collect):
    theirs = add_events(other_account, [full_event(1)])

    assert result_of(collect("events", filters={"event_ids": [str(theirs[0])]}, remove_samples=True)) == []

    assert event_ids(other_account) == set(theirs)
    assert images_left(other_account, theirs) == [1, 1, 1]


def test_a_dry_run_and_a_second_task_of_events(transactional_db, account, collect):
    ids = add_events(account, [full_event(number) for number in range(1, 6)])
    options = {"remove_samples": True, "remove_image_origins": True}

    assert result_of(collect("events", dry_run=True, **options)) == texts(ids)
    assert event_ids(account) == set(ids)
    assert images_left(account, ids) == [5, 5, 5]
    assert result_of(collect("events", **options)) == texts(ids)
    assert result_of(collect("events", **options)) == []


def test_images_that_are_not_in_the_store_any_more_stop_no_gc(transactional_db, account, collect):
    ids = add_events(account, [full_event(number) for number in range(1, 6)])
    buckets = registry.buckets()
    drop_image(account, buckets.face_samples, sample_id(1))
    drop_image(account, buckets.image_origins, origin_id(2))

    task = collect("events", remove_samples=True, remove_image_origins=True)

    assert (result_of(task), errors_of(task)) == (texts(ids), [])
    assert images_left(account, ids) == [0, 0, 0]


def test_events_that_come_later_or_are_gone_already_make_no_difference(transactional_db, account, sent, work):
    ids = add_events(account, [full_event(number) for number in range(1, 6)], images=False)
    task = create(account, TaskType.GC, {"target": "events", "store_results": True})
    work(1)
    registry.events().delete_events(account, ids[:2])
    later = add_events(account, [full_event(9)], images=False)

    work()

    assert result_of(ended(task)) == texts(ids)
    assert errors_of(task) == []
    assert event_ids(account) == set(later)
