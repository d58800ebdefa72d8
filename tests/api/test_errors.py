"""Stored errors: lists, counts, one, and those of a task."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tasks_app import querysets
from tasks_app.states import TaskType
from tests.api.conftest import error_of

pytestmark = pytest.mark.django_db

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def listed(api, path="/tasks/errors", **query) -> list[int]:
    return [error["error_id"] for error in api.get(path, **query).json()["errors"]]


def test_an_error_is_shown_with_every_member(api, make_error, make_subtask):
    part = make_subtask()
    error = make_error(part.task, subtask=part, error_time=NOON)

    assert api.get(f"/tasks/errors/{error.pk}").json() == {
        "error_id": error.pk,
        "task_id": part.task_id,
        "subtask_id": part.pk,
        "error_code": 28010,
        "link": "/docs/dev/errors/28010.html",
        "description": "Objects not found",
        "detail": "Objects for clustering not found (empty set)",
        "additional_info": None,
        "error_time": "2024-05-06T12:00:00.000000Z",
    }


def test_each_filter_selects_in_list_and_count(api, make_task, make_error, other_account):
    first = make_error(make_task(), error_time=NOON, error_code=22004)
    second = make_error(make_task(task_type=TaskType.LINKER), error_time=NOON + timedelta(hours=1), status_code=500)
    third = make_error(make_task(account_id=other_account), error_time=NOON + timedelta(hours=2))
    selected = {
        ("task_ids", f"{first.task_id},{third.task_id},77777777"): [third.pk, first.pk],
        ("error_ids", f"{second.pk},{2**64}"): [second.pk],
        ("error_code", "22004"): [first.pk],
        ("error_code", "-5"): [],
        ("error_code", "9" * 5000): [],
        ("error_code", str(2**31)): [],
        ("task_type", "1"): [second.pk],
        ("account_id", str(other_account)): [third.pk],
        ("error_time__gte", "2024-05-06T13:00:00Z"): [third.pk, second.pk],
        ("error_time__lt", "2024-05-06T13:00:00Z"): [first.pk],
    }

    for (name, value), ids in selected.items():
        assert listed(api, **{name: value}) == ids, name
        assert api.get("/tasks/errors/count", **{name: value}).json() == {"count": len(ids)}, name
    assert listed(api, status_code=500) == [second.pk]
    assert api.get("/tasks/errors/count", status_code="x").json() == {"count": 3}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page_size", "1001"),
        ("task_ids", "0"),
        ("error_ids", ""),
        ("error_ids", "x"),
        ("error_code", "1.0"),
        ("error_code", ""),
        ("task_type", "10"),
        ("status_code", "399"),
        ("status_code", "600"),
        ("error_time__lt", "2024"),
        ("account_id", "x"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(api, name, value):
    response = api.get("/tasks/errors", **{name: value})

    assert error_of(response) == (400, 12012)
    assert f"'{name}'" in response.json()["detail"]


def test_errors_of_one_task_come_in_pages_and_are_counted(api, make_task, make_error):
    task = make_task()
    ids = [make_error(task, error_code=code, error_time=NOON).pk for code in (22004, 22004, 22018)][::-1]
    make_error()
    path = f"/tasks/{task.pk}/errors"

    assert listed(api, path) == ids
    assert listed(api, path, page=2, page_size=2) == ids[2:]
    assert listed(api, path, page=2**70) == []
    assert api.get(f"{path}/count").json() == {"count": 3}
    assert api.get(f"{path}/count", error_code=22018).json() == {"count": 1}
    assert api.get(f"{path}/count", error_time__lt="2024-05-06T12:00:00Z").json() == {"count": 0}
    assert error_of(api.get(f"{path}/count", error_time__gte="x")) == (400, 12012)
    assert error_of(api.get(path, page_size=0)) == (400, 12012)


@pytest.mark.parametrize("error_id", ["0", "77777777", str(2**63), "9" * 5000])
def test_an_id_that_no_error_has_is_not_found(api, error_id):
    assert error_of(api.get(f"/tasks/errors/{error_id}")) == (404, 28003)


def test_a_list_costs_one_query(api, make_error, django_assert_num_queries):
    for _ in range(5):
        make_error()

    with django_assert_num_queries(1):
        assert len(listed(api)) == 5


def test_lists_by_filters_and_deep_pages_have_their_number_of_queries(
    api, make_error, account, monkeypatch, django_assert_num_queries
):
    error = make_error(error_time=NOON)
    ranges = connection.vendor == "postgresql"  # become ranges of ids there, by one look at an index
    hour = {"error_time__gte": "2024-05-06T12:00:00Z", "error_time__lt": "2024-05-06T13:00:00Z"}
    for filters, queries in [
        ({"error_code": 28010}, 1),
        ({"account_id": str(account)}, 1),
        ({"account_id": str(account), "error_code": 28010}, 2),  # ids from an index alone, then the rows
        (hour, 2 + ranges),
        (hour | {"account_id": str(account)}, 2 + ranges),
        ({"task_ids": str(error.task_id)}, 2 + ranges),  # of lists PostgreSQL is asked how many it expects
    ]:
        with django_assert_num_queries(queries):
            assert api.get("/tasks/errors", **filters).status_code == 200
    monkeypatch.setattr(querysets, "NEAR", -1)
    with django_assert_num_queries(2):
        assert listed(api) == [error.pk]
    with django_assert_num_queries(1):
        assert listed(api, page=7) == []


@pytest.mark.parametrize("code", [2**31, -(2**70), 10**29])
@pytest.mark.parametrize("page", [1, 100_000])
def test_a_code_that_no_error_can_have_matches_nothing(api, make_error, code, page):
    make_error()

    for moment in ({}, {"error_time__lt": "2999-01-01T00:00:00Z"}, {"error_time__gte": "2999-01-01T00:00:00Z"}):
        assert api.get("/tasks/errors", error_code=code, page=page, **moment).json() == {"errors": []}
        assert api.get("/tasks/errors/count", error_code=code, **moment).json() == {"count": 0}
