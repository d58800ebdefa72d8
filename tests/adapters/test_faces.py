"""What every adapter of the Faces port promises."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
import pytest

from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.ports import (
    BadDescriptor,
    BadImage,
    BadValue,
    BasicAttributes,
    FaceFilters,
    FacesNotFound,
    ListNotFound,
    PortError,
)
from tests.adapters.conftest import JPEG

TIME = datetime(2024, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)


def all_ids(faces, account: UUID, **filters) -> list[UUID]:
    return [face_id for page in faces.iterate_ids(FaceFilters(account, **filters)) for face_id in page]


def test_a_stored_face_comes_back_as_it_was(faces, account, make_face, made_list):
    face = make_face(
        external_id="é-17",
        user_data="Ülo <b>",
        event_id=uuid4(),
        avatar="/images/1",
        create_time=TIME,
        attributes=BasicAttributes(age=41, gender=1),
        sample=JPEG,
    )

    new = faces.add_faces(account, [face], list_id=made_list)
    [card] = faces.get_faces(account, new)

    assert new == [face.face_id]
    assert (card.face_id, card.account_id, card.lists) == (face.face_id, account, (made_list,))
    assert (card.external_id, card.user_data, card.avatar) == ("é-17", "Ülo <b>", "/images/1")
    assert (card.event_id, card.create_time) == (face.event_id, TIME)
    assert card.attributes == BasicAttributes(age=41, gender=1, ethnicity=None)
    assert [faces.open_sample(account, sample_id) for sample_id in card.sample_ids] == [JPEG]


def test_adding_again_changes_nothing_but_links(faces, account, make_face, made_list):
    face = make_face(user_data="first", sample=JPEG)
    faces.add_faces(account, [face])

    new = faces.add_faces(account, [replace(face, user_data="second"), make_face()], list_id=made_list)

    assert face.face_id not in new
    assert len(new) == 1
    [card] = faces.get_faces(account, [face.face_id])
    assert card.user_data == "first"
    assert card.lists == (made_list,)
    assert len(card.sample_ids) == 1


def test_the_same_face_twice_in_a_call_is_stored_once(faces, account, make_face):
    face = make_face(sample=JPEG)

    assert faces.add_faces(account, [face, face]) == [face.face_id]
    assert faces.count_faces(FaceFilters(account)) == 1


def test_nothing_is_added_by_an_empty_call(faces, account):
    assert faces.add_faces(account, []) == []


def test_accounts_do_not_see_each_other(faces, account, other_account, stored, made_list):
    [face_id] = stored(sample=JPEG, list_id=made_list)
    [card] = faces.get_faces(account, [face_id])

    assert faces.get_faces(other_account, [face_id]) == []
    assert faces.existing_ids(other_account, [face_id]) == set()
    assert faces.count_faces(FaceFilters(other_account)) == 0
    assert faces.count_faces(FaceFilters(other_account, list_id=made_list)) == 0
    assert faces.open_sample(other_account, card.sample_ids[0]) is None
    assert faces.delete_faces(other_account, [face_id]) == []
    assert faces.count_faces(FaceFilters(account)) == 1


def test_an_id_of_another_account_cannot_be_added(faces, account, other_account, make_face):
    face = make_face()
    faces.add_faces(other_account, [face])

    with pytest.raises(FacesNotFound) as refused:
        faces.add_faces(account, [face, make_face()])

    assert refused.value.args == (face.face_id,)
    assert faces.count_faces(FaceFilters(account)) == 0


@pytest.mark.parametrize(
    ("vector", "version"),
    [
        (np.ones(127, dtype=np.float32), SFACE.number),
        (np.ones((1, 128), dtype=np.float32), SFACE.number),
        (np.zeros(128, dtype=np.float32), SFACE.number),
        (np.full(128, np.nan, dtype=np.float32), SFACE.number),
        (np.full(128, np.inf, dtype=np.float32), SFACE.number),
        (np.ones(128, dtype=np.float32), 59),
    ],
)
def test_a_bad_descriptor_stores_nothing_of_the_call(faces, account, make_face, vector, version):
    with pytest.raises(BadDescriptor):
        faces.add_faces(account, [make_face(sample=JPEG), make_face(descriptors={version: vector})])

    assert faces.count_faces(FaceFilters(account)) == 0


@pytest.mark.parametrize("sample", [b"", b"no image", JPEG[:200], b"\x89PNG\r\n\x1a\n"])
def test_a_bad_sample_stores_nothing_of_the_call(faces, account, make_face, sample):
    with pytest.raises(BadImage):
        faces.add_faces(account, [make_face(sample=JPEG), make_face(sample=sample)])

    assert faces.count_faces(FaceFilters(account)) == 0


@pytest.mark.parametrize(
    "members",
    [
        {"external_id": "x" * 129},
        {"user_data": "x" * 129},
        {"user_data": "a\x00b"},
        {"external_id": "\udcff"},
        {"create_time": datetime(2024, 1, 1)},  # noqa: DTZ001 - naive on purpose
        {"attributes": BasicAttributes(gender=2)},
        {"attributes": BasicAttributes(age=-1)},
        {"attributes": BasicAttributes(ethnicity=5)},
    ],
)
def test_what_no_row_can_hold_is_refused(faces, account, make_face, members):
    with pytest.raises(BadValue):
        faces.add_faces(account, [make_face(), make_face(**members)])

    assert faces.count_faces(FaceFilters(account)) == 0


def test_a_list_that_does_not_exist_or_is_anothers_is_not_found(faces, account, other_account, make_face, stored):
    foreign = uuid4()
    faces.ensure_list(other_account, foreign)
    ids = stored(2)

    for list_id in (foreign, uuid4()):
        with pytest.raises(ListNotFound):
            faces.add_faces(account, [make_face(sample=JPEG)], list_id=list_id)
        with pytest.raises(ListNotFound):
            faces.link_faces(account, list_id, ids)
        with pytest.raises(ListNotFound):
            faces.unlink_faces(account, list_id, ids)

    assert faces.count_faces(FaceFilters(account)) == 2


def test_errors_are_permanent_and_carry_their_code():
    for kind, code in ((ListNotFound, 22003), (FacesNotFound, 22004), (BadImage, 12022), (BadDescriptor, 12022)):
        assert issubclass(kind, PortError)
        assert (kind.permanent, kind.code) == (True, code)


def test_a_list_is_made_once(faces, account, other_account):
    list_id = uuid4()

    assert faces.ensure_list(account, list_id, user_data="guests") is True
    assert faces.ensure_list(account, list_id, user_data="others") is False
    with pytest.raises(ListNotFound):
        faces.ensure_list(other_account, list_id)


def test_faces_are_linked_and_taken_out_any_number_of_times(faces, account, stored, made_list):
    ids = stored(3)

    assert sorted(faces.link_faces(account, made_list, [*ids, uuid4()])) == sorted(ids)
    assert sorted(faces.link_faces(account, made_list, ids)) == sorted(ids)
    assert faces.count_faces(FaceFilters(account, list_id=made_list)) == 3
    assert faces.unlink_faces(account, made_list, ids[:1]) == ids[:1]
    assert faces.unlink_faces(account, made_list, ids[:1]) == []
    assert faces.count_faces(FaceFilters(account, list_id=made_list)) == 2


def test_a_face_is_in_several_lists(faces, account, stored, made_list):
    [face_id] = stored(list_id=made_list)
    second = uuid4()
    faces.ensure_list(account, second)

    faces.link_faces(account, second, [face_id])

    assert faces.get_faces(account, [face_id])[0].lists == tuple(sorted([made_list, second]))


def test_deleted_faces_are_gone_with_all_they_had(faces, account, stored, made_list):
    ids = stored(3, sample=JPEG, list_id=made_list)

    removed = faces.delete_faces(account, [*ids[:2], uuid4()])

    assert sorted(removed) == sorted(ids[:2])
    assert all_ids(faces, account) == ids[2:]
    assert faces.count_faces(FaceFilters(account, list_id=made_list)) == 1
    assert sum(len(page) for page, _ in faces.iterate_descriptors(FaceFilters(account), version=SFACE.number)) == 1
    assert faces.delete_faces(account, ids[:2]) == []


def test_more_than_a_thousand_faces_a_call_are_refused(faces, account, made_list):
    ids = [uuid4() for _ in range(1001)]

    for call in (faces.get_faces, faces.delete_faces):
        with pytest.raises(BadValue):
            call(account, ids)
    with pytest.raises(BadValue):
        faces.link_faces(account, made_list, ids)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_ids_come_ascending_and_whole_for_any_chunk(faces, account, stored, chunk):
    ids = stored(7)

    pages = list(faces.iterate_ids(FaceFilters(account), chunk=chunk))

    assert [face_id for page in pages for face_id in page] == sorted(ids, key=lambda face_id: face_id.bytes)
    assert max(map(len, pages)) <= chunk


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_descriptors_come_with_their_ids_for_any_chunk(faces, account, make_face, chunk):
    new = [make_face() for _ in range(7)]
    faces.add_faces(account, [*new, make_face(descriptors={})])

    pages = list(faces.iterate_descriptors(FaceFilters(account), version=SFACE.number, chunk=chunk))
    ids = np.concatenate([page for page, _ in pages])
    vectors = np.concatenate([page for _, page in pages])

    expected = sorted(new, key=lambda face: face.face_id.bytes)
    assert ids.dtype == np.uint8
    assert vectors.dtype == np.float32
    assert [row.tobytes() for row in ids] == [face.face_id.bytes for face in expected]
    assert (vectors == np.stack([face.descriptors[SFACE.number] for face in expected])).all()


def test_descriptors_of_another_version_do_not_come(faces, account, stored):
    stored(2)

    assert list(faces.iterate_descriptors(FaceFilters(account), version=59)) == []


def test_descriptors_are_normalised_when_stored(faces, account, make_face):
    faces.add_faces(account, [make_face(descriptors={SFACE.number: np.full(128, 5.0, dtype=np.float32)})])

    [(_, vectors)] = faces.iterate_descriptors(FaceFilters(account), version=SFACE.number)

    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-6)


def test_no_faces_give_no_pages(faces, account):
    assert list(faces.iterate_ids(FaceFilters(account))) == []
    assert list(faces.iterate_descriptors(FaceFilters(account), version=SFACE.number)) == []
    assert faces.get_faces(account, []) == []
    assert faces.existing_ids(account, []) == set()


def test_an_unknown_sample_is_nothing(faces, account):
    assert faces.open_sample(account, uuid4()) is None
