"""Who may see and do what."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from lunatasks.admin_site.roles import create_roles
from tests.admin.conftest import signed_in

LISTS = [
    "tasks_app/task", "tasks_app/subtask", "errors_app/taskerror", "embedded/face", "embedded/facelist",
    "embedded/event", "embedded/handler",
]  # fmt: skip


@pytest.mark.parametrize("path", ["", *(f"{name}/" for name in LISTS), "live/", "tasks_app/task/1/change/"])
def test_the_anonymous_are_sent_to_the_login(db, path):
    answer = Client().get(f"/admin/{path}")

    assert answer.status_code == 302
    assert "/admin/login/" in answer.url


def test_a_user_without_staff_status_sees_nothing(db):
    client = signed_in(User.objects.create_user("guest", password="a-long-password"))

    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize("role", ["operators", "analysts"])
@pytest.mark.parametrize("name", LISTS)
def test_operators_and_analysts_see_every_list_but_add_nothing(sign_in, role, name):
    client = sign_in(role)

    assert client.get(f"/admin/{name}/").status_code == 200
    assert client.get(f"/admin/{name}/add/").status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_a_staff_user_without_a_role_sees_no_list(sign_in, name):
    assert sign_in().get(f"/admin/{name}/").status_code == 403


def test_the_start_page_tells_nothing_about_tasks_to_a_user_without_a_role(sign_in, make_task):
    make_task(description="not for everybody")

    answer = sign_in().get("/admin/")

    assert answer.status_code == 200
    assert b"Active tasks" not in answer.content


def test_only_superusers_see_users_and_groups(operator, admin):
    assert operator.get("/admin/auth/user/").status_code == 403
    assert admin.get("/admin/auth/user/").status_code == 200


def test_pages_of_the_queue_that_act_behind_our_rows_do_not_exist(admin):
    assert admin.get("/admin/django_rq/dashboard/").status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "rerun", "delete"])
def test_an_analyst_may_not_act(analyst, make_task, verb):
    task = make_task()

    answer = analyst.post(f"/admin/tasks_app/task/{task.pk}/{verb}/confirm/", {"confirmed": "yes"})

    assert answer.status_code == 403
    task.refresh_from_db()
    assert task.task_status == 0


def test_an_analyst_is_offered_no_action(analyst, make_task):
    task = make_task()

    page = analyst.get(f"/admin/tasks_app/task/{task.pk}/change/").content
    listed = analyst.get("/admin/tasks_app/task/").content

    assert b"/confirm/" not in page
    assert b"cancel_tasks" not in listed


def test_an_operator_may_cancel_and_rerun_but_not_delete(operator, make_task, sent):
    task = make_task()
    address = f"/admin/tasks_app/task/{task.pk}"

    assert operator.post(f"{address}/delete/confirm/").status_code == 403
    assert operator.post(f"{address}/cancel/confirm/").status_code == 302
    assert operator.post(f"{address}/rerun/confirm/").status_code == 302
    task.refresh_from_db()
    assert (task.task_status, task.run) == (0, 2)


@pytest.mark.parametrize("name", ["change", "delete"])
def test_djangos_own_writing_pages_refuse_even_a_superuser(admin, make_task, name):
    task = make_task()

    answer = admin.post(f"/admin/tasks_app/task/{task.pk}/{name}/", {"description": "changed", "post": "yes"})

    assert answer.status_code in (200, 403)
    task.refresh_from_db()
    assert task.description == ""


def test_a_migration_gives_groups_what_they_lack_and_takes_nothing(db):
    group = Group.objects.get(name="operators")
    extra = Permission.objects.get(codename="delete_task")
    group.permissions.set([extra])

    create_roles(apps.get_app_config("tasks_app"), using="default", verbosity=0)

    names = set(group.permissions.values_list("codename", flat=True))
    assert names == {"delete_task", "view_task", "view_subtask", "cancel_task", "rerun_task"}


def test_pages_may_load_nothing_from_elsewhere_and_are_not_stored(admin):
    answer = admin.get("/admin/")

    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
