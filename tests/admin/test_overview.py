"""The start page."""

from datetime import timedelta

import pytest
from django.utils import timezone
from redis import ConnectionError as QueueDown

from lunatasks.admin_site import overview
from tasks_app import dispatch
from tasks_app.states import Status, Step


class FakeQueue:
    count = 3
    connection = None


@pytest.fixture
def queue_up(monkeypatch):
    monkeypatch.setattr(dispatch, "queue", lambda name: FakeQueue())
    monkeypatch.setattr(overview.Worker, "all", lambda connection: [object()] * 2)


@pytest.fixture
def queue_down(monkeypatch):
    def fail(name):
        raise QueueDown

    monkeypatch.setattr(dispatch, "queue", fail)


def start_page(client) -> str:
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_counts_tasks_by_status_and_names_active_and_failed_ones(analyst, queue_up, make_task, make_error):
    running = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
    failed = make_error(detail="No object matches").task
    done = make_task(task_status=Status.DONE)

    page = start_page(analyst)

    assert f"#{running.pk}<" in page
    assert f"#{failed.pk}<" in page
    assert "No object matches" in page
    assert f"#{done.pk}<" not in page


def test_it_tells_of_queue_and_workers(analyst, queue_up):
    page = start_page(analyst)

    assert "2 signed on, 0 busy with parts" in page
    assert "control 3" in page


def test_a_queue_that_is_down_is_told_and_breaks_nothing(analyst, queue_down):
    assert "does not answer" in start_page(analyst)


def test_claims_that_ran_out_are_told(analyst, queue_down, make_subtask):
    past = timezone.now() - timedelta(minutes=1)
    make_subtask(subtask_status=Status.IN_PROGRESS, lease_until=past)

    assert "if this stays above zero, rescue does not run" in start_page(analyst)


def test_its_queries_do_not_grow_with_the_tasks(
    admin, queue_up, make_task, make_subtask, make_error, django_assert_num_queries
):
    for _ in range(12):
        make_subtask(subtask_status=Status.IN_PROGRESS)
        make_error()

    with django_assert_num_queries(16):
        start_page(admin)


def test_the_refreshed_part_holds_what_the_page_holds(analyst, queue_up, make_task):
    task = make_task()

    answer = analyst.get("/admin/live/")

    assert f"#{task.pk}<" in answer.content.decode()
    assert b"<html" not in answer.content
