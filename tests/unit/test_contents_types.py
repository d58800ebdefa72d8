"""What the contents of the other eight types may hold, and what becomes of them."""

import copy
from datetime import UTC, datetime
from uuid import UUID

import pytest

from lunatasks.errors import BadBody, NotAvailable
from tasks_app import dispatch
from tasks_app.contents import MODELS, check_content, validate_content
from tasks_app.contents.columns import COLUMNS
from tasks_app.contents.roc import unique_entries
from tasks_app.states import TaskType
from tests.unit.contents import EVENT_FILTERS, FACE_FILTERS, FULL, ID, MOMENT, OTHER_ID, SMALL

ACCOUNT = UUID("6d071cca-fda5-4a03-84d5-5bea65904480")
NOW = datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=UTC)
FIXED = {"create_time__lt": "2024-05-06T07:08:09.000010Z"}
CROSSED = {"reference_type": "faces", "candidate_type": "faces"}
MARKUP = [{"face_id": ID, "label": 1}, {"face_id": OTHER_ID, "label": 2}]
ZIP = {"source_type": "zip", "reference": "a.zip"}
HANDLER = {"handler_id": ID}


def check(task_type, content):
    return validate_content(task_type, content, account_id=ACCOUNT, now=NOW)


def path_of(task_type, content) -> str:
    with pytest.raises(BadBody) as caught:
        check(task_type, content)
    return caught.value.detail.split("'")[1]


def test_every_type_has_a_model_and_examples():
    assert set(MODELS) == set(FULL) == set(SMALL) == set(TaskType) - {TaskType.UNKNOWN}


@pytest.mark.parametrize("task_type", list(MODELS))
def test_what_was_sent_stays(task_type):
    assert check(task_type, copy.deepcopy(FULL[task_type])) == FULL[task_type]


@pytest.mark.parametrize("task_type", list(MODELS))
def test_an_empty_content_and_an_unknown_member_are_refused(task_type):
    assert path_of(task_type, {}).startswith("content")
    assert path_of(task_type, SMALL[task_type] | {"surprise": 1}) == "content.surprise"


@pytest.mark.parametrize("task_type", list(MODELS))
def test_every_member_is_refused_as_null(task_type):
    for name in FULL[task_type]:
        assert path_of(task_type, FULL[task_type] | {name: None}).startswith(f"content.{name}")


@pytest.mark.parametrize(
    ("task_type", "defaults"),
    [
        (TaskType.GC, {"remove_samples": False, "store_results": False, "dry_run": False, "filters": FIXED}),
        (TaskType.REPORTER, {"columns": [], "csv_delimiter": ",", "save_images": 0}),
        (
            TaskType.EXPORTER,
            {"columns": [], "csv_delimiter": ",", "save_images": 0, "filters": FIXED, "descriptor": {"type": "face"}},
        ),
        (TaskType.ADDITIONAL_EXTRACT, {"options": {"missing": True}}),
        (
            TaskType.CROSS_MATCH,
            {
                "filters": CROSSED
                | {"reference_filters": FIXED, "candidate_filters": FIXED, "descriptor": {"type": "face"}},
                "threshold": pytest.approx(0.735, abs=1e-3),
                "limit": 5,
            },
        ),
        (TaskType.ROC, {"filters": {}, "threshold_hit_top": 0, "limit": 5, "key_FPRs": [], "cropped": False}),
        (
            TaskType.ESTIMATOR,
            {"filters": {}, "source": ZIP | {"reference": "photos.zip", "image_type": 0, "recursive": False}},
        ),
    ],
)
def test_defaults_are_filled_in(task_type, defaults):
    assert check(task_type, SMALL[task_type]) == SMALL[task_type] | defaults


def test_a_new_list_without_an_id_is_given_one_at_creation():
    checked = check(TaskType.LINKER, SMALL[TaskType.LINKER])

    assert UUID(checked.pop("list_id"))
    assert checked == SMALL[TaskType.LINKER] | {"user_data": "", "filters": FIXED}


def test_a_descriptor_version_is_that_of_the_installation_by_default():
    content = {"extraction_target": "face_descriptor", "filters": {"objects_type": "faces"}}

    assert check(TaskType.ADDITIONAL_EXTRACT, content)["options"] == {"missing": True, "descriptor_version": 1001}


def test_the_default_threshold_is_that_of_the_descriptor_that_was_named():
    events = {"reference_type": "events", "candidate_type": "events"}
    face = check(TaskType.CROSS_MATCH, {"filters": events})["threshold"]
    body = check(TaskType.CROSS_MATCH, {"filters": events | {"descriptor": {"type": "body"}}})["threshold"]

    assert face == pytest.approx(0.735, abs=1e-3)
    assert body == pytest.approx(0.731, abs=1e-3)


@pytest.mark.parametrize(
    ("task_type", "content"),
    [
        (TaskType.LINKER, {"create_list": 0, "list_id": ID, "objects_type": "faces"}),
        (
            TaskType.LINKER,
            {"list_id": ID.upper(), "objects_type": "events", "filters": {"face_id__lt": ID, "list_id": ID}},
        ),
        (TaskType.LINKER, {"create_list": 1, "objects_type": "events", "filters": EVENT_FILTERS}),
        (TaskType.GC, {"target": "face_descriptors", "filters": {"descriptor_version": 0}, "store_results": True}),
        (TaskType.GC, {"target": "face_descriptors", "filters": FACE_FILTERS | {"descriptor_version": 59}}),
        (TaskType.GC, {"target": "event_descriptors", "descriptor_type": "body", "filters": {"descriptor_version": 1}}),
        (TaskType.GC, {"target": "body_descriptors", "filters": {"descriptor_version": 1}}),
        (TaskType.GC, {"target": "events", "remove_image_origins": True, "filters": EVENT_FILTERS}),
        (
            TaskType.EXPORTER,
            {"objects_type": "events", "columns": list(COLUMNS["events"]), "descriptor": {"type": "body"}},
        ),
        (TaskType.EXPORTER, {"objects_type": "faces", "columns": list(COLUMNS["faces"]), "csv_delimiter": "\t"}),
        (TaskType.REPORTER, {"filters": {"task_id": 1}, "columns": ["gender", "avatar"]}),
        (TaskType.ADDITIONAL_EXTRACT, {"extraction_target": "body_descriptor", "filters": {"objects_type": "events"}}),
        (
            TaskType.ADDITIONAL_EXTRACT,
            {"extraction_target": "basic_attributes", "filters": {"objects_type": "events", "event_id__gte": ID}},
        ),
        (
            TaskType.CROSS_MATCH,
            {"filters": {"reference_type": "faces", "candidate_type": "events", "candidate_filters": EVENT_FILTERS}},
        ),
        (TaskType.ROC, {"markup": [{"face_id": ID, "label": 0}, {"event_id": ID, "label": 1}]}),
        (
            TaskType.ESTIMATOR,
            {"handler": HANDLER, "source": {"source_type": "network_disk", "path": "x", "follow_links": True}},
        ),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "s3", "bucket": "x", "region": "eu"}}),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "ftp", "host": "x", "max_sessions": 2}}),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "samba", "host": "x", "share": "y"}}),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": ZIP | {"reference": "https://files.example/a.zip"}}),
    ],
)
def test_variants_are_taken(task_type, content):
    assert check(task_type, copy.deepcopy(content))


@pytest.mark.parametrize(
    ("task_type", "content", "path"),
    [
        (TaskType.LINKER, {"objects_type": "faces"}, "content.list_id"),
        (TaskType.LINKER, {"objects_type": "faces", "create_list": 0}, "content.list_id"),
        (TaskType.LINKER, {"objects_type": "faces", "create_list": True, "list_id": ID}, "content.create_list"),
        (TaskType.LINKER, {"objects_type": "faces", "create_list": 2, "list_id": ID}, "content.create_list"),
        (TaskType.LINKER, {"objects_type": "faces", "create_list": 1, "user_data": "x" * 129}, "content.user_data"),
        (
            TaskType.LINKER,
            {"objects_type": "faces", "create_list": 1, "filters": {"tags": ["x"]}},
            "content.filters.tags",
        ),
        (TaskType.LINKER, {"create_list": 1}, "content.objects_type"),
        (TaskType.GC, {"target": "attributes"}, "content.target"),
        (TaskType.GC, {"target": ["faces"]}, "content.target"),
        (TaskType.GC, {"target": "face_descriptors"}, "content.filters"),
        (TaskType.GC, {"target": "face_descriptors", "filters": {}}, "content.filters.descriptor_version"),
        (
            TaskType.GC,
            {"target": "face_descriptors", "filters": {"descriptor_version": -1}},
            "content.filters.descriptor_version",
        ),
        (TaskType.GC, {"target": "faces", "filters": {"descriptor_version": 1}}, "content.filters.descriptor_version"),
        (TaskType.GC, {"target": "faces", "filters": {"face_ids": []}}, "content.filters.face_ids"),
        (TaskType.GC, {"target": "faces", "remove_image_origins": True}, "content.remove_image_origins"),
        (TaskType.GC, {"target": "faces", "dry_run": 1}, "content.dry_run"),
        (TaskType.GC, {"target": "faces", "store_results": "true"}, "content.store_results"),
        (TaskType.REPORTER, {"filters": {}}, "content.filters.task_id"),
        (TaskType.REPORTER, {"filters": {"task_id": "1"}}, "content.filters.task_id"),
        (TaskType.REPORTER, {"filters": {"task_id": 0}}, "content.filters.task_id"),
        (TaskType.REPORTER, {"filters": {"task_id": 2**63}}, "content.filters.task_id"),
        (TaskType.REPORTER, {"filters": {"task_id": 1}, "columns": ["nothing"]}, "content.columns.0"),
        (TaskType.REPORTER, {"filters": {"task_id": 1}, "columns": ["avatar", "avatar"]}, "content.columns"),
        *(
            (TaskType.REPORTER, {"filters": {"task_id": 1}, "csv_delimiter": bad}, "content.csv_delimiter")
            for bad in ("", ",,", '"', "\r", "\n", "\0", 1)
        ),
        (TaskType.REPORTER, {"filters": {"task_id": 1}, "save_images": True}, "content.save_images"),
        (TaskType.EXPORTER, {"objects_type": "faces", "columns": ["gender"]}, "content.columns.0"),
        (TaskType.EXPORTER, {"objects_type": "events", "columns": ["gender", "avatar"]}, "content.columns.1"),
        (TaskType.EXPORTER, {"objects_type": "faces", "descriptor": {"type": "body"}}, "content.descriptor.type"),
        (TaskType.EXPORTER, {"objects_type": ["faces"]}, "content.objects_type"),
        (TaskType.ADDITIONAL_EXTRACT, {"extraction_target": "face_descriptor"}, "content.filters"),
        (
            TaskType.ADDITIONAL_EXTRACT,
            {"extraction_target": "iris", "filters": {"objects_type": "faces"}},
            "content.extraction_target",
        ),
        (
            TaskType.ADDITIONAL_EXTRACT,
            {"extraction_target": "body_descriptor", "filters": {"objects_type": "faces"}},
            "content.filters.objects_type",
        ),
        (
            TaskType.ADDITIONAL_EXTRACT,
            {"extraction_target": "basic_attributes", "filters": {"objects_type": "cars"}},
            "content.filters.objects_type",
        ),
        (
            TaskType.ADDITIONAL_EXTRACT,
            {"extraction_target": "face_descriptor", "filters": {"objects_type": "faces", "event_id__lt": ID}},
            "content.filters.event_id__lt",
        ),
        (
            TaskType.ADDITIONAL_EXTRACT,
            {
                "extraction_target": "basic_attributes",
                "options": {"descriptor_version": 1},
                "filters": {"objects_type": "faces"},
            },
            "content.options.descriptor_version",
        ),
        (TaskType.CROSS_MATCH, {"filters": {"reference_type": "faces"}}, "content.filters.candidate_type"),
        (
            TaskType.CROSS_MATCH,
            {"filters": CROSSED | {"descriptor": {"type": "body"}}},
            "content.filters.descriptor.type",
        ),
        (
            TaskType.CROSS_MATCH,
            {"filters": CROSSED | {"candidate_filters": {"event_ids": [ID]}}},
            "content.filters.candidate_filters.event_ids",
        ),
        (
            TaskType.CROSS_MATCH,
            {"filters": CROSSED | {"reference_filters": {"account_id": OTHER_ID}}},
            "content.filters.reference_filters.account_id",
        ),
        (TaskType.CROSS_MATCH, {"filters": CROSSED, "limit": 0}, "content.limit"),
        (TaskType.ROC, {"markup": MARKUP[:1]}, "content.markup"),
        (TaskType.ROC, {"markup": [{"face_id": ID, "label": 1}, {"label": 2}]}, "content.markup"),
        (TaskType.ROC, {"markup": [*MARKUP, {"face_id": ID, "event_id": ID, "label": 2}]}, "content.markup"),
        (TaskType.ROC, {"markup": [*MARKUP, {"face_id": ID.upper(), "label": 2}]}, "content.markup"),
        (TaskType.ROC, {"markup": [*MARKUP, {"face_id": "x", "label": 2}]}, "content.markup.2.face_id"),
        (TaskType.ROC, {"markup": [*MARKUP, {"face_id": ID}]}, "content.markup.2.label"),
        (TaskType.ROC, {"markup": [*MARKUP, {"face_id": ID, "label": "1"}]}, "content.markup.2.label"),
        (TaskType.ROC, {"markup": [*MARKUP, {"face_id": ID, "label": 1, "x": 1}]}, "content.markup.2.x"),
        (TaskType.ROC, {"markup": MARKUP, "key_FPRs": [0.0]}, "content.key_FPRs.0"),
        (TaskType.ROC, {"markup": MARKUP, "key_FPRs": [0.5, 1]}, "content.key_FPRs.1"),
        (TaskType.ROC, {"markup": MARKUP, "key_FPRs": [0.5] * 101}, "content.key_FPRs"),
        (TaskType.ROC, {"markup": MARKUP, "threshold_hit_top": 1.1}, "content.threshold_hit_top"),
        (TaskType.ROC, {"markup": MARKUP, "filters": {"face_ids": [ID]}}, "content.filters.face_ids"),
        (TaskType.ESTIMATOR, {"source": ZIP}, "content.handler"),
        (TaskType.ESTIMATOR, {"handler": {}, "source": ZIP}, "content.handler"),
        (TaskType.ESTIMATOR, {"handler": HANDLER | {"policies": {}}, "source": ZIP}, "content.handler"),
        (TaskType.ESTIMATOR, {"handler": {"policies": {"x": {}}}, "source": ZIP}, "content.handler.policies.x"),
        (
            TaskType.ESTIMATOR,
            {"handler": {"policies": {"storage_policy": {"x": [{"y": "\0"}]}}}, "source": ZIP},
            "content.handler.policies.storage_policy",
        ),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "zip"}}, "content.source.reference"),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "web"}}, "content.source.source_type"),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": []}, "content.source"),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": ZIP | {"image_type": 3}}, "content.source.image_type"),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": ZIP | {"path": "x"}}, "content.source.path"),
        (
            TaskType.ESTIMATOR,
            {"handler": HANDLER, "source": ZIP | {"reference": "https://user:word@files.example/a.zip"}},
            "content.source.reference",
        ),
        *(
            (
                TaskType.ESTIMATOR,
                {"handler": HANDLER, "source": ZIP | {"authorization": {"password": bad}}},
                "content.source.authorization.password",
            )
            for bad in (1.5, True, None, ["x"], "a\0", 2**64)
        ),
        (
            TaskType.ESTIMATOR,
            {"handler": HANDLER, "source": {"source_type": "ftp", "host": "x", "port": 65536}},
            "content.source.port",
        ),
    ],
)
def test_a_wrong_member_is_refused_with_its_path(task_type, content, path):
    assert path_of(task_type, content) == path


def test_no_error_text_holds_a_password():
    content = {"handler": HANDLER, "source": ZIP | {"authorization": {"password": "hunter2", "x": "hunter2"}}}

    with pytest.raises(BadBody) as caught:
        check(TaskType.ESTIMATOR, content)

    assert "hunter2" not in caught.value.detail


def test_equal_entries_of_a_markup_collapse():
    markup = check(TaskType.ROC, FULL[TaskType.ROC])["markup"]

    assert unique_entries(markup) == [("face_id", ID, 12), ("face_id", OTHER_ID, -1)]


@pytest.fixture
def every_worker(monkeypatch):
    monkeypatch.setattr(dispatch, "QUEUE_OF_TYPE", {})
    from tasks_app.contents import availability

    monkeypatch.setattr(availability, "QUEUE_OF_TYPE", dict.fromkeys(TaskType, "x"))


@pytest.mark.usefixtures("every_worker")
@pytest.mark.parametrize(
    ("task_type", "content"),
    [
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "s3", "bucket": "x"}}),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "ftp", "host": "x"}}),
        (TaskType.ESTIMATOR, {"handler": HANDLER, "source": {"source_type": "samba", "host": "x", "share": "y"}}),
        (
            TaskType.ADDITIONAL_EXTRACT,
            {
                "extraction_target": "face_descriptor",
                "options": {"descriptor_version": 59},
                "filters": {"objects_type": "faces"},
            },
        ),
        (TaskType.ADDITIONAL_EXTRACT, {"extraction_target": "body_descriptor", "filters": {"objects_type": "events"}}),
    ],
)
def test_what_no_installation_offers_is_not_available(task_type, content):
    with pytest.raises(NotAvailable):
        check_content(task_type, content, account_id=ACCOUNT, now=NOW)


@pytest.mark.usefixtures("every_worker")
def test_events_are_not_available_without_their_service(monkeypatch, settings):
    from lunatasks.luna_services import registry

    def absent():
        raise ImportError

    monkeypatch.setattr(registry, "events", absent)
    for task_type, content in [
        (TaskType.CLUSTERING, {"objects_type": "events"}),
        (TaskType.LINKER, {"create_list": 1, "objects_type": "events"}),
        (TaskType.GC, {"target": "events"}),
        (TaskType.GC, {"target": "body_descriptors", "filters": {"descriptor_version": 1}}),
        (TaskType.EXPORTER, {"objects_type": "events"}),
        (TaskType.CROSS_MATCH, {"filters": {"reference_type": "faces", "candidate_type": "events"}}),
        (TaskType.ROC, {"markup": [{"event_id": ID, "label": 0}, {"event_id": OTHER_ID, "label": 1}]}),
        (TaskType.ADDITIONAL_EXTRACT, {"extraction_target": "basic_attributes", "filters": {"objects_type": "events"}}),
    ]:
        with pytest.raises(NotAvailable, match="events"):
            check_content(task_type, content, account_id=ACCOUNT, now=NOW)


def test_a_type_without_a_queue_is_not_available_after_its_shape_is_checked(monkeypatch):
    from tasks_app.contents import availability

    monkeypatch.setattr(availability, "QUEUE_OF_TYPE", {})
    for task_type, content in SMALL.items():
        with pytest.raises(NotAvailable):
            check_content(task_type, content, account_id=ACCOUNT, now=NOW)
        with pytest.raises(BadBody):
            check_content(task_type, {}, account_id=ACCOUNT, now=NOW)


@pytest.mark.usefixtures("every_worker")
@pytest.mark.parametrize("password", ["hunter2", 123456, ""])
def test_a_password_is_taken_out_of_the_content(password):
    content = {"handler": {"policies": {}}, "source": ZIP | {"authorization": {"password": password}}}

    checked = check_content(TaskType.ESTIMATOR, content, account_id=ACCOUNT, now=NOW)

    assert checked.secrets == {"source.authorization.password": password}
    assert checked.members["source"]["authorization"] == {"password": "********"}


def test_moments_are_kept_as_sent():
    assert check(TaskType.GC, {"target": "faces", "filters": {"create_time__lt": MOMENT}})["filters"] == {
        "create_time__lt": MOMENT
    }
