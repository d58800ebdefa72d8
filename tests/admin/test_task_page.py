"""The page of a task."""

from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from tasks_app.states import Status, Step, TaskType


def page_of(client, task, **query) -> str:
    answer = client.get(f"/admin/tasks_app/task/{task.pk}/change/", query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("kind", TaskType)
def test_the_page_shows_every_type_in_every_status(admin, make_task, make_subtask, make_error, status, kind):
    task = make_task(task_status=status, task_type=kind)
    make_error(task)

    assert Status(status).label in page_of(admin, task)


@pytest.mark.parametrize("step", Step)
def test_the_page_says_what_an_active_task_does_in_every_step(admin, make_task, step):
    task = make_task(task_status=Status.IN_PROGRESS, step=step)

    assert f"{Step(step).label}, phase 0" in page_of(admin, task)


def test_a_running_task_tells_rate_and_remaining_time(admin, make_task, make_subtask):
    now = timezone.now()
    begin = now - timedelta(seconds=100)
    task = make_task(
        task_status=Status.IN_PROGRESS, step=Step.PARTS, start_time=begin,
        count_task_parts_all=40, count_task_parts_done=20,
    )  # fmt: skip
    for _ in range(20):
        make_subtask(task, subtask_status=Status.DONE, start_time=begin, end_time=now)

    page = page_of(admin, task)

    assert "12.0 parts/min" in page
    assert "about 1 min 40 s left" in page


def test_a_rerun_does_not_count_parts_of_earlier_runs_as_its_own_speed(admin, make_task, make_subtask):
    now = timezone.now()
    task = make_task(
        task_status=Status.IN_PROGRESS, step=Step.PARTS, run=2, start_time=now - timedelta(seconds=60),
        count_task_parts_all=12, count_task_parts_done=11,
    )  # fmt: skip
    for _ in range(10):
        make_subtask(task, subtask_status=Status.DONE, start_time=now - timedelta(days=1), run=1)
    make_subtask(task, subtask_status=Status.DONE, start_time=now - timedelta(seconds=60))

    assert "1.0 parts/min" in page_of(admin, task)


def test_an_active_page_refreshes_itself_and_an_ended_one_does_not(admin, make_task):
    assert "data-live=" in page_of(admin, make_task())
    assert "data-live=" not in page_of(admin, make_task(task_status=Status.DONE))


def test_the_refreshed_part_marks_itself_while_the_task_is_active(admin, make_task):
    active, ended = make_task(), make_task(task_status=Status.FAILED)

    assert b"data-active" in admin.get(f"/admin/tasks_app/task/{active.pk}/live/").content
    assert b"data-active" not in admin.get(f"/admin/tasks_app/task/{ended.pk}/live/").content


def test_secrets_of_the_content_are_masked(admin, make_task):
    content = {
        "source": {"authorization": {"password": "hunter2", "user": "ann", "secret_key": {"inner": "hunter2"}}},
        "list": [{"token": "hunter2"}],
    }

    page = page_of(admin, make_task(content=content))

    assert "hunter2" not in page
    assert "ann" in page


def test_a_large_content_is_cut(admin, make_task):
    task = make_task(content={"filters": {"face_ids": ["0" * 36] * 1000}, **{f"m{n}": n for n in range(200)}})

    page = page_of(admin, task)

    assert "cut here" in page
    assert "more members" in page
    assert len(page) < 100_000


def test_of_many_parts_and_errors_only_some_are_shown_with_the_whole_number(admin, make_task, make_subtask, make_error):
    task = make_task(task_status=Status.FAILED)
    for _ in range(30):
        make_subtask(task, subtask_status=Status.FAILED)
        make_error(task)

    page = page_of(admin, task)

    assert "Showing 20 of 30; all parts of this task" in page
    assert "Showing 10 of 30; all errors of this task" in page


def test_running_and_failed_parts_come_before_done_ones(admin, make_task, make_subtask):
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
    for _ in range(25):
        make_subtask(task, subtask_status=Status.DONE)
    make_subtask(task, subtask_status=Status.IN_PROGRESS, worker="busy-worker", start_time=timezone.now())

    assert "busy-worker" in page_of(admin, task)


def test_errors_are_grouped_by_code(admin, make_task, make_error):
    task = make_task(task_status=Status.FAILED)
    make_error(task)
    for _ in range(3):
        make_error(task, error_code=22004, description="Faces not found")

    page = page_of(admin, task)

    assert f"?task={task.pk}&amp;error_code=22004" in page
    assert page.index("error_code=22004") < page.index("error_code=28010")


def test_the_page_needs_the_same_number_of_queries_whatever_it_shows(
    admin, make_task, make_subtask, make_error, django_assert_num_queries
):
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
    for _ in range(15):
        make_subtask(task, subtask_status=Status.IN_PROGRESS)
        make_error(task)

    with django_assert_num_queries(8):
        page_of(admin, task)


def test_a_task_that_does_not_exist_is_not_found(admin, db):
    assert admin.get("/admin/tasks_app/task/999999/change/").status_code == 404
    assert admin.get("/admin/tasks_app/task/999999/live/").status_code == 404
    assert admin.get("/admin/tasks_app/task/999999/result/").status_code == 404
    assert admin.get(f"/admin/tasks_app/task/{'9' * 30}/live/").status_code == 404


def test_the_result_is_downloaded_as_by_the_api(admin, finished_task):
    task = finished_task([["a", "b"]])

    answer = admin.get(f"/admin/tasks_app/task/{task.pk}/result/")

    assert orjson.loads(b"".join(answer.streaming_content)) == {"result": [["a", "b"]], "errors": []}
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.PENDING, Status.DONE])
def test_a_result_that_is_not_there_is_told_on_the_page(admin, make_task, status):
    task = make_task(task_status=status, result_path="tasks/0/1/gone.json")

    answer = admin.get(f"/admin/tasks_app/task/{task.pk}/result/", follow=True)

    assert answer.redirect_chain[-1][0] == f"/admin/tasks_app/task/{task.pk}/change/"
    assert b'class="error"' in answer.content
