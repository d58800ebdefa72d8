"""The Handlers port: stored policies, and images run through them."""

import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from PIL import Image

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, SFACE_MIRRORED
from lunatasks.luna_services.embedded.handlers import EmbeddedHandlers
from lunatasks.luna_services.ports import (
    BadImage,
    BadPolicies,
    BadValue,
    EventFilters,
    FaceFilters,
    ListNotFound,
    NewFace,
    NewHandler,
    NotOffered,
    SourceImage,
)
from tests.photos import encoded, extractor, opened, photo

OBAMA, OBAMA2, BIDEN = "obama/obama.jpg", "obama/obama2.jpg", "biden/biden.jpg"
EVERYTHING = {
    "extract_policy": {"extract_basic_attributes": 1},
    "storage_policy": {
        "image_origin_policy": {"store_image": 1},
        "face_policy": {"store_face": 1, "set_sample_as_avatar": 1},
    },
}

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[EmbeddedHandlers], ids=["embedded"])
def handlers(request):
    """Each adapter of the port."""
    extractor()
    return request.param()


@pytest.fixture
def process(handlers, account):
    """Events of an image through policies."""

    def run(name, policies=EVERYTHING, *, data=None, now=None, **members):
        image = SourceImage(filename=name, data=data or photo(name).read_bytes(), **members)
        return handlers.open_run(account, policies, now=now).process(image)

    return run


@pytest.fixture
def gallery(account):
    """A list with Obama and Biden; its id."""
    list_id, faces = uuid4(), registry.faces()
    faces.ensure_list(account, list_id)
    for name in (OBAMA, BIDEN):
        [found] = extractor().extract(photo(name).read_bytes())
        new = NewFace(face_id=uuid4(), external_id=name.split("/")[0], descriptors={SFACE.number: found.descriptor})
        faces.add_faces(account, [new], list_id=list_id)
    return list_id


def both(*, width=1820) -> bytes:
    image = Image.new("RGB", (width, 1137))
    image.paste(opened(OBAMA), (0, 0))
    image.paste(opened(BIDEN).resize((500, 1136)), (910, 0))
    return encoded(image, quality=92)


def stored_events(account):
    ids = [one for page in registry.events().iterate_ids(EventFilters(account_id=account)) for one in page]
    return registry.events().get_events(account, ids)


def counts(account):
    images, buckets = registry.image_store(), registry.buckets()
    return (
        len(stored_events(account)),
        registry.faces().count_faces(FaceFilters(account)),
        sum(len(page) for page in images.iterate_images(account, buckets.face_samples)),
        sum(len(page) for page in images.iterate_images(account, buckets.image_origins)),
    )


# -- stored handlers -----------------------------------------------------------------------------------


def test_a_handler_is_stored_with_all_defaults(handlers, account):
    handler_id, is_new = handlers.add_handler(account, NewHandler(policies={}, description="gate"))

    card = handlers.get_handler(account, handler_id)
    assert is_new
    assert (card.description, card.account_id) == ("gate", account)
    assert card.policies["detect_policy"]["multiface_policy"] == 1
    assert card.policies["storage_policy"]["event_policy"]["store_event"] == 1
    assert card.policies == handlers.check_policies(card.policies)


def test_the_same_handler_twice_is_one(handlers, account):
    first, _ = handlers.add_handler(account, NewHandler(policies={}))
    again, is_new = handlers.add_handler(account, NewHandler(policies={"match_policy": []}))

    assert (again, is_new) == (first, False)
    assert [len(page) for page in handlers.iterate_handlers(account)] == [1]


def test_a_handler_never_changes_under_its_id(handlers, account):
    handler_id, _ = handlers.add_handler(account, NewHandler(policies={}))

    with pytest.raises(BadValue, match="another"):
        handlers.add_handler(account, NewHandler(policies=EVERYTHING, handler_id=handler_id))


def test_another_account_has_no_part_in_a_handler(handlers, account, other_account):
    handler_id, _ = handlers.add_handler(account, NewHandler(policies={}))

    assert handlers.get_handler(other_account, handler_id) is None
    assert handlers.delete_handlers(other_account, [handler_id]) == []
    with pytest.raises(BadValue):
        handlers.add_handler(other_account, NewHandler(policies={}, handler_id=handler_id))


def test_a_deleted_handler_is_gone(handlers, account):
    handler_id, _ = handlers.add_handler(account, NewHandler(policies={}))

    assert handlers.delete_handlers(account, [handler_id, uuid4()]) == [handler_id]
    assert handlers.get_handler(account, handler_id) is None


BAD_POLICIES = [
    ([], ""),
    ({"unknown": 1}, "unknown"),
    ({"detect_policy": {"detect_face": "1"}}, "detect_policy.detect_face"),
    ({"detect_policy": {"detect_face": True}}, "detect_policy.detect_face"),
    ({"detect_policy": {"detect_face": 0}}, "detect_policy.detect_face"),
    ({"detect_policy": {"multiface_policy": 3}}, "detect_policy.multiface_policy"),
    ({"extract_policy": None}, "extract_policy"),
    ({"match_policy": [{"label": "a"}]}, "match_policy.0"),
    ({"match_policy": [{"label": "", "candidates": {}}]}, "match_policy.0.label"),
    ({"match_policy": [{"label": "a\0", "candidates": {}}]}, "match_policy.0.label"),
    ({"match_policy": [{"label": "a", "candidates": {}, "limit": 0}]}, "match_policy.0.limit"),
    ({"match_policy": [{"label": "a", "candidates": {}, "threshold": 1.5}]}, "match_policy.0.threshold"),
    ({"match_policy": [{"label": "a", "candidates": {}, "threshold": float("nan")}]}, "match_policy.0.threshold"),
    ({"match_policy": [{"label": "a", "candidates": {"list_id": "x"}}]}, "match_policy.0.candidates.list_id"),
    ({"match_policy": [{"label": "a", "candidates": {"face_ids": []}}]}, "match_policy.0.candidates.face_ids"),
    (
        {"match_policy": [{"label": "a", "candidates": {"create_time__lt": "2020-01-01T00:00:00"}}]},
        "match_policy.0.candidates.create_time__lt",
    ),
    ({"match_policy": [{"label": "a", "candidates": {}}, {"label": "a", "candidates": {}}]}, "match_policy"),
    (
        {"match_policy": [{"label": "a", "candidates": {}}], "extract_policy": {"extract_face_descriptor": 0}},
        "match_policy",
    ),
    ({"conditional_tags_policy": [{"tag": "x", "filters": {"gender": 0}}]}, "conditional_tags_policy.0.filters"),
    (
        {"conditional_tags_policy": [{"tag": "x", "filters": {"ethnicities": [1]}}]},
        "conditional_tags_policy.0.filters.ethnicities",
    ),
    ({"extract_policy": {"extract_ethnicities": 1}}, "extract_policy.extract_ethnicities"),
    (
        {"conditional_tags_policy": [{"tag": "x", "filters": {"match": [{"label": "a"}]}}]},
        "conditional_tags_policy.0.filters.match",
    ),
    (
        {"storage_policy": {"face_policy": {"link_to_lists_policy": [{"list_id": "x"}]}}},
        "storage_policy.face_policy.link_to_lists_policy.0.list_id",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("policies", "path"), BAD_POLICIES, ids=[str(index) for index in range(len(BAD_POLICIES))])
def test_bad_policies_are_refused_with_their_path(handlers, account, policies, path):
    with pytest.raises(BadPolicies) as caught:
        handlers.add_handler(account, NewHandler(policies=policies))

    assert caught.value.path == path


@pytest.mark.parametrize(
    ("policies", "what"),
    [
        ({"detect_policy": {"detect_body": 1}}, "body"),
        ({"extract_policy": {"extract_body_descriptor": 1}}, "body"),
        ({"detect_policy": {"estimate_emotions": 1}}, "estimate_emotions"),
        ({"storage_policy": {"attribute_policy": {"store_attribute": 1}}}, "store_attribute"),
        ({"match_policy": [{"label": "a", "candidates": {"origin": "events"}}]}, "events"),
    ],
)
def test_what_no_model_offers_is_refused_when_the_handler_is_made(handlers, account, policies, what):
    with pytest.raises(NotOffered, match=what):
        handlers.add_handler(account, NewHandler(policies=policies))


@pytest.mark.parametrize(
    "policies",
    [
        {"match_policy": [{"label": "a", "candidates": {"list_id": str(uuid4())}}]},
        {"storage_policy": {"face_policy": {"store_face": 1, "link_to_lists_policy": [{"list_id": str(uuid4())}]}}},
    ],
)
def test_a_list_that_does_not_exist_is_refused(handlers, account, policies):
    with pytest.raises(ListNotFound):
        handlers.add_handler(account, NewHandler(policies=policies))


# -- running -------------------------------------------------------------------------------------------


def test_a_photo_becomes_an_event_with_face_samples_and_source(process, account):
    [made] = process(OBAMA, source="gate", track_id="t1", external_id="42", user_data="visitor", tags=("b", "a"))

    [event] = stored_events(account)
    assert event.event_id == made.event.event_id
    assert (event.source, event.track_id, event.external_id, event.tags) == ("gate", "t1", "42", ("a", "b"))
    assert event.gender == 1
    assert 35 <= event.age <= 55
    [detection] = event.face_detections
    assert detection.rect.width > 100
    assert registry.image_store().has_image(account, registry.buckets().face_samples, detection.sample_id)
    [face] = registry.faces().get_faces(account, [event.face_id])
    assert (face.event_id, face.external_id, face.attributes.age) == (event.event_id, "42", event.age)
    assert face.avatar.endswith(str(face.sample_ids[0]))
    [stored] = registry.events().get_descriptors(account, [event.event_id], kind="face", version=SFACE.number)
    assert stored.vector.shape == (128,)
    assert counts(account) == (1, 1, 2, 1)


def test_the_answer_is_nested_as_the_platform_answers(process):
    [made] = process(OBAMA, city="Riga", longitude=24.1, latitude=56.9)

    answer = made.answer
    assert answer["event_id"] == str(made.event.event_id)
    sample = answer["detections"][0]["samples"]["face"]
    assert set(sample["detection"]["rect"]) == {"x", "y", "width", "height"}
    assert answer["aggregate_estimations"]["face"]["attributes"]["basic_attributes"]["gender"] == 1
    assert answer["location"]["geo_position"] == {"longitude": 24.1, "latitude": 56.9}
    assert answer["face"]["face_id"] == str(made.event.face_id)
    assert "descriptor" not in str(answer)


def test_the_same_photo_again_makes_nothing_twice(process, account):
    first = process(OBAMA)
    before = counts(account)

    again = process(OBAMA)

    assert [one.event.event_id for one in again] == [one.event.event_id for one in first]
    assert counts(account) == before


def test_an_interrupted_image_is_completed_by_the_next_run(process, account, monkeypatch):
    def fail(*args):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(type(registry.events()), "add_events", fail)
        with pytest.raises(RuntimeError):
            process(OBAMA)

    process(OBAMA)

    assert counts(account) == (1, 1, 2, 1)


def test_several_faces_are_several_events_of_one_source(process, account):
    made = process("both.jpg", data=both())

    assert len({one.event.event_id for one in made}) == 2
    assert made[0].event.face_detections[0].rect.width > made[1].event.face_detections[0].rect.width
    assert counts(account) == (2, 2, 4, 1)
    assert len({one.event.face_detections[0].image_origin for one in made}) == 1


def test_the_multiface_policy_refuses_or_takes_the_largest(process, account):
    with pytest.raises(BadImage, match="more than one face"):
        process("both.jpg", {"detect_policy": {"multiface_policy": 0}}, data=both())
    assert counts(account) == (0, 0, 0, 0)

    assert len(process("both.jpg", {"detect_policy": {"multiface_policy": 2}}, data=both())) == 1


def test_a_photo_of_nobody_has_no_event(process, account):
    assert process("nobody.png", data=encoded(Image.new("RGB", (300, 200), "green"), "PNG")) == []
    assert counts(account) == (0, 0, 0, 0)


def test_a_policy_that_stores_nothing_still_answers(process, account):
    storage = {"face_sample_policy": {"store_sample": 0}, "event_policy": {"store_event": 0}}

    [made] = process(OBAMA, {"storage_policy": storage})

    assert counts(account) == (0, 0, 0, 0)
    assert not made.is_stored
    assert made.answer["detections"][0]["samples"]["face"]["sample_id"] is None


def test_candidates_come_most_similar_first(process, account, gallery):
    rule = {"label": "staff", "candidates": {"list_id": str(gallery)}, "targets": ["face_id", "external_id", "lists"]}

    [made] = process(OBAMA2, {"match_policy": [rule]})

    [match] = made.answer["matches"]
    assert [one["face"]["external_id"] for one in match["candidates"]] == ["obama", "biden"]
    assert match["candidates"][0]["similarity"] > 0.9 > 0.5 > match["candidates"][1]["similarity"]
    assert match["candidates"][0]["face"]["lists"] == [str(gallery)]
    [event] = stored_events(account)
    assert (event.top_match.label, event.top_match.external_id) == ("staff", "obama")
    assert event.match_result[0]["label"] == "staff"


@pytest.mark.parametrize(("change", "expected"), [({"limit": 1}, 1), ({"threshold": 0.5}, 1), ({"threshold": 1.0}, 0)])
def test_limit_and_threshold_cut_the_candidates(process, gallery, change, expected):
    rule = {"label": "staff", "candidates": {"list_id": str(gallery)}, **change}

    [made] = process(OBAMA2, {"match_policy": [rule]})

    assert len(made.answer["matches"][0]["candidates"]) == expected


def test_a_gallery_larger_than_memory_gives_the_same_matches(process, gallery, settings):
    rule = {"label": "staff", "candidates": {"list_id": str(gallery)}}
    [kept] = process(OBAMA2, {"match_policy": [rule]}, now=timezone.now())
    settings.LUNATASKS_MEMORY_MB = 0

    [read] = process(OBAMA2, {"match_policy": [rule]}, now=timezone.now())

    assert read.answer["matches"] == kept.answer["matches"]


def test_faces_made_after_the_run_began_are_no_candidates(process, gallery):
    rule = {"label": "staff", "candidates": {"list_id": str(gallery)}}

    [made] = process(OBAMA2, {"match_policy": [rule]}, now=timezone.now() - timedelta(hours=1))

    assert made.answer["matches"] == [{"label": "staff", "candidates": []}]
    assert made.event.top_match is None


def test_tags_and_links_follow_their_conditions(process, account, gallery):
    strangers = uuid4()
    registry.faces().ensure_list(account, strangers)
    known = {"match": [{"label": "staff", "similarity__gte": 0.5}]}
    unknown = {"match": [{"label": "staff", "similarity__lt": 0.5}]}
    policies = {
        "extract_policy": {"extract_basic_attributes": 1},
        "match_policy": [{"label": "staff", "candidates": {"list_id": str(gallery)}, "threshold": 0.5}],
        "conditional_tags_policy": [
            {"tag": "known", "filters": known},
            {"tag": "man", "filters": {"gender": 1, "age__gte": 18}},
            {"tag": "woman", "filters": {"gender": 0}},
        ],
        "storage_policy": {
            "face_policy": {
                "store_face": 1,
                "link_to_lists_policy": [
                    {"list_id": str(gallery), "filters": known},
                    {"list_id": str(strangers), "filters": unknown},
                ],
            }
        },
    }

    [obama] = process(OBAMA2, policies)
    [woman] = process("Alice Portugal/Alice Portugal.jpg", policies)

    assert obama.event.tags == ("known", "man")
    assert obama.event.attach_result == (gallery,)
    assert woman.event.tags == ("woman",)
    assert woman.event.attach_result == (strangers,)
    assert registry.faces().count_faces(FaceFilters(account, list_id=strangers)) == 1
    assert registry.faces().count_faces(FaceFilters(account, list_id=gallery)) == 3


def test_a_list_deleted_in_between_leaves_nothing_half_written(handlers, account):
    list_id = uuid4()
    registry.faces().ensure_list(account, list_id)
    policies = {
        "storage_policy": {"face_policy": {"store_face": 1, "link_to_lists_policy": [{"list_id": str(list_id)}]}}
    }
    run = handlers.open_run(account, policies)
    registry.faces().delete_lists(account, [list_id])

    with pytest.raises(ListNotFound):
        run.process(SourceImage(filename="a.jpg", data=photo(OBAMA).read_bytes()))

    assert counts(account) == (0, 0, 0, 0)


def test_a_face_warp_is_taken_without_looking_for_a_face(process):
    [found] = extractor().extract(photo(OBAMA).read_bytes())

    [made] = process("warp.jpg", data=found.sample, image_type=1)

    rect = made.event.face_detections[0].rect
    assert (rect.x, rect.y, rect.width, rect.height) == (0, 0, 250, 250)
    assert float(made.event.face_descriptors[SFACE.number] @ found.descriptor) > 0.96


def test_a_body_warp_is_refused_clearly(process):
    with pytest.raises(NotOffered, match="body model"):
        process(OBAMA, image_type=2)


def test_the_events_have_the_version_of_the_profile(process, settings, account):
    settings.LUNATASKS_FACE_VERSION = SFACE_MIRRORED.number

    [made] = process(OBAMA)

    assert set(made.event.face_descriptors) == {SFACE_MIRRORED.number}


@pytest.mark.parametrize("data", [b"no image", b"", b"\xff\xd8\xff\xe0" + b"0" * 50], ids=["text", "empty", "cut"])
def test_a_bad_image_is_a_clear_error_and_stores_nothing(process, account, data):
    with pytest.raises(BadImage):
        process("bad.jpg", data=data or b" ")

    assert counts(account) == (0, 0, 0, 0)


# -- EXIF ----------------------------------------------------------------------------------------------


def with_exif(time=None, offset=None, gps=None, orientation=None) -> bytes:
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    details = exif.get_ifd(0x8769)
    if time is not None:
        details[0x9003] = time
    if offset is not None:
        details[0x9011] = offset
    if gps is not None:
        exif.get_ifd(0x8825).update(gps)
    out = io.BytesIO()
    opened(OBAMA).save(out, "JPEG", exif=exif.tobytes())
    return out.getvalue()


def test_time_and_place_come_from_exif_when_asked(process):
    gps = {1: "N", 2: (56.0, 57.0, 0.0), 3: "W", 4: (24.0, 6.0, 0.0)}
    data = with_exif("2021:05:06 07:08:09", "+02:00", gps)

    [made] = process("a.jpg", data=data, use_exif_info=True)

    assert made.event.create_time == datetime(2021, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert made.event.face_detections[0].detect_time == made.event.create_time
    assert (round(made.event.latitude, 4), round(made.event.longitude, 4)) == (56.95, -24.1)


def test_exif_is_not_looked_at_unless_asked(process):
    now = timezone.now()

    [made] = process("a.jpg", data=with_exif("2021:05:06 07:08:09"), now=now)

    assert made.event.create_time == now


@pytest.mark.parametrize("time", ["", "0000:00:00 00:00:00", "yesterday", "2021:13:45 99:00:00", "1021:01:01 00:00:00"])
def test_nonsense_in_exif_is_unknown(process, time):
    now = timezone.now()
    gps = {1: "N", 2: (95.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)}

    [made] = process("a.jpg", data=with_exif(time, "+99:00", gps), now=now, use_exif_info=True)

    assert made.event.create_time == now
    assert made.event.longitude is None


def test_a_stored_source_is_upright_and_carries_no_metadata(process, account):
    [made] = process("a.jpg", data=with_exif("2021:05:06 07:08:09", orientation=1))

    [page] = registry.image_store().iterate_images(account, registry.buckets().image_origins)
    data = registry.image_store().get_image(account, registry.buckets().image_origins, page[0])
    assert made.event.face_detections[0].image_origin == str(page[0])
    assert dict(Image.open(io.BytesIO(data)).getexif()) == {}
