"""Faces and their images."""

from uuid import uuid4

import pytest
from django.test import Client

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.ports import TopMatch


def test_an_image_is_sent_to_those_who_may_see_faces_and_never_stored(analyst, make_face, sample_of, jpeg):
    answer = analyst.get(sample_of(make_face()))

    assert answer.content == jpeg
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert "no-store" in answer.headers["Cache-Control"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_an_image_is_refused_to_the_anonymous_and_to_users_without_the_right(sign_in, make_face, sample_of):
    address = sample_of(make_face())

    anonymous, staff = Client().get(address), sign_in().get(address)

    assert (anonymous.status_code, staff.status_code) == (302, 403)
    assert b"JFIF" not in anonymous.content + staff.content


def test_an_image_under_another_account_is_not_found(admin, make_face, sample_of, account, other_account):
    address = sample_of(make_face())

    assert admin.get(address.replace(str(account), str(other_account))).status_code == 404


def test_an_image_that_does_not_exist_is_not_found(admin, account):
    assert admin.get(f"/admin/samples/{account}/{uuid4()}.jpg").status_code == 404


def test_the_page_of_a_face_shows_all_there_is(admin, account, make_face, sample_of):
    vector = [1.0] + [0.0] * (SFACE.dimension - 1)
    face_id = make_face(external_id="Ann", user_data="ann/1.jpg", descriptors={SFACE.number: vector})
    registry.faces().ensure_list(account, account, user_data="Visitors")
    registry.faces().link_faces(account, account, [face_id])

    page = admin.get(f"/admin/embedded/face/{face_id}/change/").content.decode()

    for text in ("Ann", "ann/1.jpg", "33", "female", "Visitors", SFACE.name, sample_of(face_id)):
        assert text in page


@pytest.mark.parametrize("term", ["face_id", "nn", "visit", "account"])
def test_a_face_is_found_by_id_external_id_user_data_and_account(admin, account, make_face, term):
    face_id = make_face(external_id="Ann", user_data="visitor")
    value = {"face_id": str(face_id), "account": str(account)}.get(term, term)

    page = admin.get("/admin/embedded/face/", {"q": value}).content.decode()

    assert str(face_id) in page


def test_faces_are_filtered_by_list(admin, account, make_face):
    inside, outside = make_face(), make_face()
    registry.faces().ensure_list(account, account)
    registry.faces().link_faces(account, account, [inside])

    page = admin.get("/admin/embedded/face/", {"lists": str(account)}).content.decode()

    assert str(inside) in page
    assert str(outside) not in page


def test_lists_tell_how_many_faces_they_hold(admin, account, make_face):
    registry.faces().ensure_list(account, account, user_data="Visitors")
    registry.faces().link_faces(account, account, [make_face(), make_face()])

    listed = admin.get("/admin/embedded/facelist/").content.decode()
    page = admin.get(f"/admin/embedded/facelist/{account}/change/").content.decode()

    assert "2 faces" in listed
    assert "2 face" in page


def test_a_face_leads_to_the_events_that_made_it_and_that_resemble_it(admin, make_face, make_event, images_of_event):
    face_id = make_face()
    made = make_event(face_id=face_id)
    alike = make_event(top_match=TopMatch("face", face_id, 0.9))
    make_event()

    page = admin.get(f"/admin/embedded/face/{face_id}/change/").content.decode()

    assert images_of_event(made)["face"] in page
    assert images_of_event(alike)["face"] in page
    assert page.count("/admin/event-images/") == 2


def test_of_many_events_of_a_face_some_are_shown(admin, make_face, make_event, django_assert_num_queries):
    face_id = make_face()
    for _ in range(16):
        make_event(face_id=face_id, face_detections=(), body_detections=())

    with django_assert_num_queries(11):
        page = admin.get(f"/admin/embedded/face/{face_id}/change/").content.decode()

    assert "Showing the newest 14." in page
    assert f"/admin/embedded/event/?face_id={face_id}" in page


def test_a_list_shows_its_members(admin, account, make_face, sample_of):
    face_id = make_face(external_id="Ann")
    registry.faces().ensure_list(account, account, user_data="Visitors")
    registry.faces().link_faces(account, account, [face_id])

    page = admin.get(f"/admin/embedded/facelist/{account}/change/").content.decode()

    assert sample_of(face_id) in page
    assert "showing 1 of 1" in page
