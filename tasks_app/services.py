"""What a view, an admin action or a command may do with tasks: one call each."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.core.files.storage import storages
from django.utils import timezone

from lunatasks import errors
from lunatasks.api.request_id import new_request_id as new_request_id
from tasks_app import artefacts, secrets, transitions
from tasks_app.contents import check_content
from tasks_app.models import Task
from tasks_app.states import RESULT_REFUSED, Status, TaskType


@dataclass(frozen=True, slots=True)
class OpenResult:
    """A stored result, open for reading: of a JSON result the value alone, else the zip."""

    task_id: int
    stream: BinaryIO
    size: int
    is_json: bool


def create_task(
    *, account_id: UUID, task_type: TaskType, content: Any, description: str = "", request_id: str = ""
) -> Task:
    """Check the content and store a pending task; workers are told on commit.

    Raises BadBody, ListNotFound, NotAvailable and the other errors of contents.
    """
    now = timezone.now()
    checked = check_content(task_type, content, account_id=account_id, now=now)
    return transitions.create(
        account_id=account_id,
        task_type=task_type,
        content=checked.members,
        secrets=secrets.seal(checked.secrets),
        description=description,
        request_id=request_id,
        create_time=now,
        last_update_time=now,
    )


def get_task(*, task_id: int, account_id: UUID | None = None) -> Task:
    """The task; its content is read when somebody asks for it. Raises TaskNotFound, for another account's task too."""
    task = Task.without_content.filter(pk=task_id, **_owned_by(account_id)).first()
    if task is None:
        raise errors.TaskNotFound(task_id)
    return task


def cancel_task(*, task_id: int, account_id: UUID | None = None) -> None:
    """Cancel an active task. Raises TaskNotFound, NotCancellable."""
    get_task(task_id=task_id, account_id=account_id)
    transitions.cancel(task_id)


def rerun_task(*, task_id: int, account_id: UUID | None = None, request_id: str = "") -> None:
    """Run an ended task again, keeping its finished parts; a done task starts afresh.

    Raises TaskNotFound, NotRerunnable.
    """
    get_task(task_id=task_id, account_id=account_id)
    transitions.rerun(task_id, request_id=request_id)


def delete_task(*, task_id: int, account_id: UUID | None = None) -> None:
    """Remove a task in any status, with parts, errors and files; a running one is cancelled first.

    Raises TaskNotFound.
    """
    get_task(task_id=task_id, account_id=account_id)
    while not transitions.delete(task_id):  # it is active, or was run again meanwhile
        with suppress(errors.NotCancellable, errors.TaskNotFound):
            transitions.cancel(task_id)
    artefacts.delete_of_task(task_id)


def open_result(*, task_id: int, account_id: UUID | None = None) -> OpenResult:
    """The task's result. Raises, in this order, TaskNotFound, ResultImpossible, NoResultYet, ResultNotFound."""
    task = get_task(task_id=task_id, account_id=account_id)
    if task.task_status in RESULT_REFUSED:
        raise errors.ResultImpossible(task_id, task.task_status)
    if task.task_status != Status.DONE:
        raise errors.NoResultYet(task_id)
    if not task.result_path:
        raise errors.ResultNotFound(task_id)
    try:
        stream = storages["results"].open(task.result_path, "rb")
    except FileNotFoundError:
        raise errors.ResultNotFound(task_id) from None
    return OpenResult(task_id, cast(BinaryIO, stream), task.result_size, task.result_path.endswith(".json"))


def _owned_by(account_id: UUID | None) -> dict[str, UUID]:
    return {} if account_id is None else {"account_id": account_id}
