"""What a clustering's content may hold, and what becomes of it."""

import time
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from lunatasks.errors import BadBody, NotAvailable
from lunatasks.times import format_time, parse_time
from tasks_app.contents import validate_content
from tasks_app.states import TaskType

ACCOUNT = UUID("6d071cca-fda5-4a03-84d5-5bea65904480")
OTHER = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"
FACE = "557d54ec-29ad-4f3c-93b4-c9092ef12515"
NOW = datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=UTC)


def check(content, task_type=TaskType.CLUSTERING):
    return validate_content(task_type, content, account_id=ACCOUNT, now=NOW)


def faces(**members):
    return {"objects_type": "faces", **members}


def path_of(content) -> str:
    with pytest.raises(BadBody) as caught:
        check(content)
    return caught.value.detail.split("'")[1]


def test_defaults_are_filled_in_and_the_set_of_objects_is_fixed_to_now():
    checked = check(faces())

    assert checked == {
        "objects_type": "faces",
        "filters": {"create_time__lt": "2024-05-06T07:08:09.000010Z"},
        "params": {"use_track_info": 0},
        "threshold": pytest.approx(0.9121, abs=1e-4),
        "descriptor": {"type": "face"},
    }


def test_what_was_sent_stays():
    content = faces(
        threshold=0.5,
        limit=3,
        params={"use_track_info": 1},
        filters={
            "account_id": str(ACCOUNT),
            "face_ids": [FACE],
            "external_ids": ["a", "b"],
            "user_data": "100-00-12",
            "create_time__gte": "2018-08-11T09:11:41.674000Z",
            "create_time__lt": "2019-08-11T09:11:41.674000Z",
            "face_id__gte": FACE,
            "face_id__lt": FACE,
            "list_id": FACE,
        },
        descriptor={"type": "face"},
    )

    assert check(content) == content


def test_upper_case_uuids_are_lowered_everywhere_and_times_become_utc():
    checked = check(
        faces(
            filters={
                "account_id": str(ACCOUNT).upper(),
                "face_ids": [FACE.upper()],
                "create_time__gte": "2021-07-28T01:23:21.5+03:00",
            }
        )
    )

    assert checked["filters"]["account_id"] == str(ACCOUNT)
    assert checked["filters"]["face_ids"] == [FACE]
    assert checked["filters"]["create_time__gte"] == "2021-07-27T22:23:21.500000Z"


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.5])
def test_a_threshold_may_be_any_number_from_0_to_1(value):
    assert check(faces(threshold=value))["threshold"] == value


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({}, "content.objects_type"),
        ({"objects_type": "cars"}, "content.objects_type"),
        ({"objects_type": ["faces"]}, "content.objects_type"),
        ({"objects_type": None}, "content.objects_type"),
        (faces(surprise=1), "content.surprise"),
        (faces(filters=None), "content.filters"),
        (faces(filters=[]), "content.filters"),
        (faces(filters={"surprise": 1}), "content.filters.surprise"),
        (faces(filters={"event_ids": [FACE]}), "content.filters.event_ids"),
        (faces(filters={"face_ids": []}), "content.filters.face_ids"),
        (faces(filters={"face_ids": None}), "content.filters.face_ids"),
        (faces(filters={"face_ids": FACE}), "content.filters.face_ids"),
        (faces(filters={"face_ids": [FACE] * 1001}), "content.filters.face_ids"),
        (faces(filters={"face_ids": [FACE, "x"]}), "content.filters.face_ids.1"),
        (faces(filters={"face_ids": ["{" + FACE + "}"]}), "content.filters.face_ids.0"),
        (faces(filters={"face_ids": [FACE.replace("-", "")]}), "content.filters.face_ids.0"),
        (faces(filters={"face_ids": [f"urn:uuid:{FACE}"]}), "content.filters.face_ids.0"),
        (faces(filters={"face_ids": [FACE + "\n"]}), "content.filters.face_ids.0"),
        (faces(filters={"face_ids": [1]}), "content.filters.face_ids.0"),
        (faces(filters={"external_ids": [""]}), "content.filters.external_ids.0"),
        (faces(filters={"external_ids": [1]}), "content.filters.external_ids.0"),
        (faces(filters={"external_ids": ["a\0"]}), "content.filters.external_ids.0"),
        (faces(filters={"user_data": ""}), "content.filters.user_data"),
        (faces(filters={"user_data": "\0"}), "content.filters.user_data"),
        (faces(filters={"create_time__gte": "2018-08-11T09:11:41"}), "content.filters.create_time__gte"),
        (faces(filters={"create_time__gte": "yesterday"}), "content.filters.create_time__gte"),
        (faces(filters={"create_time__lt": 1533978701}), "content.filters.create_time__lt"),
        (faces(filters={"create_time__lt": None}), "content.filters.create_time__lt"),
        (faces(filters={"account_id": OTHER}), "content.filters.account_id"),
        (faces(params={"use_track_info": 2}), "content.params.use_track_info"),
        (faces(params={"use_track_info": True}), "content.params.use_track_info"),
        (faces(params={"other": 1}), "content.params.other"),
        (faces(threshold=1.01), "content.threshold"),
        (faces(threshold=-0.01), "content.threshold"),
        (faces(threshold="0.5"), "content.threshold"),
        (faces(threshold=True), "content.threshold"),
        (faces(threshold=None), "content.threshold"),
        (faces(threshold=float("nan")), "content.threshold"),
        (faces(limit=0), "content.limit"),
        (faces(limit=1.0), "content.limit"),
        (faces(limit="1"), "content.limit"),
        (faces(limit=True), "content.limit"),
        (faces(limit=2**63), "content.limit"),
        (faces(descriptor={"type": "body"}), "content.descriptor.type"),
        (faces(descriptor={"type": "hand"}), "content.descriptor.type"),
        (faces(descriptor="face"), "content.descriptor"),
        (faces(filters={f"m{n}": n for n in range(101)}), "content.filters"),
    ],
)
def test_a_wrong_member_is_refused_with_its_path(content, path):
    assert path_of(content) == path


@pytest.mark.parametrize("content", [None, [], "x", 1, True])
def test_a_content_that_is_no_object_is_refused(content):
    assert path_of(content) == "content"


def test_a_content_nested_a_thousand_deep_is_refused_with_its_path():
    deep = 1
    for _ in range(1000):
        deep = {"filters": deep}

    assert path_of(faces(**deep)) == "content.filters.filters"


def test_millions_of_wrong_values_cost_no_more_than_reading_them():
    values = [{}] * 2_000_000
    started = time.process_time()

    assert path_of(faces(filters={"face_ids": values})).startswith("content.filters.face_ids")
    assert path_of(faces(filters=dict.fromkeys(map(str, values[:2] + list(range(500_000)))))) == "content.filters"
    assert time.process_time() - started < 2


def test_a_member_with_a_huge_name_is_refused_with_a_short_path():
    assert len(path_of(faces(**{"x" * 10_000: 1}))) <= 200


EVENT_FILTERS = {
    "account_id": str(ACCOUNT),
    **{name: [FACE] for name in ("event_ids", "handler_ids", "face_ids", "top_similar_object_ids")},
    **{
        name: ["a", "b"]
        for name in (
            "external_ids",
            "top_similar_external_ids",
            "sources",
            "cities",
            "areas",
            "districts",
            "streets",
            "house_numbers",
            "track_ids",
            "tags",
        )
    },
    "user_data": "x",
    "create_time__gte": "2018-08-11T09:11:41.674Z",
    "create_time__lt": "2018-08-11T09:11:41.674Z",
    "end_time__gte": "2018-08-11T09:11:41.674Z",
    "end_time__lt": "2018-08-11T09:11:41.674Z",
    "event_id__gte": FACE,
    "event_id__lt": FACE,
    "top_matching_candidates_label": "label",
    "top_similar_object_similarity__gte": 0.5,
    "top_similar_object_similarity__lt": 0,
    "age__gte": 50,
    "age__lt": 50,
    "apparent_age__gte": 50,
    "apparent_age__lt": 50,
    "gender": 0,
    "emotions": [1, 2, 7],
    "ethnic_groups": [1, 4],
    "masks": [1, 2, 3],
    "liveness": [0, 1, 2],
    "apparent_gender": [0, 1, 2],
    "headwear_states": [0, 1, 2],
    "backpack_states": [0, 1, 2],
    "sleeve_lengths": ["short", "long", "undefined"],
    "upper_clothing_colors": ["black", "grey", "gray", "undefined"],
    "geo_position": {"origin_longitude": -180, "origin_latitude": 90, "longitude_delta": 0, "latitude_delta": 0.1},
}


def test_every_event_filter_is_known():
    content = {
        "objects_type": "events",
        "filters": EVENT_FILTERS,
        "descriptor": {"type": "body"},
        "params": {"use_track_info": 1},
    }

    assert set(check(content)["filters"]) == set(EVENT_FILTERS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gender", 2),
        ("gender", True),
        ("emotions", [0]),
        ("emotions", [8]),
        ("ethnic_groups", [5]),
        ("masks", [0]),
        ("liveness", [3]),
        ("apparent_gender", [3]),
        ("headwear_states", [3]),
        ("backpack_states", [-1]),
        ("sleeve_lengths", ["none"]),
        ("upper_clothing_colors", ["mauve"]),
        ("tags", []),
        ("tags", [""]),
        ("age__gte", -1),
        ("age__lt", 1.0),
        ("top_similar_object_similarity__gte", 1.5),
        ("geo_position", {}),
        ("geo_position", {"origin_longitude": 181, "origin_latitude": 0}),
        ("geo_position", {"origin_longitude": 0, "origin_latitude": -91}),
        ("geo_position", {"origin_longitude": 0, "origin_latitude": 0, "latitude_delta": -1}),
        ("list_id", FACE),
        ("face_id__gte", FACE),
    ],
)
def test_a_wrong_event_filter_is_refused_with_its_path(name, value):
    path = path_of({"objects_type": "events", "filters": {name: value}})

    assert path.startswith(f"content.filters.{name}")


def test_a_type_without_a_module_is_not_available():
    with pytest.raises(NotAvailable):
        check({}, TaskType.UNKNOWN)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2018-08-11T09:11:41Z", datetime(2018, 8, 11, 9, 11, 41, tzinfo=UTC)),
        ("2018-08-11t09:11:41.674z", datetime(2018, 8, 11, 9, 11, 41, 674000, tzinfo=UTC)),
        ("2018-08-11T09:11:41.1234567899Z", datetime(2018, 8, 11, 9, 11, 41, 123456, tzinfo=UTC)),
        ("2018-08-11T09:11:41.5-03:30", datetime(2018, 8, 11, 12, 41, 41, 500000, tzinfo=UTC)),
        ("2018-08-11T09:11:41 03:00", datetime(2018, 8, 11, 6, 11, 41, tzinfo=UTC)),
    ],
)
def test_rfc_3339_times_are_read_as_utc(text, moment):
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2018-08-11",
        "2018-08-11T09:11:41",
        "2018-08-11T09:11Z",
        "2018-13-11T09:11:41Z",
        "2018-02-30T09:11:41Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2018-08-11T09:11:41+25:00",
        "2018-08-11T09:11:41+24:00",
        "2018-08-11T09:11:41+01:75",
        "2018-08-11T09:11:60Z",
        "2018-08-11T23:59:61Z",
        "9999-12-31T23:59:60Z",
        "2018-08-11T09:11:41.Z",
        "2018-08-11T09:11:41Z\n",
        "٢018-08-11T09:11:41Z",
        "1533978701",
    ],
)
def test_other_times_are_refused(text):
    with pytest.raises(ValueError):
        parse_time(text)


def test_times_are_written_in_utc_with_six_digits():
    moment = datetime(2021, 7, 28, 1, 23, 21, tzinfo=timezone(timedelta(hours=3)))

    assert format_time(moment) == "2021-07-27T22:23:21.000000Z"
    assert format_time(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000000Z"
    assert format_time(None) is None
