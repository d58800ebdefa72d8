"""Phases, errors, reruns, rescue, stops: a made-up task type run by the real engine in this process."""

import errno
import os
import time

import pytest
from django.db.models.functions import Now

from errors_app.models import TaskError
from lunatasks import errors
from tasks_app import artefacts, services, transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import Status, Step, TaskType
from workers import engine, jobs, rescue
from workers.context import SIGNALS_OF_PROCESS
from workers.task_types import TYPES
from workers.task_types.base import Plan, TaskKind

pytestmark = pytest.mark.django_db(transaction=True)


class Made:
    """A task type whose behaviour a test changes: two phases of three parts; the result is the sum of all."""

    def __init__(self):
        self.calls = []
        self.phases, self.parts = 2, 3

    def split(self, context, phase):
        self.calls.append(("split", phase))
        return Plan(parts=range(self.parts), inputs={f"phase{phase}": phase}, last=phase + 1 == self.phases)

    def process(self, context, content):
        self.calls.append(("part", content))
        with context.writing(".json") as writer:
            writer.write(str(content + 1).encode())
        return writer.artefact

    def merge(self, context, parts):
        self.calls.append(("merge",))
        total = sum(int(engine.artefacts.storage().open(part.artefact.path).read()) for part in parts)
        with context.writing(".json") as writer:
            writer.write(str(total).encode())
        return writer.artefact


@pytest.fixture
def made(monkeypatch):
    made = Made()
    kind = TaskKind(
        number=TaskType.CLUSTERING,
        split=lambda *arguments: made.split(*arguments),
        process=lambda *arguments: made.process(*arguments),
        merge=lambda *arguments: made.merge(*arguments),
        needs_all_parts=False,
    )
    monkeypatch.setitem(TYPES, TaskType.CLUSTERING, kind)
    return made


@pytest.fixture
def task(account, sent, made):
    return transitions.create(account_id=account, task_type=TaskType.CLUSTERING, content={})


SECRET = "secret 0.1234"


def fail_on(made, numbers):
    """Parts with these numbers raise an error whose text nobody may see."""
    process = Made.process

    def failing(context, content):
        if content in numbers:
            raise RuntimeError(SECRET)
        return process(made, context, content)

    made.process = failing


def outcome(task):
    task.refresh_from_db()
    return Status(task.task_status)


def codes():
    return list(TaskError.objects.order_by("id").values_list("error_code", flat=True))


# -- phases ------------------------------------------------------------------------------------------


def test_phases_follow_each_other_and_the_merge_sees_the_last_one(task, made, work):
    work()

    assert outcome(task) == Status.DONE
    assert made.calls == [
        ("split", 0), *[("part", number) for number in range(3)],
        ("split", 1), *[("part", number) for number in range(3)],
        ("merge",),
    ]  # fmt: skip
    assert services.open_result(task_id=task.pk).stream.read() == b"6"
    assert (task.count_task_parts_done, task.count_task_parts_all) == (6, 6)
    assert task.inputs == {"phase0": 0, "phase1": 1}


def test_a_phase_without_parts_goes_on_at_once(task, made, work):
    made.parts = 0

    work()

    assert outcome(task) == Status.DONE
    assert made.calls == [("split", 0), ("split", 1), ("merge",)]


def test_messages_that_arrive_twice_change_nothing(task, made, sent, work):
    while sent:
        sent.append(sent[0])
        work(2)

    assert outcome(task) == Status.DONE
    assert len(made.calls) == 9


# -- failures ----------------------------------------------------------------------------------------


def test_a_failed_part_is_an_error_of_a_task_that_goes_on(task, made, work):
    fail_on(made, {1})

    work()

    assert outcome(task) == Status.DONE
    assert codes() == [1, 1]
    assert (task.count_task_parts_done, task.count_task_parts_all) == (4, 6)


def test_a_task_fails_when_every_part_of_a_phase_failed(task, made, work):
    fail_on(made, {0, 1, 2})

    work()

    assert outcome(task) == Status.FAILED
    assert codes() == [1, 1, 1, 28113]


def test_an_unexpected_error_never_shows_its_text(task, made, work, caplog):
    fail_on(made, {0, 1, 2})

    work()

    assert "secret" not in caplog.text
    assert "RuntimeError" in caplog.text
    assert not TaskError.objects.filter(detail__contains="secret").exists()


@pytest.mark.parametrize("step", ["split", "merge"])
def test_a_task_fails_when_its_split_or_merge_does(task, made, work, step):
    def fail(*_):
        raise errors.NothingToCluster

    setattr(made, step, fail)

    work()

    assert outcome(task) == Status.FAILED
    assert codes() == [28010]


def test_errors_of_single_objects_are_stored_with_the_end_of_their_part(task, made, work):
    process = Made.process

    def complain(context, content):
        context.add_error(errors.FacesNotFound("x", additional_info="x"))
        return process(made, context, content)

    made.process = complain

    work()

    assert outcome(task) == Status.DONE
    assert codes() == [22004] * 6
    assert set(TaskError.objects.values_list("additional_info", flat=True)) == {"x"}


def test_a_full_disk_fails_the_part_and_leaves_no_file(task, made, work, monkeypatch):
    def full(self, name, content, max_length=None):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(artefacts.storage()), "save", full)

    work()

    assert outcome(task) == Status.FAILED
    assert codes()[0] == 28111
    assert list(artefacts.walk(artefacts.folder_of_task(task.pk))) == []


# -- rerun -------------------------------------------------------------------------------------------


def test_a_rerun_redoes_what_failed_and_keeps_the_rest(task, made, work):
    made.merge = lambda *_: (_ for _ in ()).throw(errors.NothingToCluster())
    fail_on(made, {1})
    work()
    assert outcome(task) == Status.FAILED
    made.calls.clear()
    del made.process, made.merge

    services.rerun_task(task_id=task.pk)
    work()

    assert outcome(task) == Status.DONE
    assert made.calls == [("part", 1), ("split", 1), *[("part", number) for number in range(3)], ("merge",)]
    assert codes() == []
    assert services.open_result(task_id=task.pk).stream.read() == b"6"


def test_a_rerun_of_a_failed_merge_does_only_the_merge(task, made, work):
    made.merge = lambda *_: (_ for _ in ()).throw(errors.NothingToCluster())
    work()
    made.calls.clear()
    del made.merge

    services.rerun_task(task_id=task.pk)
    work()

    assert outcome(task) == Status.DONE
    assert made.calls == [("merge",)]


def test_a_rerun_of_a_failed_split_splits_again(task, made, work):
    made.split = lambda *_: (_ for _ in ()).throw(errors.NothingToCluster())
    work()
    del made.split

    services.rerun_task(task_id=task.pk)
    work()

    assert outcome(task) == Status.DONE
    assert codes() == []


def test_a_rerun_of_a_done_task_does_everything_again_under_a_new_result(task, made, work):
    work()
    task.refresh_from_db()
    first = task.result_id
    made.calls.clear()

    services.rerun_task(task_id=task.pk)
    with pytest.raises(errors.NoResultYet):
        services.open_result(task_id=task.pk)
    work()

    assert outcome(task) == Status.DONE
    assert len(made.calls) == 9
    assert task.result_id != first
    assert list(artefacts.walk(artefacts.folder_of_task(task.pk))) == [task.result_path]


def test_a_restart_that_was_cancelled_starts_afresh_again(task, made, sent, work):
    work()
    services.rerun_task(task_id=task.pk)
    Subtask.objects.filter(phase=1, number=0).delete()  # as if it had been killed half-way
    services.cancel_task(task_id=task.pk)
    services.rerun_task(task_id=task.pk)

    work()

    assert outcome(task) == Status.DONE
    assert services.open_result(task_id=task.pk).stream.read() == b"6"


def test_an_active_task_cannot_be_run_again(task):
    with pytest.raises(errors.NotRerunnable):
        services.rerun_task(task_id=task.pk)


# -- cancel and stop ---------------------------------------------------------------------------------


def test_cancel_ends_waiting_parts_and_a_rerun_does_them(task, made, work):
    work(3)
    services.cancel_task(task_id=task.pk)
    work()
    assert outcome(task) == Status.CANCELLED
    assert codes() == [28025]
    assert not task.subtasks.filter(subtask_status__in=[Status.PENDING, Status.IN_PROGRESS]).exists()

    services.rerun_task(task_id=task.pk)
    work()

    assert outcome(task) == Status.DONE
    assert [call for call in made.calls if call == ("part", 0)] == [("part", 0)] * 2  # one a phase
    assert codes() == []


def test_a_cancelled_part_stops_at_its_next_check(task, made, work, settings):
    settings.LUNATASKS_BEAT_SECONDS = 0.1
    stopped_after = []

    def slow(context, content):
        services.cancel_task(task_id=task.pk)
        started = time.monotonic()
        try:
            while time.monotonic() < started + 10:
                time.sleep(0.01)
                context.check()
        finally:
            stopped_after.append(time.monotonic() - started)

    made.process = slow

    work()

    assert outcome(task) == Status.CANCELLED
    assert len(stopped_after) == 1
    assert stopped_after[0] < 2


def test_a_graceful_stop_hands_the_part_back_uncounted(task, made, sent, work):
    def stop(context, content):
        SIGNALS_OF_PROCESS.shutdown.set()
        context.check()

    made.process = stop
    work(1)
    try:
        work(1)
    finally:
        SIGNALS_OF_PROCESS.shutdown.clear()
    part = Subtask.objects.get(phase=0, number=0)
    assert (part.subtask_status, part.lost_count, part.attempt) == (Status.PENDING, 0, 1)

    del made.process
    work()

    assert outcome(task) == Status.DONE


def test_a_deleted_task_leaves_neither_rows_nor_files(task, made, work):
    work()

    services.delete_task(task_id=task.pk)

    assert not Task.objects.exists()
    assert not Subtask.objects.exists()
    assert list(artefacts.walk("tasks")) == []


def test_a_worker_whose_task_was_deleted_removes_what_it_wrote(task, made, work):
    process = Made.process

    def deleting(context, content):
        artefact = process(made, context, content)
        services.delete_task(task_id=task.pk)
        return artefact

    made.process = deleting

    work()

    assert list(artefacts.walk("tasks")) == []


# -- rescue ------------------------------------------------------------------------------------------


def claim_first_part(task):
    part = task.subtasks.filter(subtask_status=Status.PENDING).order_by("number").first()
    fence = transitions.PartFence(task.pk, part.pk, part.run, part.attempt)
    return transitions.claim_part(fence, worker="dead", lease=-1)


def test_rescue_gives_a_lost_part_to_others(task, made, sent, work):
    work(1)
    sent.clear()
    claim_first_part(task)

    report = rescue.rescue_once()

    assert report.released == 1
    assert [message.entry for message in sent] == ["process"]
    part = task.subtasks.get(number=0)
    assert (part.subtask_status, part.lost_count) == (Status.PENDING, 1)


def test_rescue_gives_a_lost_split_to_others(task, made, sent, work):
    fence = transitions.TaskFence(task.pk, 1, Step.SPLIT, 0, 0)
    transitions.claim_task(fence, worker="dead", lease=-1)
    sent.clear()

    assert rescue.rescue_once().released == 1
    work()

    assert outcome(task) == Status.DONE


def test_a_part_that_kills_its_worker_three_times_is_quarantined_and_the_others_finish(task, made, sent, work):
    work(1)
    for _ in range(3):
        claim_first_part(task)
        rescue.rescue_once()
    work()

    assert outcome(task) == Status.DONE
    part = task.subtasks.get(phase=0, number=0)
    assert (part.subtask_status, part.lost_count) == (Status.FAILED, 3)
    assert codes() == [28110]


def test_a_split_that_kills_its_worker_three_times_fails_the_task(task, made, sent):
    for attempt in range(3):
        transitions.claim_task(transitions.TaskFence(task.pk, 1, Step.SPLIT, 0, attempt), worker="dead", lease=-1)
        rescue.rescue_once()

    assert outcome(task) == Status.FAILED
    assert codes() == [28110]


@pytest.fixture
def empty_queues(monkeypatch):
    """Queues that hold the given names."""
    held = []
    monkeypatch.setattr(rescue.dispatch, "waiting_names", lambda name: set(held))
    return held


def test_rescue_sends_old_messages_that_are_in_no_queue(task, made, sent, work, settings, empty_queues):
    settings.LUNATASKS_REDISPATCH_SECONDS = -1
    work(1)
    lost = list(sent)
    sent.clear()
    Subtask.objects.filter(number=2).update(dispatched_at=None)
    empty_queues.append(next(message.name for message in lost if message.name.startswith("process")))

    assert rescue.rescue_once().sent_again == 2

    assert sorted(message.name for message in sent) == sorted(message.name for message in lost[1:])


def test_rescue_sends_a_lost_split_message_again(task, sent, settings, empty_queues):
    settings.LUNATASKS_REDISPATCH_SECONDS = -1
    lost = list(sent)
    sent.clear()

    rescue.rescue_once()

    assert sent == lost


def test_rescue_leaves_young_rows_alone(task, sent, empty_queues):
    sent.clear()

    assert not rescue.rescue_once()
    assert sent == []


def test_rescue_settles_open_parts_of_ended_tasks(make_task, make_subtask, sent):
    task = make_task(task_status=Status.CANCELLED)
    make_subtask(task)
    make_subtask(task, subtask_status=Status.IN_PROGRESS, lease_until=Now())

    assert rescue.rescue_once().settled == 2

    assert set(task.subtasks.values_list("subtask_status", flat=True)) == {Status.CANCELLED}


def test_the_sweep_removes_files_without_a_row(task, made, work):
    work()
    task.refresh_from_db()
    for path in (f"tasks/{task.pk}/1/0-7-3.npy", "tasks/999999/1/0-0-1.npy"):
        artefacts.storage().save(path, engine.artefacts.storage().open(task.result_path))

    assert rescue.sweep_files() == 2

    assert list(artefacts.walk("tasks")) == [task.result_path]


def test_a_lost_answer_to_a_commit_does_not_remove_the_result(task, made, work, monkeypatch):
    finish = transitions.finish_task

    def finish_twice(*arguments):
        finish(*arguments)
        finish(*arguments)  # as after a connection that broke at the commit

    monkeypatch.setattr(transitions, "finish_task", finish_twice)

    work()

    assert outcome(task) == Status.DONE
    assert services.open_result(task_id=task.pk).stream.read() == b"6"


def test_unknown_types_of_tasks_fail_with_a_stored_error(account, sent, work):
    task = transitions.create(account_id=account, task_type=TaskType.UNKNOWN, content={})

    work()

    assert outcome(task) == Status.FAILED
    assert codes() == [28108]


def test_the_entry_points_ignore_members_they_do_not_know(task, made, sent, work):
    message = sent.pop()

    jobs.split(**message.arguments, from_a_later_version=1)

    assert made.calls == [("split", 0)]
