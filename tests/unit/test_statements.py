"""Statements that were composed once give what the ORM gives."""

from datetime import timedelta
from uuid import UUID

import orjson
import pytest
from django.utils import timezone

from errors_app.models import TaskError
from tasks_app import querysets, statements
from tasks_app.api.shapes import ERROR_COLUMNS, TASK_COLUMNS
from tasks_app.models import Task
from tasks_app.states import Status, TaskType

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks(make_task, account, other_account):
    now = timezone.now()
    return [
        make_task(
            account_id=other_account if number % 3 else account,
            task_type=TaskType.ROC if number % 2 else TaskType.LINKER,
            task_status=Status.DONE if number % 5 else Status.PENDING,
            create_time=now - timedelta(hours=number),
            content={"number": number, "text": "é🙂", "list": [None, True, 1.5]},
        )
        for number in range(20)
    ]


def by_orm(model, columns, lookups):
    return list(model.objects.filter(**lookups).order_by("-id").values(*columns))


def plain(rows):
    """Rows with their JSON read."""
    for row in rows:
        if "content" in row:
            row["content"] = orjson.loads(orjson.dumps(row["content"]))
    return rows


def test_every_combination_of_lookups_gives_what_the_orm_gives(tasks, account):
    moment = tasks[7].create_time
    one = {
        "account_id": account,
        "task_type": 1,
        "task_status": 5,
        "create_time__gte": moment,
        "create_time__lt": moment,
        "end_time__gte": moment,
        "result_id": tasks[4].result_id,
        "id": tasks[3].pk,
    }
    names = list(one)
    for mask in range(2 ** len(names)):
        lookups = {name: one[name] for bit, name in enumerate(names) if mask >> bit & 1}
        expected = by_orm(Task, TASK_COLUMNS, lookups)
        found = statements.newest(Task, TASK_COLUMNS, lookups, size=100)
        assert plain(found) == expected, lookups


def test_the_same_statement_serves_other_values(tasks, account, other_account):
    for account_id in (account, other_account, UUID(int=0)):
        found = statements.newest(Task, ("id",), {"account_id": account_id}, size=3, offset=1)
        assert found == by_orm(Task, ("id",), {"account_id": account_id})[1:4]


def test_errors_are_found_by_their_task(make_error):
    error = make_error()
    make_error()

    found = statements.newest(TaskError, ERROR_COLUMNS, {"task_id": error.task_id, "error_code": 28010}, size=5)

    assert found == by_orm(TaskError, ERROR_COLUMNS, {"pk": error.pk})


@pytest.mark.parametrize("lookups", [{"id__in": [1]}, {"error_code": 2**31}, {"error_code": -(2**70)}])
def test_lists_and_huge_numbers_are_left_to_the_orm(lookups):
    assert not statements.is_plain(lookups)


@pytest.mark.parametrize("deep", [0, 10**9])
@pytest.mark.parametrize("near", [-1, 200])
def test_every_page_is_the_slice_of_the_whole_list(tasks, account, monkeypatch, deep, near):
    monkeypatch.setattr(querysets, "DEEP", deep)
    monkeypatch.setattr(querysets, "NEAR", near)
    moment = tasks[10].create_time
    for lookups in (
        {},
        {"account_id": account},
        {"create_time__lt": moment},
        {"create_time__gte": moment, "create_time__lt": tasks[2].create_time},
        {"id__in": [task.pk for task in tasks[::3]]},
        {"account_id": account, "task_type": 99},
    ):
        whole = by_orm(Task, ("id", "account_id"), lookups)
        for offset in range(23):
            for size in (1, 3, 1000):
                found = querysets.page_of(Task, ("id", "account_id"), lookups, offset=offset, size=size)
                assert found == whole[offset : offset + size], (lookups, offset, size)


@pytest.mark.parametrize("expected", [0, 1, 7, 15, 20, 1000])
def test_a_page_looked_for_from_a_pivot_is_the_slice_of_the_whole_list(tasks, account, expected):
    tasks[4].delete()
    for rows in (Task.objects.all(), Task.objects.filter(account_id=account), Task.objects.none()):
        whole = [task.pk for task in rows.order_by("-id")]
        for offset in range(22):
            for size in (1, 3, 1000):
                found = querysets.ids_from_pivot(rows, expected=expected, offset=offset, size=size)
                assert found == whole[offset : offset + size], (offset, size)
