"""manage.py canceltask: active tasks end, the others are named."""

import io

import pytest
from django.core.management import CommandError, call_command

from tasks_app.states import Status

pytestmark = pytest.mark.django_db(transaction=True)


def cancel(*arguments):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("canceltask", *map(str, arguments), stdout=out, stderr=err)
    finally:
        cancel.err = err.getvalue()
    return out.getvalue()


def test_active_tasks_are_cancelled(make_task, make_subtask):
    pending, running = make_task(), make_subtask().task

    assert cancel(pending.pk, running.pk) == f"task {pending.pk} cancelled\ntask {running.pk} cancelled\n"

    for task in (pending, running):
        task.refresh_from_db()
        assert task.task_status == Status.CANCELLED
    assert running.subtasks.get().subtask_status == Status.CANCELLED


def test_what_cannot_be_cancelled_is_named_and_the_others_are(make_task, finished_task):
    done, pending = finished_task(), make_task()

    with pytest.raises(CommandError, match="2 of 3 tasks were not cancelled"):
        cancel(done.pk, 10**12, pending.pk)

    pending.refresh_from_db()
    assert pending.task_status == Status.CANCELLED
    assert [line[:5] for line in cancel.err.splitlines()] == ["28019", "28001"]


def test_a_task_of_another_account_is_not_found(make_task, other_account):
    task = make_task()

    with pytest.raises(CommandError):
        cancel(task.pk, "--account", other_account)

    task.refresh_from_db()
    assert task.task_status == Status.PENDING


def test_without_an_id_nothing_happens():
    with pytest.raises(CommandError):
        cancel()
