"""The contract of the events port, over every adapter."""

import threading
from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import connection

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import BODY, SFACE, normalise
from lunatasks.luna_services.embedded.events import EmbeddedEvents
from lunatasks.luna_services.embedded.models import Event, EventColor, EventDescriptor, EventOrigin, EventTag
from lunatasks.luna_services.flat import event_json, read_event
from lunatasks.luna_services.ports import (
    BadDescriptor,
    BadValue,
    BasicAttributes,
    Detection,
    EventFields,
    EventFilters,
    EventsNotFound,
    FacesNotFound,
    ListNotFound,
    NewAttributes,
    NewEvent,
    NewFace,
    Rect,
    StoredDescriptor,
    TopMatch,
)
from tests.adapters.conftest import JPEG

MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
TABLES = (Event, EventTag, EventColor, EventOrigin, EventDescriptor)


def vector(dimension: int = SFACE.dimension, seed: int = 1) -> np.ndarray:
    return normalise(np.random.default_rng(seed).standard_normal((1, dimension)))[0]


def full_event(**members) -> NewEvent:
    """An event with every member."""
    detection = Detection(uuid4(), Rect(-1, 2, 30, 40), MOMENT, 1.5, str(uuid4()))
    given = {
        "event_id": uuid4(), "handler_id": uuid4(), "external_id": "e", "user_data": "u", "source": "s",
        "track_id": "t", "create_time": MOMENT, "end_time": MOMENT, "face_id": uuid4(), "attach_result": (uuid4(),),
        "tags": ("a", "b"), "face_detections": (detection, Detection()),
        "body_detections": (Detection(uuid4(), image_origin="https://elsewhere/photo"),),
        "match_result": ({"label": "l", "candidates": [{"face": {"x": None}, "similarity": 0.5}]},),
        "top_match": TopMatch("event", uuid4(), 0.75, "l", "x"), "city": "c", "area": "a", "district": "d",
        "street": "s", "house_number": "1", "longitude": 30.5, "latitude": -60.25, "age": 1, "gender": 0, "emotion": 1,
        "ethnic_group": 1, "mask": 1, "liveness": 0, "apparent_age": 2, "apparent_gender": 2, "headwear_state": 0,
        "sleeve_length": "short", "upper_clothing_colors": ("black", "grey"), "backpack_state": 2,
    }  # fmt: skip
    return NewEvent(**given | members)


def test_an_event_is_read_as_it_was_written(events, account):
    new = full_event()

    assert events.add_events(account, [new]) == [new.event_id]

    [card] = events.get_events(account, [new.event_id])
    assert card.account_id == account
    assert card.create_time == MOMENT
    for field in fields(EventFields):
        assert getattr(card, field.name) == getattr(new, field.name), field.name
        assert getattr(new, field.name) not in (None, "", ()), field.name


def test_what_is_not_given_is_unknown(events, account, make_event):
    new = make_event()
    events.add_events(account, [new])

    [card] = events.get_events(account, [new.event_id])

    assert all(getattr(card, field.name) == getattr(new, field.name) for field in fields(EventFields))
    assert abs(datetime.now(UTC) - card.create_time).total_seconds() < 60


def test_the_flat_form_holds_all_of_an_event(events, account):
    new = full_event()
    events.add_events(account, [new])
    [card] = events.get_events(account, [new.event_id])

    assert read_event(event_json(card)) == new


def test_gray_is_grey_and_values_count_once(events, account, make_event):
    new = make_event(tags=("b", "a", "b"), upper_clothing_colors=("gray", "grey"))
    events.add_events(account, [new])

    [card] = events.get_events(account, [new.event_id])

    assert (card.tags, card.upper_clothing_colors) == (("a", "b"), ("grey",))


def test_texts_come_back_whatever_they_hold(events, account, make_event):
    awkward = ["a\tb", "a\nb\r", "\\N", "\\", "日本 🙂", "'; drop table", "%s {}", '"']
    new = [make_event(source=text, tags=(text,)) for text in awkward]
    events.add_events(account, new)

    cards = {card.event_id: card for card in events.get_events(account, [one.event_id for one in new])}

    assert [(cards[one.event_id].source, cards[one.event_id].tags) for one in new] == [(t, (t,)) for t in awkward]


def test_an_event_that_exists_stays_as_it_is(events, account, make_event):
    new = make_event(source="first")
    events.add_events(account, [new])

    assert events.add_events(account, [make_event(event_id=new.event_id, source="second"), make_event()]) != []
    assert events.get_events(account, [new.event_id])[0].source == "first"


def test_another_accounts_event_is_refused_and_never_read(events, account, other_account, make_event):
    foreign, own = make_event(), make_event()
    events.add_events(other_account, [foreign])

    with pytest.raises(EventsNotFound) as caught:
        events.add_events(account, [own, foreign])

    assert caught.value.code == 23001
    assert events.existing_ids(account, [foreign.event_id, own.event_id]) == set()
    assert events.get_events(account, [foreign.event_id]) == []
    assert events.track_ids(account, [foreign.event_id]) == {}
    assert events.delete_events(account, [foreign.event_id]) == []
    assert events.put_attributes(account, [NewAttributes(foreign.event_id, BasicAttributes(1))]) == []
    descriptor = StoredDescriptor(foreign.event_id, SFACE.number, vector())
    assert events.put_descriptors(account, [descriptor], kind="face") == []
    assert events.delete_descriptors(account, [foreign.event_id], kind="face", version=SFACE.number) == []


def test_a_face_or_list_of_another_account_is_refused(events, faces, account, other_account, make_event):
    face_id, list_id = uuid4(), uuid4()
    faces.add_faces(other_account, [NewFace(face_id)])
    faces.ensure_list(other_account, list_id)

    with pytest.raises(FacesNotFound):
        events.add_events(account, [make_event(), make_event(face_id=face_id)])
    with pytest.raises(ListNotFound):
        events.add_events(account, [make_event(), make_event(attach_result=(list_id,))])

    assert events.count_events(EventFilters(account_id=account)) == 0


def test_a_face_or_list_that_is_gone_is_no_error(events, account, make_event):
    assert events.add_events(account, [make_event(face_id=uuid4(), attach_result=(uuid4(),))]) != []


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "members",
    [
        {"gender": 2}, {"gender": -1}, {"emotion": 0}, {"emotion": 8}, {"ethnic_group": 5}, {"mask": 0},
        {"liveness": 3}, {"apparent_gender": 3}, {"headwear_state": 3}, {"backpack_state": 9},
        {"sleeve_length": "none"}, {"upper_clothing_colors": ("mauve",)}, {"age": -1}, {"age": 1000},
        {"apparent_age": 2**31}, {"longitude": 181.0, "latitude": 0.0}, {"longitude": NAN, "latitude": 0.0},
        {"longitude": 0.0, "latitude": 91.0}, {"longitude": 0.0}, {"source": "x" * 129}, {"city": "a\0"},
        {"user_data": "\ud800"}, {"tags": ("",)}, {"tags": ("a\0",)}, {"tags": ("x" * 129,)},
        {"tags": tuple(map(str, range(101)))}, {"create_time": datetime(2024, 1, 1)},  # noqa: DTZ001
        {"end_time": datetime(2024, 1, 1)},  # noqa: DTZ001
        {"face_detections": (Detection(rect=Rect(0, 0, -1, 1)),)},
        {"face_detections": (Detection(rect=Rect(2**31, 0, 1, 1)),)},
        {"body_detections": (Detection(detect_ts=INF),)}, {"face_detections": (Detection(image_origin="x" * 1001),)},
        {"match_result": ({"similarity": NAN},)}, {"match_result": ({1: 2},)}, {"match_result": ({"a": object()},)},
        {"match_result": ({"a": "\0"},)}, {"match_result": ({"a": 2**70},)}, {"match_result": ("x" * 2**20,)},
        {"top_match": TopMatch("face", UUID(int=1), NAN)}, {"top_match": TopMatch("face", UUID(int=1), 1.1)},
        {"top_match": TopMatch("list", UUID(int=1), 0.5)}, {"top_match": TopMatch("face", UUID(int=1), 0.5, "x" * 129)},
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_and_nothing_written(events, account, make_event, members):
    with pytest.raises(BadValue) as caught:
        events.add_events(account, [make_event(tags=("ok",)), make_event(**members)])

    assert caught.value.code == 12022
    assert [table.objects.count() for table in TABLES] == [0] * len(TABLES)


def test_a_result_nested_too_deep_is_refused(events, account, make_event):
    deep = {}
    for _ in range(5000):
        deep = {"a": deep}

    with pytest.raises(BadValue):
        events.add_events(account, [make_event(match_result=(deep,))])


@pytest.mark.parametrize(
    "members",
    [
        {"face_descriptors": {SFACE.number: np.ones(127, np.float32)}},
        {"face_descriptors": {SFACE.number: np.full(128, NAN, np.float32)}},
        {"face_descriptors": {SFACE.number: np.zeros(128, np.float32)}},
        {"face_descriptors": {59: np.ones(128, np.float32)}},
        {"face_descriptors": {BODY.number: np.ones(512, np.float32)}},
        {"body_descriptors": {SFACE.number: np.ones(128, np.float32)}},
        {"body_descriptors": {BODY.number: np.full(512, INF, np.float32)}},
    ],
)
def test_a_bad_descriptor_is_refused_and_nothing_written(events, account, make_event, members):
    with pytest.raises(BadDescriptor):
        events.add_events(account, [make_event(), make_event(**members)])

    assert [table.objects.count() for table in TABLES] == [0] * len(TABLES)


def test_more_than_a_thousand_are_refused(events, account, make_event):
    with pytest.raises(BadValue):
        events.get_events(account, [UUID(int=number) for number in range(1001)])
    with pytest.raises(BadValue):
        events.add_events(account, [make_event() for _ in range(1001)])


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_pages_hold_everything_in_order(events, account, make_event, chunk):
    new = [make_event(face_descriptors={SFACE.number: vector(seed=seed)}) for seed in range(5)]
    events.add_events(account, [*new, make_event()])
    expected = sorted(new, key=lambda one: one.event_id.bytes)
    filters = EventFilters(account_id=account)

    pages = list(events.iterate_descriptors(filters, kind="face", version=SFACE.number, chunk=chunk))
    with_one = list(events.iterate_ids_with_descriptor(filters, kind="face", version=SFACE.number, chunk=chunk))

    assert [row.tobytes() for ids, _ in pages for row in ids] == [one.event_id.bytes for one in expected]
    assert (
        np.concatenate([rows for _, rows in pages]) == [one.face_descriptors[SFACE.number] for one in expected]
    ).all()
    assert [one for page in with_one for one in page] == [one.event_id for one in expected]
    assert list(events.iterate_descriptors(filters, kind="body", version=BODY.number)) == []


def test_a_descriptor_is_kept_or_replaced_by_a_newer_generation(events, account, make_event):
    event_id, sample_id = uuid4(), uuid4()
    events.add_events(account, [make_event(event_id=event_id)])

    def stored():
        return events.get_descriptors(account, [event_id], kind="face", version=SFACE.number)

    def put(generation: int, seed: int):
        new = StoredDescriptor(event_id, SFACE.number, vector(seed=seed) * 2, [sample_id], generation)
        return events.put_descriptors(account, [new, StoredDescriptor(uuid4(), SFACE.number, vector())], kind="face")

    assert put(1, seed=1) == [event_id]
    assert put(1, seed=2) == [event_id]
    [one] = stored()
    assert (one.generation, tuple(one.sample_ids), np.allclose(one.vector, vector(seed=1))) == (1, (sample_id,), True)
    put(3, seed=3)
    put(2, seed=4)
    [one] = stored()
    assert (one.generation, np.allclose(one.vector, vector(seed=3))) == (3, True)
    assert events.delete_descriptors(account, [event_id], kind="face", version=SFACE.number) == [event_id]
    assert events.delete_descriptors(account, [event_id], kind="face", version=SFACE.number) == []
    assert stored() == []


def test_attributes_are_kept_or_replaced_by_a_newer_generation(events, account, make_event):
    event_id, sample_id = uuid4(), uuid4()
    events.add_events(account, [make_event(event_id=event_id)])

    def put(generation: int, age: int):
        return events.put_attributes(
            account, [NewAttributes(event_id, BasicAttributes(age, 1, 3), [sample_id], generation)]
        )

    assert put(2, 30) == [event_id]
    put(2, 40)
    put(1, 50)
    [card] = events.get_events(account, [event_id])
    assert (card.age, card.gender, card.ethnic_group) == (30, 1, 3)
    assert (card.attributes_generation, card.attributes_sample_ids) == (2, (sample_id,))
    put(3, 60)
    assert events.get_events(account, [event_id])[0].age == 60


def test_what_may_be_extracted_comes_with_samples_and_generation(events, account, make_event):
    samples = [uuid4(), uuid4()]
    seen = tuple(Detection(sample_id) for sample_id in samples)
    with_sample = make_event(event_id=UUID(int=1), face_detections=seen, body_detections=(Detection(samples[1]),))
    without = make_event(event_id=UUID(int=2))
    complete = make_event(event_id=UUID(int=3), age=5, face_descriptors={SFACE.number: vector()})
    events.add_events(account, [with_sample, without, complete])
    filters = EventFilters(account_id=account)

    def found(pages):
        return [(one.object_id.int, one.sample_ids, one.generation) for page in pages for one in page]

    face = {"kind": "face", "version": SFACE.number, "chunk": 1}
    body = {"kind": "body", "version": BODY.number}
    assert found(events.iterate_for_descriptors(filters, **face)) == [(1, tuple(samples), None), (2, (), None)]
    assert found(events.iterate_for_descriptors(filters, missing=False, **face))[2:] == [(3, (), 0)]
    assert found(events.iterate_for_descriptors(filters, **body))[0] == (1, (samples[1],), None)
    assert found(events.iterate_for_attributes(filters)) == [(1, tuple(samples), None), (2, (), None)]
    assert found(events.iterate_for_attributes(filters, missing=False))[2:] == [(3, (), 0)]


def test_tracks_of_events_that_have_one(events, account, make_event):
    new = [make_event(track_id="t"), make_event(track_id=""), make_event()]
    events.add_events(account, new)

    assert events.track_ids(account, [one.event_id for one in new]) == {new[0].event_id: "t"}


@pytest.fixture
def photographed(events, image_store, account, make_event):
    """Two events of one photo, each with a face and a body sample; their ids and those of the images."""
    buckets, origin = registry.buckets(), uuid4()
    image_store.put_image(account, buckets.image_origins, origin, JPEG)
    new, images = [], {buckets.image_origins: [origin], buckets.face_samples: [], buckets.body_samples: []}
    for _ in range(2):
        face, body = uuid4(), uuid4()
        image_store.put_image(account, buckets.face_samples, face, JPEG)
        image_store.put_image(account, buckets.body_samples, body, JPEG)
        images[buckets.face_samples].append(face)
        images[buckets.body_samples].append(body)
        seen = Detection(face, image_origin=f"/6/images/{origin}")
        new.append(make_event(face_detections=(seen,), body_detections=(Detection(body, image_origin=str(origin)),)))
    events.add_events(account, new)
    return [one.event_id for one in new], images


def left(image_store, account, images) -> dict[str, list[bool]]:
    return {
        bucket: [image_store.has_image(account, bucket, image_id) for image_id in ids] for bucket, ids in images.items()
    }


def test_images_stay_unless_asked_for(events, image_store, account, photographed):
    ids, images = photographed

    assert events.delete_events(account, ids) == sorted(ids)
    assert events.delete_events(account, ids) == []

    assert all(all(some) for some in left(image_store, account, images).values())
    assert [table.objects.count() for table in TABLES] == [0] * len(TABLES)


@pytest.mark.parametrize("owner", ["account", "other_account"])
def test_a_source_image_goes_with_the_last_event_of_it(events, image_store, account, photographed, owner, request):
    ids, images = photographed
    buckets, owner_id = registry.buckets(), request.getfixturevalue(owner)

    events.delete_events(owner_id, ids[:1], remove_samples=True, remove_image_origins=True)
    first = left(image_store, account, images)
    events.delete_events(owner_id, ids[1:], remove_samples=True, remove_image_origins=True)

    mine = owner == "account"
    assert first[buckets.image_origins] == [True]
    assert first[buckets.face_samples] == first[buckets.body_samples] == [not mine, True]
    assert all(some == [not mine] * len(some) for some in left(image_store, account, images).values())


@pytest.mark.django_db(transaction=True)
def test_events_made_and_deleted_at_the_same_time_leave_no_half(account, make_event):
    events = EmbeddedEvents()
    new = [make_event(tags=("a",), face_descriptors={SFACE.number: vector()}) for _ in range(40)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            if number % 2:
                events.delete_events(account, [one.event_id for one in new])
            else:
                events.add_events(account, new)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    count = Event.objects.count()
    assert failures == []
    assert count in (0, 40)
    assert EventTag.objects.count() == EventDescriptor.objects.count() == count
