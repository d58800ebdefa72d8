"""What our end of transactional tests leaves is what Django's own leaves."""

from uuid import uuid4

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import NewFace
from tasks_app.models import Task
from tests import cleaning

pytestmark = pytest.mark.django_db(transaction=True)

FLUSHES: list[int] = []


def djangos_flush(_case=None):
    FLUSHES.append(1)
    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)


@pytest.fixture
def clean():
    """The end of a test; gives how many real flushes it took."""

    def run():
        FLUSHES.clear()
        cleaning.clean(TransactionTestCase("__init__"), djangos_flush)
        return len(FLUSHES)

    run()
    return run


@pytest.fixture
def fill(make_subtask, make_error, account, tmp_path):
    """Rows in tables that hang on each other, and on those that stay."""

    def run():
        part = make_subtask()
        make_error(part.task, subtask=part)
        user = User.objects.create_user(f"user {uuid4()}")
        user.groups.add(Group.objects.first())
        user.user_permissions.add(Permission.objects.first())
        content_type = ContentType.objects.get_for_model(Task)
        LogEntry.objects.create(user=user, content_type=content_type, object_id="1", action_flag=ADDITION)
        list_id = uuid4()
        registry.faces().ensure_list(account, list_id)
        registry.faces().add_faces(account, [NewFace(face_id=uuid4())], list_id=list_id)
        return part.task_id

    return run


def state():
    """Rows of every table; those of content types, permissions and roles by their names, since their ids may differ."""
    named = {
        "content types": sorted(ContentType.objects.values_list("app_label", "model")),
        "permissions": sorted(Permission.objects.values_list("content_type__model", "codename", "name")),
        "roles": sorted(Group.objects.values_list("name", "permissions__content_type__model", "permissions__codename")),
    }
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608  the names are our own
            named[table] = cursor.fetchone()
    return named


def nothing_kept():
    pass


def widow_a_role():
    Group.objects.first().permissions.clear()


def remove_a_permission():
    Permission.objects.filter(codename="view_task").delete()


def add_a_role():
    Group.objects.create(name="more")


def rename_a_content_type():
    ContentType.objects.filter(model="task").update(model="mission")


@pytest.mark.parametrize(
    ("change", "flushes"),
    [
        (nothing_kept, 0),
        (widow_a_role, 1),
        (remove_a_permission, 1),
        (add_a_role, 1),
        (rename_a_content_type, 1),
    ],
)
def test_the_state_is_that_of_djangos_flush(clean, fill, change, flushes):
    djangos_flush()
    expected = state()
    clean()
    fill()
    filled = state()
    change()

    assert clean() == flushes
    assert state() == expected
    assert sum(filled[table] != expected[table] for table in expected) >= 8


def test_ids_go_on_as_after_djangos_flush(clean, fill):
    before = fill()

    clean()

    assert fill() > before


def test_whatever_is_kept_is_known_by_name(clean):
    assert set(cleaning.kept) == {"auth_group", "auth_group_permissions", "auth_permission", "django_content_type"}
