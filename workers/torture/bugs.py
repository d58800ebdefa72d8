"""Four deliberate bugs, each one that queue systems really have: a torture that does not find them proves nothing."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from lunatasks import errors
from tasks_app import artefacts, transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import OPEN, Status, Step
from tasks_app.transitions import Artefact, FenceLost, PartFence
from workers import faults
from workers.files import artefacts as files


def no_fencing() -> None:
    """A worker writes its part whatever happened since its claim."""

    def rows(fence: PartFence) -> QuerySet[Subtask]:
        return Subtask.objects.filter(pk=fence.part_id)

    setattr(PartFence, "rows", rows)  # noqa: B010  mypy takes a patched method for another type


def two_step_finish() -> None:
    """The end of a part and what follows from it are two transactions."""

    def finish_part(fence: PartFence, artefact: Artefact | None, found: Sequence[errors.LunaError] = ()) -> None:
        columns = artefact.columns() if artefact else {"result_id": uuid.uuid4()}
        if not fence.rows().update(subtask_status=Status.DONE, end_time=Now(), **transitions.FREE, **columns):
            raise FenceLost
        with transaction.atomic():
            _count_and_go_on(fence, found)

    transitions.finish_part = finish_part


def _count_and_go_on(fence: PartFence, found: Sequence[errors.LunaError]) -> None:
    active = Task.objects.filter(pk=fence.task_id, run=fence.run, step=Step.PARTS, task_status=Status.IN_PROGRESS)
    task = active.select_for_update().first()
    if task is None:
        raise FenceLost
    transitions.store_errors(task, found, part_id=fence.part_id)
    active.update(count_task_parts_done=F("count_task_parts_done") + 1, last_update_time=Now())
    if not task.subtasks.filter(phase=task.phase, subtask_status__in=OPEN).exists():
        transitions.end_phase(task)


def ack_before_commit() -> None:
    """The claim is acknowledged, so that nobody watches it any more, before the work is committed."""
    finish = transitions.finish_part

    def finish_part(fence: PartFence, artefact: Artefact | None, found: Sequence[errors.LunaError] = ()) -> None:
        fence.rows().update(lease_until=None)
        finish(fence, artefact, found)

    transitions.finish_part = finish_part


def early_rename() -> None:
    """A file has its final name before all of it is written."""

    @contextmanager
    def writing(path: str) -> Iterator[files.Writer]:
        target = Path(artefacts.storage().path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("wb") as stream:
                faults.point("artefact.opened")
                writer = files.Writer(path, stream)
                yield writer
                faults.point("artefact.written")
        except OSError as error:
            raise errors.StorageFailed(str(error.errno)) from error
        writer.artefact = writer.described()

    files.writing = writing


@dataclass(frozen=True, slots=True)
class Bug:
    """How it gets into the engine, and which promises it breaks: another broken one does not count as its discovery."""

    install: Callable[[], None]
    breaks: frozenset[str]


BUGS = {
    # Two workers end one part: twice, by a claim that is not the row's, or after a cancel.
    "no_fencing": Bug(no_fencing, frozenset({"P2", "P3", "P5"})),
    # A part is done and not counted, or the last one opens nothing, so that the task never ends.
    "two_step_finish": Bug(two_step_finish, frozenset({"P1", "P2", "P5"})),
    "ack_before_commit": Bug(ack_before_commit, frozenset({"P1"})),
    "early_rename": Bug(early_rename, frozenset({"P6"})),
}


def install(name: str) -> None:
    """Patch the engine of this process; nothing for an empty name."""
    if name:
        BUGS[name].install()
