"""manage.py reruntask: ended tasks start again, the others are named."""

import io
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import NewFace
from tasks_app import services
from tasks_app.management import waiting
from tasks_app.models import Task
from tasks_app.states import Status, TaskType
from workers import jobs

pytestmark = pytest.mark.django_db(transaction=True)


def rerun(*arguments):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("reruntask", *map(str, arguments), stdout=out, stderr=err)
    finally:
        rerun.err = err.getvalue()
    return out.getvalue()


def test_failed_and_cancelled_and_done_tasks_start_again(make_task, sent):
    tasks = [make_task(task_status=status) for status in (Status.FAILED, Status.CANCELLED, Status.DONE)]

    out = rerun(*(task.pk for task in tasks), tasks[0].pk)

    assert out.splitlines() == [f"task {task.pk} starts again" for task in tasks]
    assert set(Task.objects.values_list("task_status", "run")) == {(Status.PENDING, 2)}
    assert len(sent) == 3


def test_what_cannot_start_again_is_named_and_the_others_do(make_task, sent):
    active, failed = make_task(), make_task(task_status=Status.FAILED)

    with pytest.raises(CommandError, match="2 of 3 tasks did not"):
        rerun(active.pk, failed.pk, 10**12)

    failed.refresh_from_db()
    assert failed.task_status == Status.PENDING
    assert rerun.err.splitlines() == [
        f"28114: Task '{active.pk}' with status 0 cannot be run again",
        "28001: Task with id '1000000000000' not found",
    ]


def test_a_task_of_another_account_is_not_found(make_task, other_account, sent):
    task = make_task(task_status=Status.FAILED)

    with pytest.raises(CommandError):
        rerun(task.pk, "--account", other_account)

    assert rerun.err.startswith("28001")


@pytest.mark.parametrize("bad", ["x", "-1", "1.0", "1" * 19, "\u0661"])
def test_what_is_no_id_is_refused(bad):
    with pytest.raises(CommandError):
        rerun("--", bad)


def test_waiting_shows_the_end(account, sent, monkeypatch):
    def work(seconds):
        while sent:
            message = sent.pop(0)
            getattr(jobs, message.entry)(**message.arguments)

    monkeypatch.setattr(waiting.time, "sleep", work)
    registry.faces().add_faces(account, [NewFace(uuid4())])
    task = services.create_task(account_id=account, task_type=TaskType.GC, content={"target": "faces"})
    services.cancel_task(task_id=task.pk)
    empty = services.create_task(account_id=account, task_type=TaskType.CLUSTERING, content={"objects_type": "faces"})
    services.cancel_task(task_id=empty.pk)

    with pytest.raises(CommandError, match="1 of 2"):
        rerun(task.pk, empty.pk, "--wait")

    task.refresh_from_db()
    assert task.task_status == Status.DONE
    assert f"task {empty.pk} failed: 28010" in rerun.err
