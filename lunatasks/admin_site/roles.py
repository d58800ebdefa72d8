"""Role groups: what an operator and an analyst may do. A superuser may do everything.

The groups are made after every migration and get what they lack; what an administrator adds stays. A user of
either group also needs "staff status" to sign in.
"""

from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

CANCEL = "cancel_task"
RERUN = "rerun_task"
DELETE = "delete_task"

OWN_PERMISSIONS = {CANCEL: "Can cancel task", RERUN: "Can run task again"}
"""Beside Django's own; of the model tasks_app.Task."""

VIEW = {
    "tasks_app": ("view_task", "view_subtask"),
    "errors_app": ("view_taskerror",),
    "embedded": ("view_face", "view_facelist", "view_event", "view_handler"),
}
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "analysts": VIEW,
    "operators": {**VIEW, "tasks_app": (*VIEW["tasks_app"], CANCEL, RERUN)},
}


def create_roles(app_config: AppConfig, *, using: str, verbosity: int = 1, **_: Any) -> None:
    """After the migration of an app: our permissions, and the groups' share of that app."""
    if app_config.label not in VIEW:
        return
    # Django's own receiver may come after this one.
    create_permissions(app_config, verbosity=verbosity, using=using)
    if app_config.label == "tasks_app":
        _create_own_permissions(using)
    for role, by_app in ROLES.items():
        group, _made = Group.objects.using(using).get_or_create(name=role)
        group.permissions.add(*_permissions(app_config.label, by_app[app_config.label], using))


def _create_own_permissions(using: str) -> None:
    task = ContentType.objects.db_manager(using).get_by_natural_key("tasks_app", "task")
    for codename, name in OWN_PERMISSIONS.items():
        Permission.objects.using(using).get_or_create(content_type=task, codename=codename, defaults={"name": name})


def _permissions(label: str, codenames: Iterable[str], using: str) -> Iterable[Permission]:
    return Permission.objects.using(using).filter(content_type__app_label=label, codename__in=list(codenames))
