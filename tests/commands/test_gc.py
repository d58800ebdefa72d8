"""manage.py gc: the task a POST would make, and its end."""

import io
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import EventFilters, FaceFilters, NewEvent, NewFace
from tasks_app.management import waiting
from tasks_app.models import Task
from tasks_app.states import Status, TaskType
from workers import jobs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worked(sent, monkeypatch):
    """Between two looks at a task, a worker works off all messages."""

    def work(seconds):
        while sent:
            message = sent.pop(0)
            getattr(jobs, message.entry)(**message.arguments)

    monkeypatch.setattr(waiting.time, "sleep", work)


@pytest.fixture
def ages(account):
    """Faces of 40, 20 and 0 days; their ids."""
    faces = [NewFace(uuid4(), create_time=timezone.now() - timedelta(days=days)) for days in (40, 20, 0)]
    registry.faces().add_faces(account, faces)
    return [face.face_id for face in faces]


def gc(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("gc", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def faces_of(account):
    return {face_id for ids in registry.faces().iterate_ids(FaceFilters(account)) for face_id in ids}


def test_old_faces_go(ages, account, worked):
    out, err = gc("--target", "faces", "--older-than", "30d", "--wait")

    assert faces_of(account) == set(ages[1:])
    assert out.splitlines()[1].endswith("done: 1 found, 0 parts failed")
    assert "no worker has taken it yet" in err


def test_old_events_go_and_the_parts_are_shown(account, other_account, sent, monkeypatch, settings):
    settings.LUNATASKS_GC_PART_SIZE = 1
    times = [timezone.now() - timedelta(days=days) for days in (50, 40, 20)]
    for owner in (account, other_account):
        registry.events().add_events(owner, [NewEvent(event_id=uuid4(), create_time=moment) for moment in times])

    def work_off_one(seconds):
        message = sent.pop(0)
        getattr(jobs, message.entry)(**message.arguments)

    monkeypatch.setattr(waiting.time, "sleep", work_off_one)
    monkeypatch.setattr(waiting, "QUIET_SECONDS", 0)
    out, err = gc("--target", "events", "--older-than", "30d", "--account", str(other_account), "--wait")

    assert out.splitlines()[1].endswith("done: 2 found, 0 parts failed")
    assert [line.partition(": ")[2] for line in err.splitlines()] == [
        "no worker has taken it yet",
        "in progress, parts 0/2",
        "in progress, parts 1/2",
        "collect results, parts 2/2",
    ]
    counts = [registry.events().count_events(EventFilters(account_id=owner)) for owner in (account, other_account)]
    assert counts == [3, 1]


def test_a_dry_run_counts(ages, account, worked):
    out, _ = gc("--target", "faces", "--older-than", "2w", "--dry-run", "--wait")

    assert out.splitlines()[1].endswith("done: 2 would be deleted")
    assert faces_of(account) == set(ages)


def test_without_waiting_the_task_is_made_and_named(sent):
    out, _ = gc("--target", "faces", "--older-than", "12h")

    task = Task.objects.get()
    assert out == f"task {task.pk} created\n"
    assert (task.task_type, task.task_status) == (TaskType.GC, Status.PENDING)
    before = datetime.fromisoformat(task.content["filters"]["create_time__lt"])
    assert abs(timezone.now() - timedelta(hours=12) - before) < timedelta(minutes=1)


def test_the_account_can_be_chosen(ages, account, other_account, sent):
    gc("--target", "faces", "--older-than", "1h", "--account", str(other_account))

    assert Task.objects.get().account_id == other_account


def test_options_become_members_of_the_content(sent):
    gc("--target", "face_descriptors", "--older-than", "1w", "--descriptor-version", "1001")

    content = Task.objects.get().content
    assert (content["target"], content["filters"]["descriptor_version"]) == ("face_descriptors", 1001)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "faces"], "--older-than"),
        (["--older-than", "1d"], "--target"),
        (["--target", "people", "--older-than", "1d"], "invalid choice: 'people'"),
        (["--target", "faces", "--older-than", "30"], "'30' is no age"),
        (["--target", "faces", "--older-than", "-3d"], "--older-than"),
        (["--target", "faces", "--older-than", "9999999w"], "more than a hundred years"),
        (["--target", "faces", "--older-than", "1d", "--account", "x"], "invalid UUID"),
        (["--target", "face_descriptors", "--older-than", "1d"], "descriptor_version"),
        (["--target", "face_descriptors", "--older-than", "1d", "--descriptor-version", "-1"], "descriptor_version"),
        (["--target", "faces", "--older-than", "1d", "--remove-image-origins"], "remove_image_origins"),
    ],
)
def test_bad_options_are_named_and_no_task_is_made(sent, arguments, message):
    with pytest.raises(CommandError, match=message):
        gc(*arguments)

    assert Task.objects.count() == 0


def test_a_task_that_is_cancelled_while_it_is_watched_is_an_error(sent, monkeypatch):
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: call_command("canceltask", str(Task.objects.get().pk)))

    with pytest.raises(CommandError, match=r"cancelled: 28025"):
        gc("--target", "faces", "--older-than", "1d", "--wait")


def test_a_task_that_is_deleted_while_it_is_watched_is_an_error(sent, monkeypatch):
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: Task.objects.all().delete())

    with pytest.raises(CommandError, match="not found"):
        gc("--target", "faces", "--older-than", "1d", "--wait")


def test_an_interrupted_watch_tells_that_the_task_goes_on(sent, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting.time, "sleep", interrupt)

    with pytest.raises(CommandError, match="goes on without being watched") as caught:
        gc("--target", "faces", "--older-than", "1d", "--wait")

    assert caught.value.returncode == 130
    assert Task.objects.get().task_status == Status.PENDING
