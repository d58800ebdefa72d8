"""Four deliberate bugs, each one that queue systems really have: a torture that does not find them proves nothing."""

import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from lunatasks import errors
from lunatasks.storage import AtomicFileSystemStorage
from tasks_app import transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import OPEN, Status, Step
from tasks_app.transitions import Artefact, FenceLost, PartFence
from workers import faults


def no_fencing() -> None:
    """A worker writes its part whatever happened since its claim."""

    def rows(fence: PartFence) -> QuerySet[Subtask]:
        return Subtask.objects.filter(pk=fence.part_id)

    PartFence.rows = rows  # type: ignore[method-assign]


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
        transitions._end_phase(task)  # noqa: SLF001  the bug is in when it is called


def ack_before_commit() -> None:
    """The claim is acknowledged, so that nobody watches it any more, before the work is committed."""
    finish = transitions.finish_part

    def finish_part(fence: PartFence, artefact: Artefact | None, found: Sequence[errors.LunaError] = ()) -> None:
        fence.rows().update(lease_until=None)
        finish(fence, artefact, found)

    transitions.finish_part = finish_part


def early_rename() -> None:
    """A file gets its final name before all of it is written."""

    def save(self: AtomicFileSystemStorage, name: str, content: Any) -> str:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".part-")
        Path(temporary).replace(target)
        with os.fdopen(handle, "wb") as stream:
            data = content.read()
            stream.write(data[: len(data) // 2])
            stream.flush()
            faults.point("artefact.half_written")
            stream.write(data[len(data) // 2 :])
        return name

    AtomicFileSystemStorage._save = save  # type: ignore[method-assign]  # noqa: SLF001  Django's hook of storages


BUGS: dict[str, Callable[[], None]] = {
    "no_fencing": no_fencing,
    "two_step_finish": two_step_finish,
    "ack_before_commit": ack_before_commit,
    "early_rename": early_rename,
}


def install(name: str) -> None:
    """Patch the engine of this process; nothing for an empty name."""
    if name:
        BUGS[name]()
