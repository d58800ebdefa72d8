"""What rescue finds, in which order, and what keeps it from nothing: clocks that step, errors, strangers' messages."""

import os
import time
from datetime import timedelta

import pytest
import redis
from django.db import IntegrityError, OperationalError, connection
from django.db.models import Value
from django.db.models.functions import Now

from lunatasks import errors
from tasks_app import dispatch, transitions
from tasks_app.models import Subtask
from tasks_app.states import Status, Step
from workers import rescue
from workers.files import leftovers
from workers.management.commands import rescuetasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def empty_queues(monkeypatch):
    """Queues that hold the given names."""
    held = []
    monkeypatch.setattr(dispatch, "waiting_names", lambda name: set(held))
    return held


def seconds_from_now(seconds):
    return Now() + Value(timedelta(seconds=seconds))


def error():
    return errors.InternalError()


# -- messages ----------------------------------------------------------------------------------------


def test_parts_that_were_never_sent_do_not_wait_behind_those_that_are_in_a_queue(
    make_task, make_subtask, sent, empty_queues, monkeypatch
):
    monkeypatch.setattr(rescue, "BATCH", 2)
    long_ago = seconds_from_now(-3600)
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS, dispatched_at=long_ago)
    for part in [make_subtask(task, dispatched_at=long_ago) for _ in range(6)]:
        empty_queues.append(dispatch.part_message(part, task).name)
    forgotten = make_subtask(task, dispatched_at=None)

    assert rescue.send_again() == 1

    assert [message.arguments["subtask_id"] for message in sent] == [forgotten.pk]


def test_rows_sent_in_a_future_that_the_clock_has_left_are_sent_again(make_task, make_subtask, sent, empty_queues):
    ahead = seconds_from_now(3600)
    make_task(dispatched_at=ahead)
    make_subtask(make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS, dispatched_at=ahead), dispatched_at=ahead)

    assert rescue.send_again() == 2
    assert rescue.send_again() == 0


class QueueServer:
    """Lists by key, as the server would answer for them."""

    def __init__(self, lists):
        self.lists = lists

    def lrange(self, key, first, last):
        if isinstance(self.lists[key], Exception):
            raise self.lists[key]
        return self.lists[key]


@pytest.fixture
def queues(monkeypatch):
    """Queues whose lists the test gives by name; those that it does not name are empty."""

    def install(**lists):
        known = {name: lists.get(name, []) for name in (dispatch.CONTROL, *dispatch.QUEUE_OF_TYPE.values())}
        server = QueueServer(known)
        monkeypatch.setattr(dispatch, "queue", lambda name: type("Queue", (), {"key": name, "connection": server}))

    return install


def test_a_name_in_a_queue_that_is_no_text_keeps_nothing_from_being_sent(make_task, sent, queues):
    queues(control=[b"\xff\xfe"])
    make_task(dispatched_at=seconds_from_now(-3600))

    assert rescue.send_again() == 1


def test_a_queue_that_cannot_be_read_keeps_no_other_queue_waiting(make_task, make_subtask, sent, queues):
    queues(control=redis.ResponseError("WRONGTYPE"))
    long_ago = seconds_from_now(-3600)
    make_task(dispatched_at=long_ago)
    make_subtask(dispatched_at=long_ago)

    assert rescue.send_again() == 1


# -- leases ------------------------------------------------------------------------------------------


@pytest.fixture
def held_ahead(make_task, make_subtask, settings):
    """A task's step and a part under leases that end in so many seconds."""

    def make(seconds, lost=0):
        lease = {"lease_until": seconds_from_now(seconds), "lost_count": lost}
        task = make_task(task_status=Status.IN_PROGRESS, **lease)
        part = make_subtask(subtask_status=Status.IN_PROGRESS, **lease)
        task.refresh_from_db()
        part.refresh_from_db()
        return task, part

    return make


def test_leases_that_end_later_than_any_can_are_lost(held_ahead, settings, sent):
    held_ahead(2 * settings.LUNATASKS_LEASE_SECONDS + 60)

    assert rescue.rescue_once().released == 2


def test_leases_that_end_later_than_any_can_count_for_quarantine_too(held_ahead, settings, sent):
    held_ahead(2 * settings.LUNATASKS_LEASE_SECONDS + 60, lost=settings.LUNATASKS_MAX_LOST - 1)

    assert rescue.rescue_once().quarantined == 2


def test_leases_that_a_small_step_of_the_clock_has_made_long_are_alive(held_ahead, settings, sent):
    task, part = held_ahead(2 * settings.LUNATASKS_LEASE_SECONDS - 5, lost=settings.LUNATASKS_MAX_LOST)

    assert not transitions.release_lost_task(task)
    assert not transitions.release_lost_part(part)
    assert not transitions.quarantine_task(task, error())
    assert not transitions.quarantine_part(part, error())
    assert not rescue.rescue_once()


# -- errors ------------------------------------------------------------------------------------------


@pytest.fixture
def lost(make_task, make_subtask):
    """Two parts and two steps whose leases ran out, and two tasks that have ended with an open part each."""
    for _ in range(2):
        make_subtask(subtask_status=Status.IN_PROGRESS, lease_until=Now())
        make_task(task_status=Status.IN_PROGRESS, lease_until=Now())
        make_subtask(make_task(task_status=Status.CANCELLED))


@pytest.mark.parametrize("name", ["release_lost_part", "release_lost_task", "settle_parts"])
def test_an_error_of_one_row_keeps_no_other_row_waiting(lost, sent, empty_queues, monkeypatch, name):
    call, fails = getattr(transitions, name), iter([True])

    def failing(*arguments):
        if next(fails, False):
            raise OperationalError("lock timeout") if connection.vendor == "postgresql" else IntegrityError
        return call(*arguments)

    monkeypatch.setattr(transitions, name, failing)

    report = rescue.rescue_once()

    assert report.released + report.settled == 5


@pytest.mark.skipif(connection.vendor != "sqlite", reason="elsewhere a lock is one of rows")
def test_a_locked_database_ends_the_pass(lost, sent, empty_queues, monkeypatch):
    tried = []

    def locked(part):
        tried.append(part)
        raise OperationalError("database is locked")

    monkeypatch.setattr(transitions, "release_lost_part", locked)

    with pytest.raises(OperationalError, match="locked"):
        rescue.rescue_once()
    assert len(tried) == 1


def test_a_database_that_is_gone_ends_the_pass(lost, sent, empty_queues, monkeypatch):
    class Gone:
        vendor = "postgresql"

        def is_usable(self):
            return False

        def close(self):
            pass

        def ensure_connection(self, *_):
            raise OperationalError("gone")

    monkeypatch.setattr(transitions, "release_lost_part", Gone().ensure_connection)
    monkeypatch.setattr(rescue, "connection", Gone())

    with pytest.raises(OperationalError, match="gone"):
        rescue.rescue_once()


class Passes:
    """Passes of rescue in a loop that ends after so many; those whose numbers are given fail. A clock of their own."""

    def __init__(self, count, failing):
        self.count, self.failing, self.released, self.now = count, failing, [], 0.0

    def monotonic(self):
        return self.now

    def is_set(self):
        return len(self.released) >= self.count

    def wait(self, seconds):
        self.now += seconds

    def rescue_once(self, *, release):
        self.released.append(release)
        if len(self.released) in self.failing:
            raise OperationalError


def test_no_lease_is_judged_for_a_leases_time_after_the_database_was_gone(transactional_db, monkeypatch, settings):
    settings.LUNATASKS_LEASE_SECONDS, settings.LUNATASKS_RESCUE_SECONDS = 5, 2
    passes = Passes(7, failing={2, 3})
    monkeypatch.setattr(rescue, "rescue_once", passes.rescue_once)
    monkeypatch.setattr(rescuetasks, "time", passes)

    rescuetasks.Command()._loop(passes)

    assert passes.released == [True, True, False, False, False, True, True]


# -- temporary files ---------------------------------------------------------------------------------


def test_temporary_files_that_nobody_can_be_writing_are_swept(settings, tmp_path):
    settings.LUNATASKS_HOME = tmp_path
    ages = {"cache/.copy-old": 10**7, "tmp/artefact-old": 10**7, "cache/.copy-new": 60, "cache/0123": 10**7}
    for name, age in ages.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (time.time() - age,) * 2)

    assert leftovers.sweep() == 2

    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"cache/.copy-new", "cache/0123"}


def test_leases_are_those_of_the_rows_that_have_one(make_subtask, sent):
    part = make_subtask(subtask_status=Status.IN_PROGRESS, lease_until=None)

    assert not rescue.rescue_once()
    assert Subtask.objects.get(pk=part.pk).subtask_status == Status.IN_PROGRESS
