"""Lists: what they show, what they cost, what nonsense does to them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lunatasks.admin_site import readonly
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import NewHandler
from tasks_app.states import Status, Step, TaskType

LISTS = [
    "tasks_app/task", "tasks_app/subtask", "errors_app/taskerror", "embedded/face", "embedded/facelist",
    "embedded/event", "embedded/handler",
]  # fmt: skip
NONSENSE = [
    "nonsense",
    "\0",
    "9" * 40,
    "-1",
    "1e9",
    "'; DROP TABLE",
    "%",
    "\uff10\uff17",
    "6d071cca",
    "<script>",
    " ",
    "\ud7ff",
]


@pytest.fixture
def everything(make_task, make_subtask, make_error, make_face, make_event, account):
    """One row of each list at least."""
    make_error(make_task(task_status=Status.FAILED), additional_info="<script>")
    make_subtask(subtask_status=Status.IN_PROGRESS, progress_done=1, progress_all=2, start_time=timezone.now())
    registry.faces().ensure_list(account, account, user_data="a list")
    registry.faces().link_faces(account, account, [make_face(external_id="somebody")])
    make_event(external_id="somebody", tags=("vip",), source="gate")
    registry.handlers().add_handler(account, NewHandler(policies={}, description="a handler"))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("term", NONSENSE)
def test_a_nonsense_search_finds_nothing_or_something_but_never_fails(admin, everything, name, term):
    assert admin.get(f"/admin/{name}/", {"q": term}).status_code == 200


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("tasks_app/task", "account_id"),
        ("tasks_app/task", "task_type__exact"),
        ("tasks_app/task", "create_time__gte"),
        ("tasks_app/task", "p"),
        ("tasks_app/task", "o"),
        ("tasks_app/task", "unknown"),
        ("tasks_app/subtask", "task"),
        ("errors_app/taskerror", "error_code"),
        ("errors_app/taskerror", "task"),
        ("embedded/face", "lists"),
        ("embedded/face", "account_id"),
        ("embedded/facelist", "account_id"),
        ("embedded/event", "tag_rows__value"),
        ("embedded/event", "gender"),
        ("embedded/event", "track_id"),
        ("embedded/event", "handler_id"),
        ("embedded/handler", "account_id"),
    ],
)
@pytest.mark.parametrize("value", ["nonsense", "\0", "9" * 40, "-1", ""])
def test_a_nonsense_filter_never_fails(admin, everything, name, parameter, value):
    assert admin.get(f"/admin/{name}/", {parameter: value}, follow=True).status_code == 200


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("key", ["nonsense", "9" * 40, "0", "00000000-0000-0000-0000-000000000000"])
def test_a_page_of_nothing_is_not_found(admin, name, key):
    answer = admin.get(f"/admin/{name}/{key}/change/")

    assert answer.status_code in (302, 404)


@pytest.mark.parametrize(
    ("name", "queries"),
    [(LISTS[0], 5), (LISTS[1], 4), (LISTS[2], 4), (LISTS[3], 5), (LISTS[4], 4), (LISTS[5], 5), (LISTS[6], 4)],
)
def test_the_queries_of_a_list_do_not_grow_with_its_rows(
    admin,
    everything,
    make_task,
    make_subtask,
    make_error,
    make_face,
    make_event,
    django_assert_num_queries,
    name,
    queries,
):
    for _ in range(10):
        make_subtask(subtask_status=Status.IN_PROGRESS, progress_done=1, progress_all=2)
        make_error()
        make_face()
        make_event(tags=("vip",))

    with django_assert_num_queries(queries):
        assert admin.get(f"/admin/{name}/").status_code == 200


def test_a_list_counts_up_to_a_limit_only(admin, make_task, monkeypatch):
    monkeypatch.setattr(readonly, "MOST_COUNTED", 3)
    for _ in range(5):
        make_task()

    answer = admin.get("/admin/tasks_app/task/")

    assert b"the newest 3 tasks" in answer.content


def test_large_columns_are_not_read_for_a_list(admin, make_task):
    make_task()

    with CaptureQueriesContext(
        connection,
    ) as captured:
        admin.get("/admin/tasks_app/task/")

    assert not any('"tasks_app_task"."content"' in query["sql"] for query in captured)


def test_tasks_come_newest_first(admin, make_task):
    first, second = make_task(), make_task()

    page = admin.get("/admin/tasks_app/task/").content.decode()

    assert page.index(f"#{second.pk}<") < page.index(f"#{first.pk}<")


def test_the_list_tells_type_status_and_progress_in_words(admin, make_task, make_subtask):
    task = make_task(
        task_status=Status.IN_PROGRESS, step=Step.PARTS, count_task_parts_all=2, count_task_parts_done=1,
        start_time=timezone.now(),
    )  # fmt: skip
    make_subtask(task, subtask_status=Status.DONE)
    make_subtask(task, subtask_status=Status.IN_PROGRESS, progress_done=50, progress_all=100)

    page = admin.get("/admin/tasks_app/task/").content.decode()

    assert 'value="75"' in page
    assert "1 of 2 parts" in page
    assert "in progress</span>" in page
    assert "clustering" in page


@pytest.mark.parametrize("by", ["pk", "account_id", "result_id", "description"])
def test_a_task_is_found_by_number_account_result_and_description(admin, make_task, other_account, by):
    make_task(description="another one")
    task = make_task(account_id=other_account, task_status=Status.DONE, description="Nightly run, north gate")
    term = {"description": "NORTH gate"}.get(by, getattr(task, by))

    page = admin.get("/admin/tasks_app/task/", {"q": term}).content.decode()

    assert f"#{task.pk}<" in page
    assert "another one" not in page


def test_tasks_are_filtered_by_account_type_and_status_together(admin, make_task, other_account):
    wanted = make_task(account_id=other_account, task_type=TaskType.ROC)
    others = [make_task(account_id=other_account), make_task(task_type=TaskType.ROC)]

    query = {"account_id": str(other_account), "task_type__exact": "7", "task_status__exact": "0"}
    page = admin.get("/admin/tasks_app/task/", query).content.decode()

    assert f"#{wanted.pk}<" in page
    assert not any(f"#{task.pk}<" in page for task in others)


def test_errors_are_filtered_by_task_and_code(admin, make_error):
    wanted = make_error(detail="the wanted one")
    make_error(wanted.task, error_code=22004, detail="another code")
    make_error(detail="another task")

    query = {"task": wanted.task_id, "error_code": wanted.error_code}
    page = admin.get("/admin/errors_app/taskerror/", query).content.decode()

    assert "the wanted one" in page
    assert "another" not in page


def test_a_description_is_escaped_everywhere(admin, make_task):
    text = "<script>alert(1)</script>"
    task = make_task(description=text, content={text: text})

    addresses = ("", f"{task.pk}/change/", f"{task.pk}/live/", f"{task.pk}/cancel/confirm/")
    for address in addresses:
        assert text.encode() not in admin.get(f"/admin/tasks_app/task/{address}").content
