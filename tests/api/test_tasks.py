"""Reading, cancelling and deleting tasks."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import storages

from tasks_app import querysets
from tasks_app.models import Task
from tasks_app.states import ACTIVE, TERMINAL, Status, TaskType
from tests.api.conftest import error_of

pytestmark = pytest.mark.django_db

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def listed(api, **query) -> list[int]:
    return [task["task_id"] for task in api.get("/tasks", **query).json()["tasks"]]


def test_a_task_is_shown_with_every_member(api, make_task, account):
    task = make_task(create_time=NOON, last_update_time=NOON, description="x", count_task_parts_all=3)

    assert api.get(f"/tasks/{task.pk}").json() == {
        "task_type": 2,
        "content": {"objects_type": "faces", "filters": {}},
        "task_id": task.pk,
        "create_time": "2024-05-06T12:00:00.000000Z",
        "end_time": None,
        "last_update_time": "2024-05-06T12:00:00.000000Z",
        "task_status": 0,
        "result_id": None,
        "account_id": str(account),
        "count_task_parts_done": 0,
        "count_task_parts_all": 3,
        "description": "x",
    }


def test_a_list_shows_the_same_tasks_newest_first_in_pages(api, make_task):
    tasks = [make_task().pk for _ in range(12)][::-1]

    assert listed(api) == tasks[:10]
    assert listed(api, page=2) == tasks[10:]
    assert listed(api, page=2, page_size=5) == tasks[5:10]
    assert listed(api, page=3) == []
    assert api.get("/tasks", page_size=1).json()["tasks"] == [api.get(f"/tasks/{tasks[0]}").json()]


@pytest.mark.parametrize("page", ["999999999999", str(2**63), "9" * 100, "9" * 5000])
def test_a_page_far_beyond_the_last_is_empty(api, make_task, page):
    make_task()

    assert listed(api, page=page, page_size=1000) == []


def test_a_list_costs_one_query(api, make_task, django_assert_num_queries):
    for _ in range(5):
        make_task()

    with django_assert_num_queries(1):
        assert len(listed(api)) == 5


def test_a_deep_page_costs_a_query_for_ids_and_one_for_rows(api, make_task, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(querysets, "NEAR", -1)
    tasks = [make_task().pk for _ in range(5)]

    with django_assert_num_queries(2):
        found = api.get("/tasks", page=2, page_size=2).json()["tasks"]

    assert [task["task_id"] for task in found] == tasks[2:0:-1]
    assert found[0]["content"] == {"objects_type": "faces", "filters": {}}


def test_one_task_its_parts_and_the_counts_have_their_number_of_queries(api, make_subtask, django_assert_num_queries):
    part = make_subtask()
    for path, queries in [
        (f"/tasks/{part.task_id}", 1),
        (f"/tasks/{part.task_id}/subtasks", 2),
        (f"/tasks/{part.task_id}/errors", 2),
        (f"/tasks/{part.task_id}/errors/count", 2),
        ("/tasks/count", 1),
        ("/tasks/errors/count", 1),
        ("/tasks/errors", 1),
    ]:
        with django_assert_num_queries(queries):
            assert api.get(path).status_code == 200


def test_each_filter_selects_in_list_and_count(api, make_task, account, other_account):
    first = make_task(create_time=NOON, task_type=TaskType.LINKER)
    second = make_task(create_time=NOON + timedelta(hours=1), task_status=Status.DONE, end_time=NOON)
    third = make_task(create_time=NOON + timedelta(hours=2), account_id=other_account)
    selected = {
        ("task_type", 1): [first.pk],
        ("task_type", 9): [],
        ("task_status", 5): [second.pk],
        ("account_id", str(other_account)): [third.pk],
        ("account_id", str(account).upper()): [second.pk, first.pk],
        ("task_ids", f"{third.pk},{first.pk},{2**63},77777777"): [third.pk, first.pk],
        ("task_ids", str(2**70)): [],
        ("create_time__gte", "2024-05-06T13:00:00Z"): [third.pk, second.pk],
        ("create_time__lt", "2024-05-06T13:00:00Z"): [first.pk],
        ("create_time__gte", "2024-05-06T16:00:00+03:00"): [third.pk, second.pk],
        ("create_time__gte", "2024-05-06T16:00:00 03:00"): [third.pk, second.pk],
        ("create_time__gte", "0001-01-01T00:00:00Z"): [third.pk, second.pk, first.pk],
        ("create_time__lt", "9999-12-31T23:59:59.999999Z"): [third.pk, second.pk, first.pk],
        ("end_time__gte", "2024-05-06T12:00:00Z"): [second.pk],
        ("end_time__lt", "2024-05-06T12:00:00Z"): [],
    }

    for (name, value), ids in selected.items():
        assert listed(api, **{name: value}) == ids, name
        assert api.get("/tasks/count", **{name: value}).json() == {"count": len(ids)}, name
    assert listed(api, result_id=str(second.result_id)) == [second.pk]
    assert listed(api, result_id=str(uuid4())) == []
    assert listed(api, create_time__gte="2024-05-06T14:00:00Z", create_time__lt="2024-05-06T12:00:00Z") == []
    assert listed(api, task_status=0, account_id=str(account)) == [first.pk]


BAD_PARAMETERS = [
    ("page", "0"),
    ("page", "-1"),
    ("page", "1.0"),
    ("page", "x"),
    ("page", ""),
    ("page", " 1"),
    ("page", "+1"),
    ("page", "\u0661"),
    ("page_size", "0"),
    ("page_size", "1001"),
    ("page_size", "9" * 5000),
    ("task_type", "10"),
    ("task_type", "-1"),
    ("task_type", "true"),
    ("task_status", "6"),
    ("task_status", ""),
    ("task_ids", ""),
    ("task_ids", "0"),
    ("task_ids", "-1"),
    ("task_ids", "1,,2"),
    ("task_ids", "1, 2"),
    ("task_ids", ",".join(["1"] * 1001)),
    ("account_id", "x"),
    ("account_id", ""),
    ("account_id", "{6d071cca-fda5-4a03-84d5-5bea65904480}"),
    ("account_id", "6d071ccafda54a0384d55bea65904480"),
    ("account_id", "6d071cca-fda5-4a03-84d5-5bea65904480\n"),
    ("create_time__gte", "2024-05-06"),
    ("create_time__lt", "2024-05-06T12:00:00"),
    ("end_time__gte", "\0"),
    ("end_time__lt", "9999-12-31T23:59:59-23:00"),
]


@pytest.mark.parametrize(("name", "value"), [*BAD_PARAMETERS, ("result_id", "x")])
def test_a_wrong_parameter_is_refused_by_name(api, name, value):
    response = api.get("/tasks", **{name: value})

    assert error_of(response) == (400, 12012)
    assert response.json()["detail"] == f"Bad query parameters '{name}'"


@pytest.mark.parametrize(("name", "value"), [pair for pair in BAD_PARAMETERS if "page" not in pair[0]])
def test_a_count_refuses_the_same_parameters(api, name, value):
    assert error_of(api.get("/tasks/count", **{name: value})) == (400, 12012)


def test_a_count_ignores_pages_and_result_id(api, make_task):
    make_task()

    assert api.get("/tasks/count", page="x", page_size=0, result_id="x").json() == {"count": 1}


def test_a_repeated_parameter_is_refused_and_an_unknown_one_ignored(api, make_task):
    make_task()

    assert error_of(api.client.get("/1/tasks?task_type=2&task_type=2")) == (400, 12012)
    assert api.client.get("/1/tasks?x=1&x=2&format=xml&%ff=%ff&;").status_code == 200
    assert api.client.get("/1/tasks", headers={"Accept": "image/png"}).status_code == 200


def test_thousands_of_parameters_are_refused(api):
    assert error_of(api.client.get("/1/tasks?" + "a=1&" * 5000)) == (400, 12012)


def test_a_charset_in_the_content_type_does_not_touch_the_query(api, make_task):
    make_task()

    response = api.client.generic("GET", "/1/tasks?task%5ftype=2", content_type="application/json; charset=hex")

    assert response.status_code == 200


@pytest.mark.parametrize("task_id", ["0", "77777777", str(2**63 - 1), str(2**63), "9" * 5000])
@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/result"),
        ("GET", "/subtasks"),
        ("GET", "/errors"),
        ("GET", "/errors/count"),
    ],
)
def test_an_id_that_no_task_has_is_not_found(api, method, tail, task_id):
    assert error_of(api.send(method, f"/tasks/{task_id}{tail}")) == (404, 28001)


@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_an_active_task_is_cancelled_once(api, make_task, status):
    task = make_task(task_status=status)

    first = api.send("PATCH", f"/tasks/{task.pk}")
    second = api.send("PATCH", f"/tasks/{task.pk}")

    task.refresh_from_db()
    assert (first.status_code, first.content) == (204, b"")
    assert task.task_status == Status.CANCELLED
    assert error_of(second) == (400, 28019)
    assert second.json()["detail"] == f"Task '{task.pk}' with status 2 cannot be canceled"


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_ended_task_cannot_be_cancelled(api, make_task, status):
    task = make_task(task_status=status)

    assert error_of(api.send("PATCH", f"/tasks/{task.pk}")) == (400, 28019)


def test_cancel_and_delete_ignore_body_and_content_type(api, make_task):
    task = make_task()
    path = f"/1/tasks/{task.pk}"

    assert api.client.generic("PATCH", path, b"{nonsense", content_type="text/plain").status_code == 204
    assert api.client.generic("DELETE", path, b"{nonsense", content_type="text/plain").status_code == 204


@pytest.mark.parametrize("status", sorted(Status))
def test_a_task_in_any_status_is_deleted_with_all_it_has(
    api, finished_task, make_task, make_subtask, make_error, status
):
    task = finished_task() if status == Status.DONE else make_task(task_status=status)
    make_error(task, subtask=make_subtask(task))

    response = api.send("DELETE", f"/tasks/{task.pk}")

    assert (response.status_code, response.content) == (204, b"")
    assert not Task.objects.exists()
    assert not task.result_path or not storages["results"].exists(task.result_path)
    assert error_of(api.send("DELETE", f"/tasks/{task.pk}")) == (404, 28001)


def test_subtasks_are_shown_by_id_with_their_content_as_text(api, make_task, make_subtask):
    task = make_task(task_status=Status.IN_PROGRESS)
    parts = [
        make_subtask(task, create_time=NOON, content={"rows": [0, 9]}),
        make_subtask(task, subtask_status=Status.DONE),
    ]
    make_subtask()

    shown = api.get(f"/tasks/{task.pk}/subtasks").json()["subtasks"]

    assert [part["subtask_id"] for part in shown] == [part.pk for part in parts]
    assert json.loads(shown[0].pop("content")) == {"rows": [0, 9]}
    assert shown[0] == {
        "subtask_id": parts[0].pk,
        "task_id": task.pk,
        "result_id": None,
        "create_time": "2024-05-06T12:00:00.000000Z",
        "end_time": None,
        "subtask_status": 0,
    }
    assert shown[1]["result_id"] == str(parts[1].result_id)


def test_behind_a_gateway_prefix_the_header_limits_reads(gateway, make_task, account, other_account):
    own, foreign = make_task(), make_task(account_id=other_account)
    header = {"Luna-Account-Id": str(account)}

    assert [task["task_id"] for task in gateway.get("/tasks", headers=header).json()["tasks"]] == [own.pk]
    assert error_of(gateway.get(f"/tasks/{foreign.pk}", headers=header)) == (404, 28001)
    assert error_of(gateway.send("DELETE", f"/tasks/{foreign.pk}", headers=header)) == (404, 28001)
    assert error_of(gateway.get("/tasks", headers={"Luna-Account-Id": "x"})) == (400, 12012)
    assert error_of(gateway.get("/tasks", headers=header, account_id=str(other_account))) == (400, 12012)
    assert gateway.get(f"/tasks/{foreign.pk}").status_code == 200


def test_without_a_gateway_prefix_the_header_is_ignored_on_reads(api, make_task, account, other_account):
    foreign = make_task(account_id=other_account)

    assert api.get(f"/tasks/{foreign.pk}", headers={"Luna-Account-Id": str(account)}).status_code == 200
    assert api.get("/tasks", headers={"Luna-Account-Id": "x"}).status_code == 200
