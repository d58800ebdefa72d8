"""Several workers at the same row at the same time: real threads, each with a connection of its own."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from lunatasks import errors
from tasks_app import transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import Status, Step
from tasks_app.transitions import Artefact, FenceLost, PartFence, TaskFence

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 15
ARTEFACT = Artefact("tasks/1/1/result.json", 2, "0" * 64)


def together(*calls: Callable[[], object]) -> list[object]:
    """What the calls return or raise when they start at the same moment."""
    barrier, outcomes = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number: int, call: Callable[[], object]) -> None:
        try:
            barrier.wait()
            outcomes[number] = call()
        except (FenceLost, errors.LunaError) as error:
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.fixture
def running_task(make_task, make_subtask):
    """A task in its last phase with `parts` claimed parts; the task and the fences of the claims."""

    def make(parts: int) -> tuple[Task, list[PartFence]]:
        task = make_task(
            task_status=Status.IN_PROGRESS,
            step=Step.PARTS,
            planned_phases=1,
            last_phase=True,
            count_task_parts_all=parts,
        )
        rows = [make_subtask(task) for _ in range(parts)]
        waiting = [PartFence(task.pk, row.pk, row.run, row.attempt) for row in rows]
        return task, [transitions.claim_part(fence, worker="w", lease=60) for fence in waiting]

    return make


def test_of_parts_that_end_together_exactly_one_starts_the_merge(running_task, sent):
    for _ in range(ROUNDS):
        task, fences = running_task(6)

        together(*[lambda fence=fence: transitions.finish_part(fence, None) for fence in fences])

        task.refresh_from_db()
        assert (task.task_status, task.step) == (Status.COLLECT_RESULTS, Step.MERGE)
        assert task.count_task_parts_done == 6
        assert [message.entry for message in sent] == ["merge"]
        sent.clear()


def test_of_several_claims_of_a_part_exactly_one_succeeds(make_task, make_subtask, sent):
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS, planned_phases=1)
    for _ in range(ROUNDS):
        row = make_subtask(task)
        fence = PartFence(task.pk, row.pk, row.run, row.attempt)

        outcomes = together(*[lambda: transitions.claim_part(fence, worker="w", lease=60)] * 6)  # noqa: B023

        row.refresh_from_db()
        assert len([claim for claim in outcomes if claim]) == 1
        assert row.attempt == 1


def test_of_several_claims_of_a_split_exactly_one_succeeds(make_task, sent):
    for _ in range(ROUNDS):
        task = make_task()
        fence = TaskFence(task.pk, 1, Step.SPLIT, 0, 0)

        outcomes = together(*[lambda: transitions.claim_task(fence, worker="w", lease=60)] * 6)  # noqa: B023

        assert len([claim for claim in outcomes if claim]) == 1


def test_cancel_and_the_end_of_the_last_part_leave_one_story(running_task, sent):
    for _ in range(ROUNDS):
        task, (fence,) = running_task(1)

        finished, cancelled = together(
            lambda: transitions.finish_part(fence, None),  # noqa: B023
            lambda: transitions.cancel(task.pk),  # noqa: B023
        )

        task.refresh_from_db()
        part = task.subtasks.get()
        assert cancelled is None
        assert task.task_status == Status.CANCELLED
        assert part.subtask_status == (Status.DONE if finished is None else Status.CANCELLED)
        sent.clear()


def test_cancel_and_the_end_of_the_merge_leave_one_story(make_task, sent):
    for _ in range(ROUNDS):
        task = make_task(task_status=Status.COLLECT_RESULTS, lease_until=Now(), attempt=1)
        fence = TaskFence(task.pk, 1, Step.MERGE, 0, 1)

        finished, cancelled = together(
            lambda: transitions.finish_task(fence, ARTEFACT),  # noqa: B023
            lambda: transitions.cancel(task.pk),  # noqa: B023
        )

        task.refresh_from_db()
        if finished is None:
            assert isinstance(cancelled, errors.NotCancellable)
            assert (task.task_status, task.result_path) == (Status.DONE, ARTEFACT.path)
        else:
            assert isinstance(finished, FenceLost)
            assert (task.task_status, task.result_path) == (Status.CANCELLED, "")


def test_of_several_reruns_exactly_one_counts(make_task, sent):
    for _ in range(ROUNDS):
        task = make_task(task_status=Status.FAILED)

        outcomes = together(*[lambda: transitions.rerun(task.pk, request_id="")] * 4)  # noqa: B023

        task.refresh_from_db()
        assert outcomes.count(None) == 1
        assert (task.run, task.task_status, task.end_time) == (2, Status.PENDING, None)


def test_a_worker_of_the_run_before_cannot_finish_its_part(running_task, sent):
    task, (old,) = running_task(1)
    transitions.cancel(task.pk)
    transitions.rerun(task.pk, request_id="")

    with pytest.raises(FenceLost):
        transitions.finish_part(old, ARTEFACT)

    assert task.subtasks.get().result_path == ""


def test_a_worker_whose_lease_ran_out_cannot_finish_what_another_one_has(running_task, sent):
    task, (stale,) = running_task(1)
    Subtask.objects.update(lease_until=Now())
    part = Subtask.objects.get()
    assert transitions.release_lost_part(part)
    fresh = transitions.claim_part(PartFence(task.pk, part.pk, 1, stale.attempt), worker="x", lease=60)

    with pytest.raises(FenceLost):
        transitions.finish_part(stale, ARTEFACT)
    transitions.finish_part(fresh, None)

    part.refresh_from_db()
    assert (part.subtask_status, part.result_path, part.attempt) == (Status.DONE, "", 2)


def test_rescue_and_a_heartbeat_leave_one_owner(running_task, sent):
    for _ in range(ROUNDS):
        _, (fence,) = running_task(1)
        fence.rows().update(lease_until=Now())
        part = Subtask.objects.get(pk=fence.part_id)

        released, extended = together(
            lambda: transitions.release_lost_part(part),  # noqa: B023
            lambda: transitions.extend_lease(fence, lease=10, done=0, total=0),  # noqa: B023
        )

        part.refresh_from_db()
        assert released != extended
        assert part.subtask_status == (Status.PENDING if released else Status.IN_PROGRESS)
        assert part.lost_count == int(released)


def test_a_deletion_leaves_nothing_to_finish(running_task, sent):
    task, (fence,) = running_task(1)
    Task.objects.filter(pk=task.pk).update(attempt=F("attempt"))

    transitions.cancel(task.pk)
    transitions.delete(task.pk)

    assert not Task.objects.exists()
    assert not Subtask.objects.exists()
    with pytest.raises(FenceLost):
        transitions.finish_part(fence, None)
