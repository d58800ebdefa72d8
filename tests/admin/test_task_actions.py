"""Cancel, rerun and delete: confirmed, logged, and honest about lost races."""

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.messages import get_messages

from tasks_app import services
from tasks_app.models import Task
from tasks_app.states import Status

LIST = "/admin/tasks_app/task/"


def told(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def confirm(client, verb: str, *tasks: Task, query: str = ""):
    form = {"action": f"{verb}_tasks", "_selected_action": [task.pk for task in tasks], "confirmed": "yes"}
    return client.post(LIST + query, form)


def ask(client, verb: str, *tasks: Task, **more):
    form = {"action": f"{verb}_tasks", "_selected_action": [task.pk for task in tasks], "index": "0"}
    return client.post(LIST, form | more)


@pytest.mark.parametrize(
    ("verb", "status"), [("cancel", Status.IN_PROGRESS), ("rerun", Status.FAILED), ("delete", Status.DONE)]
)
def test_a_list_action_asks_first_and_changes_nothing(admin, make_task, sent, verb, status):
    task = make_task(task_status=status, description="the one in question")

    answer = ask(admin, verb, task)

    assert b"the one in question" in answer.content
    assert b'name="confirmed"' in answer.content
    task.refresh_from_db()
    assert (task.task_status, task.run) == (status, 1)
    assert not LogEntry.objects.exists()


def test_confirmed_cancels_are_counted_and_logged(admin, make_task, sent):
    tasks = [make_task(), make_task(task_status=Status.IN_PROGRESS), make_task(task_status=Status.COLLECT_RESULTS)]

    answer = confirm(admin, "cancel", *tasks)

    assert told(answer) == ["3 tasks cancelled."]
    assert set(Task.objects.values_list("task_status", flat=True)) == {Status.CANCELLED}
    entries = LogEntry.objects.filter(action_flag=CHANGE, change_message="Cancelled.")
    assert {entry.object_id for entry in entries} == {str(task.pk) for task in tasks}


def test_confirmed_reruns_start_a_new_run_with_a_request_id(admin, make_task, sent):
    task = make_task(task_status=Status.FAILED)

    answer = confirm(admin, "rerun", task)

    assert told(answer) == ["1 task started again."]
    task.refresh_from_db()
    assert (task.task_status, task.run) == (Status.PENDING, 2)
    assert len(task.request_id) == 47


def test_a_confirmed_delete_removes_row_and_files_and_leaves_a_log_entry(admin, finished_task):
    from django.core.files.storage import storages

    task = finished_task([["a"]])

    answer = confirm(admin, "delete", task)

    assert told(answer) == ["1 task deleted."]
    assert not Task.objects.exists()
    assert not storages["results"].exists(task.result_path)
    assert LogEntry.objects.get().action_flag == DELETION
    assert LogEntry.objects.get().object_id == str(task.pk)


def test_a_task_that_ended_before_the_confirmation_is_told_of_and_not_logged(admin, make_task, sent):
    ended, active = make_task(task_status=Status.DONE), make_task()

    answer = confirm(admin, "cancel", ended, active)

    assert told(answer) == ["1 task cancelled.", f"Task '{ended.pk}' with status 5 cannot be canceled"]
    assert LogEntry.objects.get().object_id == str(active.pk)


def test_a_task_that_left_the_filter_meanwhile_is_told_of(admin, make_task):
    ended = make_task(task_status=Status.DONE)

    answer = confirm(admin, "cancel", ended, query="?task_status__exact=1")

    assert told(answer) == [f"Task '{ended.pk}' with status 5 cannot be canceled"]


def test_a_task_that_was_deleted_meanwhile_is_told_of(admin, make_task):
    task = make_task(task_status=Status.FAILED)
    services.delete_task(task_id=task.pk)

    answer = confirm(admin, "rerun", task)

    assert told(answer) == [f"Task with id '{task.pk}' not found"]


def test_many_refusals_are_summed_up(admin, make_task):
    tasks = [make_task(task_status=Status.DONE) for _ in range(8)]

    messages = told(confirm(admin, "cancel", *tasks))

    assert len(messages) == 6
    assert messages[-1] == "3 more tasks refused."


def test_nonsense_in_a_confirmation_is_a_bad_request(admin, make_task, sent):
    task = make_task()
    form = {"action": "cancel_tasks", "_selected_action": ["x", "9" * 30, task.pk], "confirmed": "yes"}

    assert admin.post(LIST, form).status_code == 400
    task.refresh_from_db()
    assert task.task_status == Status.PENDING


def test_the_question_says_how_many_cannot_succeed(admin, make_task):
    answer = ask(admin, "cancel", make_task(), make_task(task_status=Status.DONE))

    assert b"1 of 2 cannot be cancelled" in answer.content


def test_more_tasks_than_allowed_are_refused_as_a_whole(admin, make_task, monkeypatch, sent):
    monkeypatch.setattr("lunatasks.admin_site.task_actions.MOST_AT_ONCE", 2)
    tasks = [make_task() for _ in range(3)]

    answer = ask(admin, "cancel", *tasks)

    assert told(answer) == ["At most 2 tasks at once; nothing was done."]
    assert set(Task.objects.values_list("task_status", flat=True)) == {Status.PENDING}


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        (Status.PENDING, {"cancel", "delete"}),
        (Status.IN_PROGRESS, {"cancel", "delete"}),
        (Status.COLLECT_RESULTS, {"cancel", "delete"}),
        (Status.CANCELLED, {"rerun", "delete"}),
        (Status.FAILED, {"rerun", "delete"}),
        (Status.DONE, {"rerun", "delete"}),
    ],
)
def test_the_page_of_a_task_offers_what_its_status_allows(admin, make_task, status, buttons):
    task = make_task(task_status=status)

    page = admin.get(f"{LIST}{task.pk}/change/").content.decode()

    assert {verb for verb in ("cancel", "rerun", "delete") if f"/{verb}/confirm/" in page} == buttons


def test_the_button_asks_and_its_confirmation_acts(admin, make_task, sent):
    task = make_task()
    address = f"{LIST}{task.pk}/cancel/confirm/"

    asked = admin.get(address)
    task.refresh_from_db()
    assert (asked.status_code, task.task_status) == (200, Status.PENDING)
    done = admin.post(address)

    assert told(done) == ["1 task cancelled."]
    assert done.url == f"{LIST}{task.pk}/change/"
    assert LogEntry.objects.get().change_message == "Cancelled."


def test_the_button_of_a_task_that_ended_meanwhile_says_so(admin, make_task):
    task = make_task(task_status=Status.DONE)

    done = admin.post(f"{LIST}{task.pk}/cancel/confirm/")

    assert told(done) == [f"Task '{task.pk}' with status 5 cannot be canceled"]
    assert not LogEntry.objects.exists()


def test_after_a_delete_the_list_follows(admin, make_task):
    task = make_task(task_status=Status.FAILED)

    assert admin.post(f"{LIST}{task.pk}/delete/confirm/").url == LIST


@pytest.mark.parametrize("verb", ["change", "drop", "view"])
def test_other_verbs_do_not_exist(admin, make_task, verb):
    assert admin.post(f"{LIST}{make_task().pk}/{verb}/confirm/").status_code == 404


def test_a_confirmation_without_a_csrf_token_is_refused(staff, make_task):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    task = make_task()

    assert client.post(f"{LIST}{task.pk}/cancel/confirm/").status_code == 403
