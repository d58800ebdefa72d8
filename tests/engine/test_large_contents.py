"""A content may have megabytes: nobody reads it who does not work on it."""

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from tasks_app import services, transitions
from tasks_app.states import Status, Step
from tasks_app.transitions import PartFence
from workers import rescue

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT = '"tasks_app_task"."content"'
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
def statements(monkeypatch, sent):
    """What a call asks the database; no queue holds anything."""
    monkeypatch.setattr(rescue.dispatch, "waiting_names", lambda name: set())

    def statements_of(call):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            call()
        return [query["sql"] for query in captured]

    return statements_of


def test_rescue_of_lost_messages_and_leases_reads_no_content(make_task, make_subtask, statements, sent):
    make_task(dispatched_at=LONG_AGO)
    make_task(task_status=Status.IN_PROGRESS, step=Step.SPLIT, lease_until=LONG_AGO)
    make_subtask(dispatched_at=LONG_AGO)
    make_subtask(subtask_status=Status.IN_PROGRESS, lease_until=LONG_AGO)

    found = statements(rescue.rescue_once)

    assert len(sent) == 4
    assert not [sql for sql in found if CONTENT in sql]


def test_the_end_of_the_last_part_reads_no_content(make_task, make_subtask, statements, sent):
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS, last_phase=True, count_task_parts_all=1)
    part = make_subtask(task, subtask_status=Status.IN_PROGRESS, lease_until=Now())
    fence = PartFence(part.task_id, part.pk, part.run, part.attempt)

    found = statements(lambda: transitions.finish_part(fence, None))

    assert len(sent) == 1
    assert not [sql for sql in found if CONTENT in sql]


@pytest.mark.parametrize("call", [services.cancel_task, services.delete_task, services.get_task])
def test_what_clients_do_with_a_task_reads_no_content(make_task, statements, call):
    task = make_task()

    found = statements(lambda: call(task_id=task.pk))

    assert found
    assert not [sql for sql in found if CONTENT in sql]
