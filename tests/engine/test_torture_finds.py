"""What torture, or the thought of it, has found in the engine: each once, without chance."""

from datetime import timedelta

import pytest
from django.utils import timezone

from errors_app.models import TaskError
from lunatasks import errors
from tasks_app import artefacts, services, transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import Status, Step
from tasks_app.transitions import ends
from workers import engine, rescue
from workers.queue import TaskWorker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def done(make_faces, make_clustering, work):
    make_faces()
    task = make_clustering()
    work()
    return task


def bytes_of(task):
    return services.open_result(task_id=task.pk).stream.read()


@pytest.mark.parametrize("cleaner", ["merge", "sweep"])
def test_a_cleaner_that_slept_over_a_rerun_leaves_the_new_run_alone(done, work, monkeypatch, cleaner):
    expected = bytes_of(done)
    delete = artefacts.delete_of_parts

    def sleep_over_a_rerun(task):
        monkeypatch.setattr(artefacts, "delete_of_parts", delete)
        services.rerun_task(task_id=done.pk)
        work()
        return delete(task)

    monkeypatch.setattr(artefacts, "delete_of_parts", sleep_over_a_rerun)

    if cleaner == "merge":
        engine._remove_part_files(done.pk)
    else:
        rescue.sweep_files()

    assert bytes_of(done) == expected


def test_a_rerun_of_a_half_deleted_task_starts_afresh(done, work, monkeypatch):
    expected = bytes_of(done)
    Task.objects.update(task_status=Status.FAILED)  # as after a merge that failed: its parts would be kept
    with monkeypatch.context() as killed_before_the_last_row_goes:
        batch = killed_before_the_last_row_goes.setattr
        batch(ends, "_delete_batch", lambda ended, related: related.delete() and False)
        batch(type(Task.objects.all()), "select_for_update", lambda rows: rows.none())
        transitions.delete(done.pk)
    assert not Subtask.objects.exists()

    services.rerun_task(task_id=done.pk)
    work()

    assert bytes_of(done) == expected


def test_a_rerun_in_the_middle_of_a_deletion_is_deleted_too(done, monkeypatch):
    delete_batch = ends._delete_batch

    def rerun_first(*arguments):
        monkeypatch.setattr(ends, "_delete_batch", delete_batch)
        services.rerun_task(task_id=done.pk)
        return delete_batch(*arguments)

    monkeypatch.setattr(ends, "_delete_batch", rerun_first)

    services.delete_task(task_id=done.pk)

    assert not Task.objects.exists()
    assert list(artefacts.walk(artefacts.folder_of_task(done.pk))) == []


def test_a_deletion_does_not_touch_a_task_that_runs(make_clustering):
    task = make_clustering()

    assert not transitions.delete(task.pk)

    assert Task.objects.filter(pk=task.pk, task_status=Status.PENDING).exists()


@pytest.mark.parametrize("point", ["task.claimed", "merge.claimed"])
def test_a_task_that_is_deleted_behind_a_claim_does_not_end_the_worker(
    make_faces, make_clustering, sent, monkeypatch, point
):
    make_faces()
    task = make_clustering()
    monkeypatch.setattr(
        engine.faults, "point", lambda name, subject="": name == point and services.delete_task(task_id=task.pk)
    )
    worker = object.__new__(TaskWorker)

    while sent:
        message = sent.pop(0)
        job = type("Job", (), {"kwargs": message.arguments, "func_name": f"workers.jobs.{message.entry}",
                               "instance": None, "args": ()})  # fmt: skip
        worker._call(job)

    assert not Task.objects.exists()


def test_a_deleted_task_is_gone_for_a_second_deletion(done):
    services.delete_task(task_id=done.pk)

    with pytest.raises(errors.TaskNotFound):
        services.delete_task(task_id=done.pk)


def test_the_times_of_parts_and_errors_are_the_databases_whatever_a_workers_clock_says(
    make_faces, make_clustering, sent, work, monkeypatch
):
    make_faces()
    task = make_clustering()
    fence = transitions.TaskFence(task.pk, 1, Step.SPLIT, 0, 0)
    wrong = timezone.now() + timedelta(hours=1)
    for model, name in ((Subtask, "create_time"), (TaskError, "error_time")):
        field = model._meta.get_field(name)
        monkeypatch.setattr(field, "default", lambda: wrong)
        field.__dict__.pop("_get_default", None)
        monkeypatch.setitem(field.__dict__, "_get_default", lambda: wrong)

    claimed = transitions.claim_task(fence, worker="w", lease=60)
    transitions.add_parts(claimed, [[0, 1]], first=0)
    transitions.fail_task(claimed, [errors.InternalError()])

    for moment in (Subtask.objects.get().create_time, TaskError.objects.get().error_time):
        assert abs(moment - timezone.now()) < timedelta(minutes=1)
