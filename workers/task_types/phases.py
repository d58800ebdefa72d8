"""What the parts of an earlier phase left, for the split of a later one."""

from collections.abc import Iterator

from lunatasks import errors
from tasks_app.models import Subtask
from tasks_app.states import Status
from tasks_app.transitions import Artefact
from workers.context import Context, Part


def parts_of_phase(context: Context, phase: int) -> Iterator[Part]:
    """The parts of a phase that has ended, by number. Raises PartsIncomplete when one of them failed."""
    parts = Subtask.objects.filter(task_id=context.task_id, phase=phase)
    if failed := parts.exclude(subtask_status=Status.DONE).count():
        raise errors.PartsIncomplete(failed, parts.count())
    for row in parts.order_by("number").iterator(chunk_size=1000):
        context.check()
        artefact = Artefact(row.result_path, row.result_size, row.result_sha256) if row.result_path else None
        yield Part(number=row.number, content=row.content, task_id=context.task_id, artefact=artefact)
