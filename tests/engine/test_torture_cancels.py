"""Cancels against the end of the same task, each judged by a model of what may come of it.

`make torture-long` runs ten thousand of them (TEST_CANCEL_RACES).
"""

import os
import threading

import pytest
from django.db import connection
from django.db.models import Count
from django.db.models.functions import Now

from errors_app.models import TaskError
from lunatasks import errors
from tasks_app import transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import Status, Step, TaskType
from tasks_app.transitions import Artefact, FenceLost, PartFence, TaskFence
from tests.conftest import ACCOUNT

pytestmark = pytest.mark.django_db(transaction=True)
RACES = int(os.environ.get("TEST_CANCEL_RACES", "400"))
BATCH = 100
ARTEFACT = Artefact("tasks/1/1/0-result-1.json", 2, "0" * 64)


def merging_tasks() -> list[tuple[int, TaskFence]]:
    rows = Task.objects.bulk_create(
        Task(account_id=ACCOUNT, task_type=TaskType.CLUSTERING, content={}, task_status=Status.COLLECT_RESULTS,
             step=Step.MERGE, attempt=1)
        for _ in range(BATCH)
    )  # fmt: skip
    Task.objects.update(lease_until=Now())
    return [(row.pk, TaskFence(row.pk, 1, Step.MERGE, 0, 1)) for row in rows]


def tasks_with_a_last_part() -> list[tuple[int, PartFence]]:
    rows = Task.objects.bulk_create(
        Task(account_id=ACCOUNT, task_type=TaskType.CLUSTERING, content={}, task_status=Status.IN_PROGRESS,
             step=Step.PARTS, planned_phases=1, last_phase=True, count_task_parts_all=1)
        for _ in range(BATCH)
    )  # fmt: skip
    parts = Subtask.objects.bulk_create(
        Subtask(task=row, run=1, phase=0, number=0, content={}, attempt=1, subtask_status=Status.IN_PROGRESS)
        for row in rows
    )
    return [(part.task_id, PartFence(part.task_id, part.pk, 1, 1)) for part in parts]


def race(items, end):
    """By task, whether the end and the cancel succeeded, run side by side on two connections."""
    outcomes = {task_id: {} for task_id, _ in items}
    barrier = threading.Barrier(2)

    def run(name, act, lost):
        try:
            for number, (task_id, fence) in enumerate(items):
                if number % 10 == 0:
                    barrier.wait(30)  # neither gets far ahead of the other
                try:
                    act(task_id, fence)
                    outcomes[task_id][name] = True
                except lost:
                    outcomes[task_id][name] = False
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=("ended", lambda task_id, fence: end(fence), FenceLost)),
        threading.Thread(
            target=run, args=("cancelled", lambda task_id, fence: transitions.cancel(task_id), errors.NotCancellable)
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def cancel_errors() -> set[int]:
    rows = TaskError.objects.filter(error_code=28025).values("task_id").annotate(count=Count("id"))
    assert all(row["count"] == 1 for row in rows)
    return {row["task_id"] for row in rows}


def test_a_cancel_against_the_end_of_the_merge_has_exactly_one_winner(transactional_db, sent):
    ended = 0
    for _ in range(RACES // 2 // BATCH):
        outcomes = race(merging_tasks(), lambda fence: transitions.finish_task(fence, ARTEFACT))

        statuses = dict(Task.objects.values_list("pk", "task_status"))
        for task_id, outcome in outcomes.items():
            assert outcome["ended"] != outcome["cancelled"]
            assert statuses[task_id] == (Status.DONE if outcome["ended"] else Status.CANCELLED)
        assert cancel_errors() == {task_id for task_id, outcome in outcomes.items() if outcome["cancelled"]}
        assert not Task.objects.filter(task_status=Status.CANCELLED).exclude(result_path="").exists()
        ended += sum(outcome["ended"] for outcome in outcomes.values())
        Task.objects.all().delete()
    assert 0 < ended < RACES // 2  # both won at times: it was a race


def test_a_cancel_against_the_end_of_the_last_part_ends_the_task_once(transactional_db, sent):
    ended = 0
    for _ in range(RACES // 2 // BATCH):
        outcomes = race(tasks_with_a_last_part(), lambda fence: transitions.finish_part(fence, None))

        parts = dict(Subtask.objects.values_list("task_id", "subtask_status"))
        for task_id, outcome in outcomes.items():
            assert outcome["cancelled"]  # of a task that still has its merge to come
            assert parts[task_id] == (Status.DONE if outcome["ended"] else Status.CANCELLED)
        assert set(Task.objects.values_list("task_status", flat=True)) == {Status.CANCELLED}
        assert {message.arguments["task_id"] for message in sent} == {
            task_id for task_id, outcome in outcomes.items() if outcome["ended"]
        }
        ended += sum(outcome["ended"] for outcome in outcomes.values())
        sent.clear()
        Task.objects.all().delete()
    assert 0 < ended < RACES // 2
