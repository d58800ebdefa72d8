"""A range of time becomes bounds of the id that lose no row."""

from datetime import timedelta
from random import Random

import pytest
from django.db import connection
from django.utils import timezone

from errors_app.models import TaskError
from tasks_app import blocks, querysets
from tasks_app.models import BLOCK, Task
from tasks_app.states import Status

pytestmark = pytest.mark.django_db

postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite reads by time or by id")
NOW = timezone.now()


def hours(number: int):
    return NOW + timedelta(hours=number)


@pytest.fixture
def tasks(make_task):
    """In no order of time at all; every third has not ended; a gap of several blocks."""
    random = Random(7)
    made = [
        make_task(
            create_time=hours(random.randrange(20)),
            task_status=Status.DONE if number % 3 else Status.PENDING,
            end_time=hours(random.randrange(20)) if number % 3 else None,
        )
        for number in range(40)
    ]
    Task.objects.filter(pk__in=[task.pk for task in made[15:27]]).delete()
    return made


@pytest.mark.parametrize("block", [1, 3, 10, BLOCK])
@pytest.mark.parametrize("column", ["create_time", "end_time"])
def test_every_page_of_a_range_of_time_is_the_slice_of_the_whole_list(tasks, monkeypatch, block, column):
    monkeypatch.setattr(blocks, "BLOCK", block)
    for low in range(-1, 21, 2):
        for high in (None, *range(-1, 22, 3)):
            lookups = {f"{column}__gte": hours(low)} | ({} if high is None else {f"{column}__lt": hours(high)})
            for asked in (lookups, lookups | {"end_time__lt": hours(15)}, dict([lookups.popitem()])):
                whole = list(Task.objects.filter(**asked).order_by("-id").values("id"))
                for offset in (0, 7):
                    found = querysets.page_of(Task, ("id",), asked, offset=offset, size=5)
                    assert found == whole[offset : offset + 5], asked


@postgresql
def test_the_bounds_are_those_of_the_blocks_that_have_rows(make_task, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    ids = [make_task(create_time=hours(number)).pk for number in range(12)]

    lookups = {"create_time__gte": hours(4), "create_time__lt": hours(7)}
    bounded = blocks.narrowed(Task, lookups)

    first, last = ids[4] // 2, ids[6] // 2
    assert bounded == lookups | {"id__gte": first * 2, "id__lt": last * 2 + 2}
    assert blocks.narrowed(Task, {"create_time__lt": hours(0)}) is None
    assert blocks.narrowed(Task, {"task_type": 1}) == {"task_type": 1}


@postgresql
@pytest.mark.parametrize(("model", "column"), [(Task, "create_time"), (Task, "end_time"), (TaskError, "error_time")])
def test_a_block_is_judged_by_an_index(model, column, django_assert_num_queries):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    with django_assert_num_queries(1) as queries:
        blocks.narrowed(model, {f"{column}__lt": NOW})

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries.captured_queries[0]['sql']}")
        conditions = [line for (line,) in cursor.fetchall() if "Index Cond" in line]
    assert any(f"(id / {BLOCK}) = block.block" in line for line in conditions)
