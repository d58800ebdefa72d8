"""Each deliberate bug really breaks the engine: a patch that no longer meets its target would make torture blind."""

from pathlib import Path

import pytest
from django.db.models.functions import Now

from tasks_app import artefacts, transitions
from tasks_app.models import Subtask
from tasks_app.states import Status, Step
from tasks_app.transitions import Artefact, FenceLost, PartFence
from workers.files import artefacts as files
from workers.torture import bugs, hooks

pytestmark = pytest.mark.django_db(transaction=True)
ARTEFACT = Artefact("tasks/1/1/0-0-1.npy", 1, "0" * 64)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def install(monkeypatch):
    """Install a bug until the test ends."""
    monkeypatch.setattr(PartFence, "rows", PartFence.rows)
    monkeypatch.setattr(transitions, "finish_part", transitions.finish_part)
    monkeypatch.setattr(files, "writing", files.writing)
    return bugs.install


@pytest.fixture
def claimed(make_task, make_subtask, sent):
    """The claim of the only part of a task."""
    task = make_task(
        task_status=Status.IN_PROGRESS, step=Step.PARTS, planned_phases=1, last_phase=True, count_task_parts_all=1
    )
    return transitions.claim_part(PartFence(task.pk, make_subtask(task).pk, 1, 0), worker="w", lease=60)


@pytest.fixture
def killed_in_a_transaction(monkeypatch, settings, tmp_path):
    """The process dies before the first write of the next transaction."""
    from django.db import connection

    def die(*_):
        raise Killed

    settings.LUNATASKS_FAULTS_DIR = str(tmp_path)
    monkeypatch.setattr(hooks.faults, "point", die)
    with connection.execute_wrapper(hooks._before_statement):
        yield


def test_without_a_bug_a_kill_in_the_finishing_transaction_changes_nothing(install, claimed, killed_in_a_transaction):
    install("")

    with pytest.raises(Killed):
        transitions.finish_part(claimed, ARTEFACT)

    part = Subtask.objects.get()
    assert part.subtask_status == Status.IN_PROGRESS
    assert part.lease_until is not None


def test_no_fencing_lets_a_stale_worker_write(install, claimed):
    Subtask.objects.update(lease_until=Now())
    transitions.release_lost_part(Subtask.objects.get())
    with pytest.raises(FenceLost):
        transitions.finish_part(claimed, ARTEFACT)

    install("no_fencing")
    transitions.finish_part(claimed, ARTEFACT)

    assert Subtask.objects.get().result_path == ARTEFACT.path


def test_two_step_finish_leaves_a_done_part_that_opens_nothing(install, claimed, killed_in_a_transaction, sent):
    install("two_step_finish")

    with pytest.raises(Killed):
        transitions.finish_part(claimed, ARTEFACT)

    part = Subtask.objects.get()
    assert part.subtask_status == Status.DONE
    assert part.task.step == Step.PARTS
    assert sent == []


def test_ack_before_commit_leaves_a_claim_that_nobody_watches(install, claimed, killed_in_a_transaction):
    install("ack_before_commit")

    with pytest.raises(Killed):
        transitions.finish_part(claimed, ARTEFACT)

    part = Subtask.objects.get()
    assert part.subtask_status == Status.IN_PROGRESS
    assert part.lease_until is None


@pytest.mark.parametrize(("bug", "seen"), [("", False), ("early_rename", True)])
def test_early_rename_shows_a_file_that_is_being_written(install, bug, seen):
    install(bug)

    with files.writing("tasks/1/1/x.json") as writer:
        writer.write(b"[")
        assert Path(artefacts.storage().path("tasks/1/1/x.json")).exists() == seen
        writer.write(b"]")

    assert artefacts.storage().open("tasks/1/1/x.json").read() == b"[]"
    assert writer.artefact.size == 2
