"""Sessions that end and processes that freeze in the middle of a transaction: nobody waits long, nothing is counted."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from lunatasks import postgresql
from tasks_app import artefacts, transitions
from tasks_app.models import Subtask
from tasks_app.states import Status, Step, TaskType
from tasks_app.transitions import PartFence, TaskFence
from workers import engine, rescue
from workers.task_types import TYPES
from workers.task_types.base import Plan, TaskKind

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def only_postgresql(transactional_db):
    if connection.vendor != "postgresql":
        pytest.skip("rows are locked on PostgreSQL only")


def parameters():
    """How to reach the database of the tests from another connection."""
    known = connection.get_connection_params()
    return {name: known[name] for name in ("dbname", "user", "host", "port") if name in known}


@pytest.fixture
def session(only_postgresql):
    """Another session, in a transaction of its own."""
    with psycopg.connect(**parameters()) as session:
        yield session
        session.rollback()


def end_session():
    """As an administrator, a restart or an idle transaction would end it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(**parameters(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])


# -- frozen processes --------------------------------------------------------------------------------

FREEZE = """
import json, os, psycopg, signal, sys
session = psycopg.connect(**json.loads(sys.argv[1]))
session.execute(sys.argv[2])
print("locked", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def freeze(only_postgresql):
    """A process that stops after a statement and before its commit, connected as ours are."""
    import json

    processes = []

    def run(statement):
        options = json.dumps({**parameters(), **postgresql.options({}, lease=1)})
        process = subprocess.Popen([sys.executable, "-c", FREEZE, options, statement], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"locked\n"

    yield run

    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_worker_frozen_before_its_commit_keeps_rescue_and_cancel_waiting_for_seconds_only(
    freeze, make_task, make_subtask, sent
):
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
    part = make_subtask(task, subtask_status=Status.IN_PROGRESS, lease_until=Now())
    freeze(f"UPDATE tasks_app_task SET attempt = attempt WHERE id = {task.pk}")  # noqa: S608
    freeze(f"UPDATE tasks_app_subtask SET attempt = attempt WHERE id = {part.pk}")  # noqa: S608
    started = time.monotonic()

    report = rescue.rescue_once()
    transitions.cancel(task.pk)

    assert report.released == 1
    assert time.monotonic() - started < 10
    part.refresh_from_db()
    assert (part.subtask_status, part.lost_count) == (Status.CANCELLED, 1)


# -- rescue ------------------------------------------------------------------------------------------


def test_a_row_that_is_locked_keeps_rescue_from_no_other_row(session, make_subtask, sent):
    locked, free = (make_subtask(subtask_status=Status.IN_PROGRESS, lease_until=Now()) for _ in range(2))
    session.execute("SELECT 1 FROM tasks_app_subtask WHERE id = %s FOR UPDATE", [locked.pk])
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    try:
        report = rescue.rescue_once()
    finally:
        connection.close()

    assert report.released == 1
    free.refresh_from_db()
    assert free.subtask_status == Status.PENDING


def test_a_session_that_ends_at_one_row_keeps_rescue_from_no_other_row(
    only_postgresql, make_subtask, make_task, sent, monkeypatch
):
    for _ in range(2):
        make_subtask(subtask_status=Status.IN_PROGRESS, lease_until=Now())
    make_task(task_status=Status.IN_PROGRESS, lease_until=Now())
    release, ends = transitions.release_lost_part, iter([True])

    def release_or_end(part):
        if next(ends, False):
            end_session()
        return release(part)

    monkeypatch.setattr(transitions, "release_lost_part", release_or_end)

    assert rescue.rescue_once().released == 2
    assert rescue.rescue_once().released == 1


# -- no deadlocks ------------------------------------------------------------------------------------


def test_the_time_of_sending_is_written_without_waiting_for_rows_that_others_hold(session, make_task, make_subtask):
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
    parts = [make_subtask(task) for _ in range(3)]
    session.execute("SELECT 1 FROM tasks_app_subtask WHERE id = %s FOR UPDATE", [parts[1].pk])

    def mark():
        transitions.mark_sent(task.subtasks.all())
        connection.close()

    thread = threading.Thread(target=mark)
    thread.start()
    thread.join(5)
    waited = thread.is_alive()
    session.rollback()
    thread.join()

    assert not waited
    sent_at = task.subtasks.order_by("pk").values_list("dispatched_at", flat=True)
    assert [moment is not None for moment in sent_at] == [True, False, True]


def test_dispatch_and_cancel_of_the_same_parts_end_in_no_deadlock(session, make_task, make_subtask, sent):
    """The dispatch holds the first part and comes to the second; a cancel holds the second and comes to the first."""
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
    first, second = (make_subtask(task) for _ in range(2))
    session.execute("UPDATE tasks_app_subtask SET attempt = attempt WHERE id = %s", [second.pk])

    def dispatch():
        transitions.dispatch_parts(task.pk, task.run, task.phase)
        connection.close()

    thread = threading.Thread(target=dispatch)
    thread.start()
    time.sleep(0.3)
    session.execute("UPDATE tasks_app_subtask SET attempt = attempt WHERE id = %s", [first.pk])
    session.commit()
    thread.join()

    assert len(sent) == 2


# -- workers -----------------------------------------------------------------------------------------


@pytest.fixture
def kind(monkeypatch, settings):
    """A task type of one part; `process` of it may be changed."""
    settings.LUNATASKS_LEASE_SECONDS = 2

    class Kind:
        def process(self, context, content):
            with context.writing(".json") as writer:
                writer.write(b"1")
            return writer.artefact

    made = Kind()
    monkeypatch.setitem(
        TYPES,
        TaskType.CLUSTERING,
        TaskKind(
            number=TaskType.CLUSTERING,
            split=lambda context, phase: Plan(parts=[0], inputs={}, last=True),
            process=lambda *arguments: made.process(*arguments),
            merge=lambda context, parts: next(parts).artefact,
            needs_all_parts=False,
        ),
    )
    return made


@pytest.fixture
def waiting(kind, make_task, make_subtask, sent):
    """The claim of a part that waits, as its message names it."""
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS, planned_phases=1, last_phase=True,
                     count_task_parts_all=1)  # fmt: skip
    part = make_subtask(task)
    return PartFence(task.pk, part.pk, part.run, part.attempt)


def state_of(fence):
    part = Subtask.objects.get(pk=fence.part_id)
    return Status(part.subtask_status), part.attempt, part.lost_count, part.lease_until


GIVEN_BACK = (Status.PENDING, 1, 0, None)


def test_a_part_whose_session_ends_is_given_back_uncounted_and_its_files_stay(only_postgresql, waiting, kind, sent):
    process = kind.process

    def ending(context, content):
        process(context, content)
        end_session()
        Subtask.objects.count()

    kind.process = ending

    engine.run_part(waiting)

    assert state_of(waiting) == GIVEN_BACK
    assert [message.entry for message in sent] == ["process"]
    assert len(list(artefacts.walk(artefacts.folder_of_task(waiting.task_id)))) == 1


@pytest.fixture
def ends_after_claims(only_postgresql, monkeypatch):
    """Every session ends right after it has claimed a part."""
    claim = transitions.claim_part

    def claim_and_end(*arguments, **named):
        claimed = claim(*arguments, **named)
        end_session()
        return claimed

    monkeypatch.setattr(transitions, "claim_part", claim_and_end)


def test_a_part_whose_session_ends_right_after_the_claim_is_given_back_uncounted(ends_after_claims, waiting, sent):
    engine.run_part(waiting)

    assert state_of(waiting) == GIVEN_BACK


def test_a_claim_whose_answer_was_lost_is_given_back_uncounted(only_postgresql, waiting, sent, monkeypatch):
    claim = transitions.claim_part

    def claim_and_lose_the_answer(*arguments, **named):
        claim(*arguments, **named)
        end_session()
        return Subtask.objects.count()

    monkeypatch.setattr(transitions, "claim_part", claim_and_lose_the_answer)

    engine.run_part(waiting)

    assert state_of(waiting) == GIVEN_BACK


def test_work_that_ends_its_session_every_time_costs_the_lease_at_last(ends_after_claims, waiting, sent):
    Subtask.objects.update(attempt=engine.MOST_ATTEMPTS)
    with pytest.raises(engine.DATABASE_GONE):
        engine.run_part(replace(waiting, attempt=engine.MOST_ATTEMPTS))
    connection.close()

    status, attempt, _, lease = state_of(waiting)
    assert (status, attempt) == (Status.IN_PROGRESS, engine.MOST_ATTEMPTS + 1)
    assert lease is not None


@pytest.fixture
def outage():
    """A transition that the database refuses for so many seconds."""

    def last(seconds):
        end = time.monotonic() + seconds

        def transition():
            if time.monotonic() < end:
                raise OperationalError("away")
            return "done"

        return transition

    return last


def test_what_is_given_back_waits_for_the_database_longer_than_a_lease(transactional_db, outage, settings):
    settings.LUNATASKS_LEASE_SECONDS = 0.3

    assert engine._keep(outage(1), patience=math.inf) == "done"
    with pytest.raises(OperationalError):
        engine._keep(outage(2))


def test_who_is_asked_to_stop_does_not_wait_for_the_database(transactional_db, outage, monkeypatch):
    monkeypatch.setattr(engine, "STOP_SECONDS", 0.2)
    engine.SIGNALS_OF_PROCESS.shutdown.set()
    try:
        with pytest.raises(OperationalError):
            engine._keep(outage(5), patience=math.inf)
    finally:
        engine.SIGNALS_OF_PROCESS.shutdown.clear()


def test_a_claim_that_another_worker_has_is_not_given_back_by_one_that_lost_an_answer(waiting, sent):
    other = transitions.claim_part(waiting, worker="other", lease=10)

    assert not transitions.hand_back(other, worker=engine.worker_name())
    assert state_of(waiting)[0] == Status.IN_PROGRESS
    assert transitions.hand_back(other, worker="other")


def test_a_split_whose_session_ends_is_given_back_uncounted(only_postgresql, kind, make_task, sent, monkeypatch):
    task = make_task()

    def ending(*arguments, **named):
        end_session()
        raise OperationalError

    monkeypatch.setattr(engine, "kind_of", ending)

    engine.run_split(TaskFence(task.pk, 1, Step.SPLIT, 0, 0))

    task.refresh_from_db()
    assert (task.lease_until, task.lost_count, task.attempt) == (None, 0, 1)
    assert [message.entry for message in sent] == ["split"]


def test_a_statement_that_fails_on_a_working_connection_costs_the_lease(waiting, kind, sent):
    def failing(context, content):
        raise OperationalError("statement too complex")

    kind.process = failing

    with pytest.raises(OperationalError):
        engine.run_part(waiting)

    status, attempt, _, lease = state_of(waiting)
    assert (status, attempt) == (Status.IN_PROGRESS, 1)
    assert lease is not None
    assert sent == []


def test_an_end_of_a_part_in_which_the_worker_was_frozen_for_too_long_is_done_again(
    only_postgresql, waiting, sent, monkeypatch
):
    finish, frozen = transitions.finish_part, iter([True])

    def freeze_and_finish(*arguments):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET idle_in_transaction_session_timeout = {100 if next(frozen, False) else 0}")
            time.sleep(0.4)
            finish(*arguments)

    monkeypatch.setattr(transitions, "finish_part", freeze_and_finish)

    engine.run_part(waiting)

    assert state_of(waiting)[0] == Status.DONE
