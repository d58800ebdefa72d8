"""Linking from request to result, in this process."""

import os
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import numpy as np
import pytest
from django.core.files.storage import default_storage

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, normalise
from lunatasks.luna_services.embedded.models import Face, FaceLink, FaceList, FaceSample, StoredFile
from lunatasks.luna_services.ports import FaceFilters, NewFace
from tasks_app import services, transitions
from tasks_app.states import Status, TaskType
from tests.engine.types import add_events, create, drop_image, ended, errors_of, full_event, jpeg, result_of, sample_id
from workers import engine
from workers.context import Stopped


@pytest.fixture(autouse=True)
def small_parts(settings):
    settings.LUNATASKS_PART_SIZE = 3


@pytest.fixture
def link(account, sent, work):
    """A finished linker."""

    def run(status=Status.DONE, **content):
        task = create(account, TaskType.LINKER, {"objects_type": "faces", **content})
        work()
        return ended(task, status)

    return run


def members(account, list_id):
    found = registry.faces().iterate_ids(FaceFilters(account, list_id=UUID(str(list_id))))
    return [face_id for ids in found for face_id in ids]


def texts(ids):
    return sorted(str(value) for value in ids)


def test_a_list_is_made_and_all_faces_are_in_it(make_faces, link, account):
    ids = make_faces(2, 4)

    task = link(create_list=1, user_data="made")

    [row] = FaceList.objects.all()
    assert (str(row.list_id), row.user_data) == (task.content["list_id"], "made")
    assert result_of(task) == texts(ids) == texts(members(account, row.list_id))
    assert task.count_task_parts_all == 3


def test_filters_choose_the_faces(make_faces, link, account):
    wanted = make_faces(1, 2, seed=1, external_id="x")
    make_faces(2, 2, seed=2)

    task = link(create_list=1, filters={"external_ids": ["x"]})

    assert result_of(task) == texts(wanted) == texts(members(account, task.content["list_id"]))


def test_faces_of_one_list_go_into_another_that_exists(make_faces, link, account):
    ids, first, second = make_faces(2, 4), uuid4(), uuid4()
    for list_id in (first, second):
        registry.faces().ensure_list(account, list_id)
    registry.faces().link_faces(account, first, ids[:5])

    task = link(list_id=str(second), filters={"list_id": str(first)})

    assert result_of(task) == texts(ids[:5]) == texts(members(account, second))
    assert texts(members(account, first)) == texts(ids[:5])


def test_a_given_list_that_exists_is_used_as_it_is(make_faces, link, account):
    ids, list_id = make_faces(1, 4), uuid4()
    registry.faces().ensure_list(account, list_id, user_data="before")

    task = link(create_list=1, list_id=str(list_id), user_data="other")

    assert result_of(task) == texts(ids)
    assert FaceList.objects.get().user_data == "before"


def test_a_rerun_makes_no_second_list_and_links_nothing_twice(make_faces, link, work):
    ids = make_faces(2, 4)
    task = link(create_list=1)
    rows = set(FaceLink.objects.values_list("pk", flat=True))

    services.rerun_task(task_id=task.pk)
    work()

    assert result_of(ended(task)) == texts(ids)
    assert FaceList.objects.count() == 1
    assert set(FaceLink.objects.values_list("pk", flat=True)) == rows


def test_a_split_that_runs_twice_makes_one_list(make_faces, account, sent, work, monkeypatch):
    ids = make_faces(1, 4)
    task = create(account, TaskType.LINKER, {"objects_type": "faces", "create_list": 1})

    def stop(*arguments, **named):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "start_parts", stop)
        fence = transitions.TaskFence(task.pk, 1, task.step, 0, 0)
        engine.run_split(fence)
    sent.clear()
    task.refresh_from_db()
    assert FaceList.objects.count() == 1
    type(task).objects.filter(pk=task.pk).update(lease_until=None)
    engine.run_split(transitions.TaskFence(task.pk, 1, task.step, 0, task.attempt))
    work()

    assert FaceList.objects.count() == 1
    assert result_of(ended(task)) == texts(ids)


def test_nothing_to_link_is_done_and_the_list_is_there(transactional_db, link, account):
    task = link(create_list=1)

    assert result_of(task) == []
    assert members(account, task.content["list_id"]) == []
    assert FaceList.objects.count() == 1


def test_faces_that_go_meanwhile_are_stored_errors(make_faces, account, sent, work):
    ids = sorted(make_faces(2, 4))
    task = create(account, TaskType.LINKER, {"objects_type": "faces", "create_list": 1})
    work(1)
    registry.faces().delete_faces(account, [ids[1], ids[7]])

    work()

    assert result_of(ended(task)) == texts(face_id for at, face_id in enumerate(ids) if at not in (1, 7))
    assert errors_of(task) == sorted([(22004, str(ids[1])), (22004, str(ids[7]))], key=str)


def test_a_part_that_ran_one_and_a_half_times_tells_the_same(make_faces, account, sent, work):
    ids = make_faces(2, 4)
    task = create(account, TaskType.LINKER, {"objects_type": "faces", "create_list": 1})
    work(1)
    registry.faces().link_faces(account, UUID(task.content["list_id"]), sorted(ids)[:2])

    work()

    assert result_of(ended(task)) == texts(ids)
    assert FaceLink.objects.count() == len(ids)


def test_a_list_that_goes_meanwhile_fails_the_task(make_faces, account, sent, work):
    make_faces(1, 4)
    list_id = uuid4()
    registry.faces().ensure_list(account, list_id)
    task = create(account, TaskType.LINKER, {"objects_type": "faces", "list_id": str(list_id)})
    work(1)
    registry.faces().delete_lists(account, [list_id])

    work()

    ended(task, Status.FAILED)
    assert {code for code, _ in errors_of(task)} == {22003, 28113}


def test_a_list_that_goes_before_the_split_fails_the_task(make_faces, account, sent, work):
    make_faces(1, 4)
    list_id = uuid4()
    registry.faces().ensure_list(account, list_id)
    task = create(account, TaskType.LINKER, {"objects_type": "faces", "list_id": str(list_id)})
    registry.faces().delete_lists(account, [list_id])

    work()

    ended(task, Status.FAILED)
    assert errors_of(task) == [(22003, None)]


def test_a_new_list_under_the_id_of_another_account_fails_the_task(make_faces, account, other_account, link):
    make_faces(1, 4)
    list_id = uuid4()
    registry.faces().ensure_list(other_account, list_id)

    task = link(Status.FAILED, create_list=1, list_id=str(list_id))

    assert errors_of(task) == [(22003, None)]
    assert members(other_account, list_id) == []


def test_faces_of_another_account_are_never_linked(make_faces, account, other_account, link):
    mine, theirs = make_faces(1, 2), uuid4()
    registry.faces().add_faces(other_account, [NewFace(theirs)])

    task = link(create_list=1, filters={"face_ids": [str(theirs), *texts(mine)]})

    assert result_of(task) == texts(mine)
    assert errors_of(task) == []


def face_of(task, event_id):
    return uuid5(event_id, f"linker task {task.pk}")


def test_an_event_without_a_face_gets_one_with_all_it_has(transactional_db, account, link):
    events = [full_event(number) for number in range(1, 5)]
    ids = add_events(account, events)

    task = link(objects_type="events", create_list=1)

    faces = [face_of(task, event_id) for event_id in ids]
    assert result_of(task) == texts(faces) == texts(members(account, task.content["list_id"]))
    cards = {card.face_id: card for card in registry.faces().get_faces(account, faces)}
    stored = registry.faces().get_descriptors(account, faces, version=SFACE.number)
    vectors = {one.object_id: one.vector for one in stored}
    for number, (face_id, event) in enumerate(zip(faces, events, strict=True), 1):
        card, attributes = cards[face_id], cards[face_id].attributes
        assert (card.external_id, card.user_data, card.event_id) == (event.external_id, event.user_data, event.event_id)
        assert (attributes.age, attributes.gender, attributes.ethnicity) == (30 + number, number % 2, 3)
        assert registry.faces().open_sample(account, card.sample_ids[0]) == jpeg(number)
        assert np.array_equal(vectors[face_id], normalise(event.face_descriptors[SFACE.number][None])[0])


def test_the_sample_of_a_face_outlives_that_of_its_event(transactional_db, account, link):
    [event_id] = add_events(account, [full_event(1)])
    task = link(objects_type="events", create_list=1)

    registry.events().delete_events(account, [event_id], remove_samples=True)

    [card] = registry.faces().get_faces(account, [face_of(task, event_id)])
    assert registry.faces().open_sample(account, card.sample_ids[0]) == jpeg(1)


def test_the_face_of_an_event_is_linked_itself_and_once(transactional_db, account, link):
    face_id = uuid4()
    registry.faces().add_faces(account, [NewFace(face_id)])
    add_events(account, [full_event(number, face_id=face_id) for number in range(1, 6)], images=False)

    task = link(objects_type="events", create_list=1)

    assert result_of(task) == [str(face_id)]
    assert members(account, task.content["list_id"]) == [face_id]
    assert Face.objects.count() == 1


def test_a_rerun_makes_no_second_face(transactional_db, account, link, work):
    ids = add_events(account, [full_event(number) for number in range(1, 5)])
    task = link(objects_type="events", create_list=1)
    samples = set(FaceSample.objects.values_list("face_id", "sample_id"))
    files = sum(len(names) for _, _, names in os.walk(default_storage.location))

    services.rerun_task(task_id=task.pk)
    work()

    assert result_of(ended(task)) == texts(face_of(task, event_id) for event_id in ids)
    assert (Face.objects.count(), FaceLink.objects.count(), FaceList.objects.count()) == (4, 4, 1)
    assert set(FaceSample.objects.values_list("face_id", "sample_id")) == samples
    assert sum(len(names) for _, _, names in os.walk(default_storage.location)) == files == StoredFile.objects.count()


def test_what_an_event_lacks_is_a_stored_error(transactional_db, account, sent, work):
    gone = uuid4()
    registry.faces().add_faces(account, [NewFace(gone)])
    events = [
        full_event(1, face_descriptors={}),
        full_event(2, face_id=gone),
        full_event(3),
        full_event(4),
        full_event(5),
    ]
    ids = add_events(account, events)
    task = create(account, TaskType.LINKER, {"objects_type": "events", "create_list": 1})
    work(1)
    registry.events().delete_events(account, ids[2:3])
    registry.faces().delete_faces(account, [gone])
    drop_image(account, registry.buckets().face_samples, sample_id(4))

    work()

    assert result_of(ended(task)) == texts(face_of(task, event_id) for event_id in ids[3:])
    wanted = [(22018, ids[0]), (22004, gone), (23001, ids[2]), (13003, sample_id(4))]
    assert errors_of(task) == sorted([(code, str(value)) for code, value in wanted], key=str)


def test_filters_of_the_events_face_choose(transactional_db, account, link):
    inside, outside, list_id = uuid4(), uuid4(), uuid4()
    registry.faces().ensure_list(account, list_id)
    registry.faces().add_faces(account, [NewFace(inside)], list_id=list_id)
    registry.faces().add_faces(account, [NewFace(outside)])
    faces = (inside, outside, None)
    add_events(account, [full_event(at, face_id=face_id) for at, face_id in enumerate(faces, 1)], images=False)

    task = link(objects_type="events", create_list=1, filters={"list_id": str(list_id)})

    assert result_of(task) == [str(inside)]


def test_a_sample_that_is_damaged_costs_only_itself(transactional_db, account, link, settings):
    ids = add_events(account, [full_event(number) for number in range(1, 4)])
    [row] = StoredFile.objects.filter(file_id=sample_id(2))
    Path(default_storage.path(row.name)).write_bytes(b"no picture")

    task = link(objects_type="events", create_list=1)

    assert result_of(task) == texts(face_of(task, event_id) for event_id in ids)
    assert errors_of(task) == [(13003, str(sample_id(2)))]
    cards = registry.faces().get_faces(account, [face_of(task, event_id) for event_id in ids])
    assert sorted(len(card.sample_ids) for card in cards) == [0, 1, 1]
