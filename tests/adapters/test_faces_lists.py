"""The contract of the faces port: lists, attributes and descriptors that come later, over every adapter."""

from datetime import datetime
from uuid import UUID, uuid4

import numpy as np
import pytest

from lunatasks.luna_services.descriptors import BODY, SFACE, normalise
from lunatasks.luna_services.ports import (
    BadDescriptor,
    BadValue,
    BasicAttributes,
    FaceFilters,
    ListNotFound,
    NewAttributes,
    NewFace,
    StoredDescriptor,
)
from tests.adapters.conftest import JPEG


def vector(seed: int = 1) -> np.ndarray:
    return normalise(np.random.default_rng(seed).standard_normal((1, SFACE.dimension)))[0]


def touched(faces, account, list_id) -> datetime:
    return faces.get_lists(account, [list_id])[0].last_update_time


def test_a_card_of_a_list_counts_its_faces(faces, account, other_account, stored):
    list_id, empty = uuid4(), uuid4()
    faces.ensure_list(account, list_id, user_data="staff")
    faces.ensure_list(account, empty)
    stored(3, list_id=list_id)

    cards = {card.list_id: card for card in faces.get_lists(account, [list_id, empty, uuid4()])}

    assert {one: card.face_count for one, card in cards.items()} == {list_id: 3, empty: 0}
    assert (cards[list_id].user_data, cards[list_id].account_id) == ("staff", account)
    assert faces.get_lists(other_account, [list_id]) == []


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_all_lists_of_the_account_come_by_id(faces, account, other_account, chunk):
    ids = [uuid4() for _ in range(3)]
    for list_id in ids:
        faces.ensure_list(account, list_id)
    faces.ensure_list(other_account, uuid4())

    pages = list(faces.iterate_lists(account, chunk=chunk))

    assert [card.list_id for page in pages for card in page] == sorted(ids, key=lambda one: one.bytes)


def test_user_data_of_a_list_changes_without_touching_it(faces, account, other_account, made_list):
    before = touched(faces, account, made_list)

    faces.update_list(account, made_list, user_data="new")

    [card] = faces.get_lists(account, [made_list])
    assert (card.user_data, card.last_update_time) == ("new", before)
    with pytest.raises(ListNotFound):
        faces.update_list(other_account, made_list, user_data="x")
    with pytest.raises(BadValue):
        faces.update_list(account, made_list, user_data="x" * 129)


def test_a_deleted_list_leaves_its_faces(faces, account, other_account, made_list, stored):
    [face_id] = stored(1, list_id=made_list)

    assert faces.delete_lists(other_account, [made_list]) == []
    assert faces.delete_lists(account, [made_list, uuid4()]) == [made_list]

    assert faces.get_faces(account, [face_id])[0].lists == ()
    assert faces.get_lists(account, [made_list]) == []
    with pytest.raises(ListNotFound):
        faces.link_faces(account, made_list, [face_id])


@pytest.mark.parametrize(
    "change",
    [
        lambda faces, account, one: faces.put_attributes(account, [NewAttributes(one, BasicAttributes(3, 1))]),
        lambda faces, account, one: faces.put_descriptors(
            account, [StoredDescriptor(one, SFACE.number, vector(9), generation=1)]
        ),
        lambda faces, account, one: faces.delete_descriptors(account, [one], version=SFACE.number),
        lambda faces, account, one: faces.delete_faces(account, [one]),
    ],
    ids=["attributes", "descriptor", "descriptor deleted", "face deleted"],
)
def test_a_change_of_a_face_touches_its_lists_only(faces, account, made_list, stored, change):
    [face_id] = stored(1, list_id=made_list)
    elsewhere = uuid4()
    faces.ensure_list(account, elsewhere)
    before = touched(faces, account, made_list), touched(faces, account, elsewhere)

    change(faces, account, face_id)

    assert touched(faces, account, made_list) > before[0]
    assert touched(faces, account, elsewhere) == before[1]


def test_what_changes_nothing_touches_nothing(faces, account, made_list, stored):
    [face_id] = stored(1, list_id=made_list)
    before = touched(faces, account, made_list)

    faces.put_descriptors(account, [StoredDescriptor(face_id, SFACE.number, vector(9), generation=0)])
    faces.delete_descriptors(account, [face_id], version=59)
    faces.put_attributes(account, [NewAttributes(uuid4(), BasicAttributes(3, 1))])

    assert touched(faces, account, made_list) == before


def test_descriptors_are_kept_or_replaced_by_a_newer_generation(faces, account, other_account, stored):
    [face_id] = stored(1, descriptors={})
    sample_id = uuid4()

    def put(generation, seed, owner=account):
        new = StoredDescriptor(face_id, SFACE.number, vector(seed), [sample_id], generation)
        return faces.put_descriptors(owner, [new])

    assert put(1, 1) == [face_id]
    put(1, 2)
    put(0, 3)
    assert put(9, 4, owner=other_account) == []
    [one] = faces.get_descriptors(account, [face_id, uuid4()], version=SFACE.number)
    assert (one.generation, tuple(one.sample_ids)) == (1, (sample_id,))
    assert np.allclose(one.vector, vector(1))
    assert faces.delete_descriptors(other_account, [face_id], version=SFACE.number) == []
    assert faces.delete_descriptors(account, [face_id], version=SFACE.number) == [face_id]
    assert faces.get_descriptors(account, [face_id], version=SFACE.number) == []


@pytest.mark.parametrize(
    "bad",
    [
        StoredDescriptor(UUID(int=1), SFACE.number, np.ones(3, np.float32)),
        StoredDescriptor(UUID(int=1), SFACE.number, np.full(128, np.nan, np.float32)),
        StoredDescriptor(UUID(int=1), 59, np.ones(128, np.float32)),
        StoredDescriptor(UUID(int=1), BODY.number, np.ones(512, np.float32)),
    ],
)
def test_a_bad_descriptor_leaves_the_others_unwritten(faces, account, stored, bad):
    [face_id] = stored(1, descriptors={})

    with pytest.raises(BadDescriptor):
        faces.put_descriptors(account, [StoredDescriptor(face_id, SFACE.number, vector()), bad])

    assert faces.get_descriptors(account, [face_id], version=SFACE.number) == []


@pytest.mark.parametrize(
    "bad",
    [
        NewAttributes(UUID(int=1), BasicAttributes(age=-1)),
        NewAttributes(UUID(int=1), BasicAttributes(gender=2)),
        NewAttributes(UUID(int=1), BasicAttributes(ethnicity=0)),
        NewAttributes(UUID(int=1), BasicAttributes(), generation=-1),
        NewAttributes(UUID(int=1), BasicAttributes(), [UUID(int=2)] * 101),
    ],
)
def test_bad_attributes_leave_the_others_unwritten(faces, account, stored, bad):
    [face_id] = stored(1)

    with pytest.raises(BadValue):
        faces.put_attributes(account, [NewAttributes(face_id, BasicAttributes(30)), bad])

    assert faces.get_faces(account, [face_id])[0].attributes == BasicAttributes()


def test_attributes_are_kept_or_replaced_by_a_newer_generation(faces, account, stored):
    [face_id] = stored(1)
    sample_id = uuid4()
    for generation, age in ((2, 30), (2, 40), (1, 50)):
        faces.put_attributes(account, [NewAttributes(face_id, BasicAttributes(age, 1, 2), [sample_id], generation)])

    [card] = faces.get_faces(account, [face_id])

    assert card.attributes == BasicAttributes(30, 1, 2)
    assert (card.attributes_generation, card.attributes_sample_ids) == (2, (sample_id,))


def test_an_attribute_that_was_not_estimated_stays(faces, account, stored):
    [face_id] = stored(1, attributes=BasicAttributes(ethnicity=3))

    for generation, new in ((1, BasicAttributes(30, 1)), (2, BasicAttributes(gender=0))):
        faces.put_attributes(account, [NewAttributes(face_id, new, generation=generation)])

    assert faces.get_faces(account, [face_id])[0].attributes == BasicAttributes(30, 0, 3)


def test_what_may_be_extracted_comes_with_samples_and_generation(faces, account):
    one, two, three = (UUID(int=number) for number in (1, 2, 3))
    sample_id = uuid4()
    faces.add_faces(
        account,
        [
            NewFace(one, sample=JPEG, sample_id=sample_id),
            NewFace(two, attributes=BasicAttributes(ethnicity=1)),
            NewFace(three, attributes=BasicAttributes(30), descriptors={SFACE.number: vector()}),
        ],
    )
    filters = FaceFilters(account)

    def found(pages):
        return [(item.object_id, item.sample_ids, item.generation) for page in pages for item in page]

    missing = [(one, (sample_id,), None), (two, (), None)]
    assert found(faces.iterate_for_descriptors(filters, version=SFACE.number, chunk=1)) == missing
    everything = faces.iterate_for_descriptors(filters, version=SFACE.number, missing=False)
    assert found(everything) == [*missing, (three, (), 0)]
    assert found(faces.iterate_for_attributes(filters)) == missing
    assert found(faces.iterate_for_attributes(filters, missing=False)) == [*missing, (three, (), 0)]
    assert list(faces.iterate_ids_with_descriptor(filters, version=SFACE.number)) == [[three]]


def test_an_estimate_that_found_nothing_is_not_missing_any_more(faces, account, stored):
    [face_id] = stored(1)

    faces.put_attributes(account, [NewAttributes(face_id, BasicAttributes(), generation=1)])

    assert list(faces.iterate_for_attributes(FaceFilters(account))) == []
