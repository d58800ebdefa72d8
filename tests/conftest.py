"""Base fixtures: two accounts, a staff user, factories of tasks that build on each other."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone

from errors_app.models import TaskError
from tasks_app.models import Subtask, Task
from tasks_app.states import TERMINAL, Status, Step, TaskType
from tests.cleaning import clean_quickly
from tests.remembering import remember

ACCOUNT = UUID("6d071cca-fda5-4a03-84d5-5bea65904480")
OTHER_ACCOUNT = UUID("0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """No commit waits for the disk: tests kill processes, they do not cut the power."""
    options = connection.settings_dict["OPTIONS"]
    if connection.vendor == "sqlite":
        options["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    else:
        options["options"] = "-c synchronous_commit=off"


@pytest.fixture(scope="session", autouse=True)
def quick_cleaning():
    """Transactional tests empty the tables they filled, and no others."""
    with clean_quickly():
        yield


@pytest.fixture(autouse=True)
def private_storages(settings, tmp_path):
    """Every test writes its files into a folder of its own."""
    backend = "lunatasks.storage.AtomicFileSystemStorage"
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": backend, "OPTIONS": {"location": str(tmp_path / "samples")}},
        "results": {"BACKEND": backend, "OPTIONS": {"location": str(tmp_path / "results")}},
    }
    static = tmp_path / "static"  # whitenoise warns when it is absent
    static.mkdir()
    settings.STATIC_ROOT = static


@pytest.fixture(autouse=True)
def remembered_faces(monkeypatch):
    """Hundreds of tests show the same few photos; tests of the models themselves do without."""
    remember(monkeypatch)


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    """Half a second of hashing for each user would be most of the suite's time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def account() -> UUID:
    return ACCOUNT


@pytest.fixture
def other_account() -> UUID:
    return OTHER_ACCOUNT


@pytest.fixture
def staff(db) -> User:
    return User.objects.create_superuser("staff", password="a-long-password")


@pytest.fixture
def sent(monkeypatch) -> list[Any]:
    """The queue replaced by a list: what `dispatch.send` was given, in order."""
    from tasks_app import dispatch

    captured: list[Any] = []
    monkeypatch.setattr(dispatch, "send", lambda messages: captured.extend(messages) is None)
    return captured


@pytest.fixture
def make_task(db, account) -> Callable[..., Task]:
    """A row as it would stand in that status; any field by name."""

    def make(**fields: Any) -> Task:
        now = timezone.now()
        status = fields.setdefault("task_status", Status.PENDING)
        fields.setdefault("account_id", account)
        fields.setdefault("task_type", TaskType.CLUSTERING)
        fields.setdefault("content", {"objects_type": "faces", "filters": {}})
        fields.setdefault("end_time", now if status in TERMINAL else None)
        if status == Status.DONE:
            fields.setdefault("result_id", uuid4())
        if status == Status.COLLECT_RESULTS:
            fields.setdefault("step", Step.MERGE)
        return Task.objects.create(**fields)

    return make


@pytest.fixture
def make_subtask(make_task) -> Callable[..., Subtask]:
    """A part of the given task, or of a new one in progress."""

    def make(task: Task | None = None, **fields: Any) -> Subtask:
        task = task or make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
        status = fields.setdefault("subtask_status", Status.PENDING)
        fields.setdefault("end_time", timezone.now() if status in TERMINAL else None)
        fields.setdefault("number", task.subtasks.count())
        fields.setdefault("content", {})
        if status == Status.DONE:
            fields.setdefault("result_id", uuid4())
        return Subtask.objects.create(task=task, **{"run": task.run, "phase": task.phase} | fields)

    return make


@pytest.fixture
def finished_task(make_task) -> Callable[..., Task]:
    """A done task whose result lies in the storage of results."""

    def make(result: Any = None, *, stored: bytes | None = None, suffix: str = "json", **fields: Any) -> Task:
        data = stored if stored is not None else orjson.dumps([] if result is None else result)
        task = make_task(task_status=Status.DONE, **fields)
        task.result_path = storages["results"].save(f"tasks/{task.pk}/1/result-1.{suffix}", ContentFile(data))
        task.result_size = len(data)
        task.result_sha256 = hashlib.sha256(data).hexdigest()
        task.save(update_fields=["result_path", "result_size", "result_sha256"])
        return task

    return make


@pytest.fixture
def make_error(make_task) -> Callable[..., TaskError]:
    """A stored error of the given task, or of a new failed one."""

    def make(task: Task | None = None, **fields: Any) -> TaskError:
        task = task or make_task(task_status=Status.FAILED)
        defaults = {
            "task_type": task.task_type,
            "account_id": task.account_id,
            "error_code": 28010,
            "status_code": 404,
            "description": "Objects not found",
            "detail": "Objects for clustering not found (empty set)",
        }
        return TaskError.objects.create(task=task, **defaults | fields)

    return make
