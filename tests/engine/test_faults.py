"""Orders in the folder of faults, the hooks of torture, and that neither acts outside of tests."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from lunatasks import errors
from tasks_app import dispatch
from tasks_app.models import Subtask, Task
from workers import faults
from workers.files import artefacts as files
from workers.torture import bugs, hooks


@pytest.fixture
def folder(settings, tmp_path):
    settings.LUNATASKS_FAULTS_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def signals(monkeypatch):
    """The signals that the process would have sent: (pid, number)."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
    return sent


def test_without_a_folder_a_point_does_nothing(settings):
    settings.LUNATASKS_FAULTS_DIR = ""

    faults.point("no such point")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("kill", [(os.getpid(), signal.SIGKILL)]),
        ("stop", [(os.getpid(), signal.SIGSTOP)]),
        ("killtree", [(os.getppid(), signal.SIGKILL), (os.getpid(), signal.SIGKILL)]),
    ],
)
def test_an_order_is_carried_out_once(folder, signals, action, expected):
    (folder / f"part.claimed.{action}.1").touch()

    faults.point("part.claimed")
    faults.point("part.claimed")

    assert signals == expected
    assert list(folder.glob("part.*")) == []


def test_the_web_server_leaves_a_trees_death_to_others(folder, signals, settings):
    settings.LUNATASKS_ROLE = "web"
    (folder / "dispatch.send.killtree").touch()

    faults.point("dispatch.send")

    assert signals == []
    assert (folder / "dispatch.send.killtree").exists()


def test_orders_for_other_points_stay(folder, signals):
    (folder / "part.computed.kill").touch()

    faults.point("part.claimed")

    assert signals == []


def test_poison_stays_and_meets_its_subject_only(folder, signals):
    (folder / "part.claimed.poison.7-0-3").touch()

    faults.point("part.claimed", "7-0-4")
    assert signals == []
    for _ in range(3):
        faults.point("part.claimed", "7-0-3")

    assert signals == [(os.getpid(), signal.SIGKILL)] * 3


def test_a_full_disk_is_a_storage_error_and_leaves_no_file(folder, settings):
    (folder / "artefact.half_written.nospace").touch()

    with pytest.raises(errors.StorageFailed), files.writing("tasks/1/1/x.json") as writer:
        writer.write(b"[]")

    assert list(Path(settings.STORAGES["results"]["OPTIONS"]["location"]).rglob("*.json")) == []


@pytest.mark.parametrize("name", ["unknown.point", "part.claimed"])
def test_unknown_points_and_actions_are_refused(folder, name):
    (folder / f"{name}.dance").touch()

    with pytest.raises(ValueError, match="unknown fault"):
        faults.point(name)


def test_every_point_of_the_engine_is_listed_and_every_listed_one_exists():
    sources = [path.read_text() for path in (project.BASE_DIR / "workers").rglob("*.py") if path.name != "plan.py"]
    code = "".join(sources)

    assert all(f'faults.point("{name}"' in code for name in faults.POINTS)


# -- hooks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LUNATASKS_BUG", "LUNATASKS_CLOCK_OFFSET", "LUNATASKS_FAULTS_DIR"])
def test_the_switches_for_tests_are_refused_outside_of_a_stack_made_for_tests(tmp_path, name):
    value = {"LUNATASKS_BUG": "no_fencing", "LUNATASKS_CLOCK_OFFSET": "5"}.get(name, "/elsewhere")
    environment = {**os.environ, "LUNATASKS_HOME": str(tmp_path), name: value}

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=project.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "are for tests" in done.stderr


def test_hooks_refuse_a_folder_outside_of_the_home(settings, tmp_path):
    settings.LUNATASKS_HOME = tmp_path / "home"
    settings.LUNATASKS_FAULTS_DIR = str(tmp_path / "faults")

    with pytest.raises(ImproperlyConfigured):
        hooks.install()


def test_a_shifted_clock_shifts_python_and_the_defaults_of_columns(monkeypatch):
    true_time, true_now = time.time(), timezone.now()
    field = Task._meta.get_field("create_time")
    models = hooks.apps.get_models()
    monkeypatch.setattr(time, "time", time.time)
    monkeypatch.setattr(timezone, "now", timezone.now)
    columns = [column for model in models for column in model._meta.concrete_fields]
    before = [(column, column.default) for column in columns]

    hooks.shift_clock(3600)
    try:
        assert time.time() - true_time > 3599
        assert timezone.now() - true_now > timedelta(seconds=3599)
        assert field.get_default() - true_now > timedelta(seconds=3599)
    finally:
        for column, default in before:
            column.default = default
            column.__dict__.pop("_get_default", None)


def test_a_process_may_die_between_commit_and_message(folder, signals, sent):
    (folder / "dispatch.send.kill").touch()

    hooks._after_commit(dispatch.send)([])

    assert signals == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.django_db
def test_a_process_may_die_before_every_write_of_a_transaction(folder, signals, make_task):
    from django.db import connection

    (folder / "transaction.statement.kill").touch()
    with connection.execute_wrapper(hooks._before_statement):
        assert not Task.objects.exists()
        assert signals == []
        make_task()

    assert signals == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("point", "model", "other"), [("part.statement", Subtask, Task), ("task.statement", Task, Subtask)]
)
def test_a_process_may_die_in_the_transaction_that_ends_a_part(folder, signals, make_task, point, model, other):
    from django.db import connection

    make_task()
    (folder / f"{point}.kill").touch()
    with connection.execute_wrapper(hooks._before_statement):
        other.objects.update(attempt=7)
        assert signals == []
        model.objects.update(attempt=7)

    assert signals == [(os.getpid(), signal.SIGKILL)]


def test_every_bug_of_the_switch_exists():
    from lunatasks.env import DECLARED

    assert set(bugs.BUGS) == {"no_fencing", "two_step_finish", "ack_before_commit", "early_rename"}
    assert "LUNATASKS_BUG" in DECLARED
