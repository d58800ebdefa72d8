"""manage.py prunetasks: ended tasks go with their files."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tasks_app import artefacts, services
from tasks_app.management.commands import prunetasks
from tasks_app.models import Task
from tasks_app.states import Status

pytestmark = pytest.mark.django_db(transaction=True)
OLD = timedelta(days=40)


def prune(*arguments):
    out = io.StringIO()
    call_command("prunetasks", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def make_old(make_task, finished_task, make_error):
    """A done, a failed and a cancelled task of 40 days, a new done one, and one that runs since then."""

    def make(**fields):
        now = timezone.now()
        done = finished_task(["x"], end_time=now - OLD, create_time=now - OLD, **fields)
        failed = make_task(task_status=Status.FAILED, end_time=now - OLD, **fields)
        make_error(failed)
        cancelled = make_task(task_status=Status.CANCELLED, end_time=now - OLD, **fields)
        return done, failed, cancelled, finished_task(["y"], **fields), make_task(create_time=now - OLD, **fields)

    return make


def left():
    return set(Task.objects.values_list("pk", flat=True))


def test_old_ended_tasks_go_with_their_files(make_old, monkeypatch):
    monkeypatch.setattr(prunetasks, "PAGE", 2)
    done, *_, new, running = make_old()

    assert prune("--older-than", "30d") == "3 tasks deleted\n"

    assert left() == {new.pk, running.pk}
    assert list(artefacts.walk(artefacts.folder_of_task(done.pk))) == []
    assert list(artefacts.walk(artefacts.folder_of_task(new.pk))) != []


def test_a_second_run_finds_nothing(make_old):
    make_old()
    prune("--older-than", "30d")

    assert prune("--older-than", "30d") == "0 tasks deleted\n"


def test_a_dry_run_counts(make_old):
    make_old()

    assert prune("--older-than", "30d", "--dry-run") == "3 tasks would be deleted\n"

    assert len(left()) == 5


def test_one_status_only(make_old):
    done, _failed, cancelled, new, running = make_old()

    prune("--older-than", "30d", "--status", "failed")

    assert left() == {done.pk, cancelled.pk, new.pk, running.pk}


def test_one_account_only(make_old, other_account):
    make_old()

    assert prune("--older-than", "30d", "--account", other_account) == "0 tasks deleted\n"


def test_a_task_that_was_started_again_meanwhile_stays(make_old, monkeypatch, sent):
    _done, failed, *_ = make_old()
    ids = prunetasks._ids

    def slow_ids(filters):
        for task_id in list(ids(filters)):
            if task_id == failed.pk:
                services.rerun_task(task_id=failed.pk)
            yield task_id

    monkeypatch.setattr(prunetasks, "_ids", slow_ids)

    assert prune("--older-than", "30d") == "2 tasks deleted\n"

    assert failed.pk in left()


@pytest.mark.parametrize("bad", [[], ["--older-than", "x"], ["--older-than", "1d", "--status", "pending"]])
def test_bad_options_are_refused(bad):
    with pytest.raises(CommandError):
        prune(*bad)
