"""Events and their images."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.test import Client

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.ports import Detection, TopMatch

LIST = "/admin/embedded/event/"


def page_of(client, event_id) -> str:
    answer = client.get(f"{LIST}{event_id}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("kind", ["face", "body", "origin"])
def test_images_of_an_event_are_sent_to_those_who_may_see_events_and_never_stored(
    analyst, make_event, images_of_event, jpeg, kind
):
    answer = analyst.get(images_of_event(make_event())[kind])

    assert answer.content == jpeg
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert "no-store" in answer.headers["Cache-Control"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("kind", ["face", "body", "origin"])
def test_images_are_refused_to_the_anonymous_and_to_users_without_the_right(sign_in, make_event, images_of_event, kind):
    address = images_of_event(make_event())[kind]

    anonymous, staff = Client().get(address), sign_in().get(address)

    assert (anonymous.status_code, staff.status_code) == (302, 403)
    assert b"JFIF" not in anonymous.content + staff.content


def test_an_event_gives_no_image_that_it_does_not_name(admin, make_event, images_of_event, other_account, account):
    one, another = make_event(), make_event()
    addresses, others = images_of_event(one), images_of_event(another)

    stolen = others["face"].replace(str(another), str(one))
    foreign = addresses["face"].replace(str(account), str(other_account))
    renamed = addresses["face"].replace("/face/", "/body/")
    unknown = addresses["face"].replace("/face/", "/secret/")

    assert [admin.get(address).status_code for address in (stolen, foreign, renamed, unknown)] == [404] * 4


def test_an_image_that_is_gone_is_not_found(admin, account, make_event, images_of_event):
    event_id = make_event()
    address = images_of_event(event_id)["face"]
    (card,) = registry.events().get_events(account, [event_id])
    registry.image_store().delete_images(account, registry.buckets().face_samples, [card.face_detections[0].sample_id])

    assert admin.get(address).status_code == 404


def test_the_page_shows_all_there_is(admin, account, make_event, make_face, images_of_event):
    face_id, known = make_face(external_id="Ann"), make_face(external_id="Bob")
    registry.faces().ensure_list(account, account, user_data="Visitors")
    event_id = make_event(
        external_id="the event", user_data="some data", source="gate 7", track_id="track 3", tags=("vip", "late"),
        end_time=datetime(2024, 5, 6, tzinfo=UTC), face_id=face_id, attach_result=(account,), age=33, gender=1,
        emotion=4, ethnic_group=3, mask=2, liveness=1, apparent_age=40, apparent_gender=2, headwear_state=1,
        sleeve_length="long", upper_clothing_colors=("red",), backpack_state=0, city="Riga", longitude=24.1,
        latitude=56.9,
        match_result=[
            {"label": "staff", "candidates": [
                {"face": {"face_id": str(known), "external_id": "Bob"}, "similarity": 0.87654},
            ]},
        ],
        top_match=TopMatch("face", known, 0.87654, "staff", "Bob"),
        face_descriptors={SFACE.number: [1.0] + [0.0] * (SFACE.dimension - 1)},
    )  # fmt: skip

    page = page_of(admin, event_id)

    words = (
        "the event", "some data", "gate 7", "track 3", "vip", "late", "about 33 years", "male (1)", "happiness (4)",
        "asian (3)", "medical mask (2)", "real (1)", "undefined (2)", "present (1)", "absent (0)", "long", "red",
        "Riga", "56.9", "24.1", "openstreetmap", "Visitors", "staff", "0.8765", SFACE.name, "30 \u00d7 40",
        f"/admin/embedded/face/{face_id}/change/", f"/admin/embedded/face/{known}/change/",
        *images_of_event(event_id).values(),
    )  # fmt: skip
    assert [word for word in words if word not in page] == []


def test_the_map_is_text_and_nothing_on_the_page_leads_elsewhere(admin, make_event):
    page = page_of(admin, make_event(longitude=24.1, latitude=56.9))

    assert 'href="http' not in page
    assert 'src="http' not in page


def test_a_source_image_that_is_kept_elsewhere_is_text(admin, make_event):
    seen = (Detection(image_origin="https://elsewhere.example/photo.jpg"),)

    page = page_of(admin, make_event(face_detections=seen, body_detections=()))

    assert "<code>https://elsewhere.example/photo.jpg</code>" in page
    assert 'src="http' not in page


def test_an_event_of_nothing_is_shown(admin, make_event):
    page = page_of(admin, make_event(face_detections=(), body_detections=()))

    assert "no detection" in page
    assert "It was matched with nobody." in page


@pytest.mark.parametrize(
    "match_result",
    [
        [{}],
        [{"label": None, "candidates": None}],
        [{"candidates": [{"similarity": "high"}, {"face": {}}]}],
        [{"label": "x", "candidates": [{"event": {"event_id": str(uuid4())}, "similarity": None}]}],
        [{"label": "same", "candidates": []}, {"label": "same", "candidates": []}],
    ],
)
def test_match_results_of_another_form_break_nothing(admin, make_event, match_result):
    assert "Match results" in page_of(admin, make_event(match_result=match_result))


def test_many_candidates_are_cut_and_say_so(admin, make_event):
    candidates = [{"face": {"face_id": str(uuid4())}, "similarity": 0.5} for _ in range(40)]

    assert "Showing 10 of 40 candidates" in page_of(
        admin, make_event(match_result=[{"label": "staff", "candidates": candidates}])
    )


@pytest.mark.parametrize("by", ["event_id", "face_id", "handler_id", "top", "external", "user data", "source", "track"])
def test_an_event_is_found_by_ids_and_words(admin, make_event, make_face, by):
    face_id, handler_id, top = make_face(), uuid4(), uuid4()
    wanted = make_event(
        external_id="Ann Alone", user_data="walked by", source="gate", track_id="t1", face_id=face_id,
        handler_id=handler_id, top_match=TopMatch("face", top, 0.9),
    )  # fmt: skip
    other = make_event(external_id="somebody else")
    terms = {
        "event_id": wanted, "face_id": face_id, "handler_id": handler_id, "top": top, "external": "ann al",
        "user data": "walked", "source": "gate", "track": "t1",
    }  # fmt: skip

    page = admin.get(LIST, {"q": str(terms[by])}).content.decode()

    assert str(wanted) in page
    assert str(other) not in page


@pytest.mark.parametrize(
    "query",
    [
        {"gender": "1"}, {"emotion": "4"}, {"source": "gate"}, {"track_id": "t1"}, {"tag_rows__value": "vip"},
        {"city": "Riga"}, {"top_matching_candidates_label": "staff"}, {"liveness": "0"},
    ],
)  # fmt: skip
def test_events_are_filtered_by_codes_and_typed_values(admin, make_event, query):
    wanted = make_event(
        gender=1, emotion=4, liveness=0, source="gate", track_id="t1", tags=("vip",), city="Riga",
        top_match=TopMatch("face", uuid4(), 0.9, "staff"),
    )  # fmt: skip
    other = make_event(gender=0, emotion=5, liveness=1)

    page = admin.get(LIST, query).content.decode()

    assert str(wanted) in page
    assert str(other) not in page


def test_who_may_not_see_faces_sees_their_ids_only(sign_in, account, make_event, make_face):
    from django.contrib.auth.models import Permission, User

    client = sign_in()
    User.objects.latest("pk").user_permissions.add(Permission.objects.get(codename="view_event"))
    face_id = make_face(external_id="Ann")

    page = page_of(client, make_event(face_id=face_id, top_match=TopMatch("face", face_id, 0.9)))

    assert str(face_id) in page
    assert "/admin/samples/" not in page
    assert "Ann" not in page


def test_texts_of_an_event_are_escaped(admin, make_event):
    text = '"><script>alert(1)</script>'
    event_id = make_event(
        external_id=text, user_data=text, source=text, track_id=text, tags=(text,), city=text,
        match_result=[{"label": text, "candidates": [{"face": {"face_id": str(uuid4()), "external_id": text}}]}],
        top_match=TopMatch("face", uuid4(), 0.9, text, text),
    )  # fmt: skip

    for page in (page_of(admin, event_id), admin.get(LIST).content.decode()):
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


def test_the_queries_of_a_page_do_not_grow_with_its_candidates(admin, make_event, make_face, django_assert_num_queries):
    candidates = [{"face": {"face_id": str(make_face())}, "similarity": 0.5} for _ in range(8)]
    event_id = make_event(match_result=[{"label": f"l{n}", "candidates": candidates} for n in range(4)])

    with django_assert_num_queries(10):
        page_of(admin, event_id)


def test_the_list_does_not_read_match_results(admin, make_event, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    make_event()

    with CaptureQueriesContext(connection) as captured:
        admin.get(LIST)

    assert not any('"match_result"' in query["sql"] for query in captured)
