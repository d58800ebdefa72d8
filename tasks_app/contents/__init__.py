"""Contents of tasks: one module per type, one function that checks them all.

A type is added by its module and a line in MODELS; a type without one is not available.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from lunatasks.api.times import format_time
from lunatasks.errors import BadBody, NotAvailable
from tasks_app.contents import clustering
from tasks_app.contents.members import Members
from tasks_app.states import TaskType

MODELS: dict[TaskType, Callable[[Mapping[str, Any]], type[Members]]] = {
    TaskType.CLUSTERING: clustering.model_of,
}
"""For every type, the model of a content."""

_PATH_CHARACTERS = 200
_MAX_MEMBERS = 100
_MAX_DEPTH = 8


def validate_content(task_type: TaskType, content: object, *, account_id: UUID, now: datetime) -> dict[str, Any]:
    """The content with defaults filled in, uuids lowered, times in UTC, and its objects fixed to those before `now`.

    Raises BadBody with the path of the first member that is wrong, NotAvailable for what cannot be done here.
    """
    if not isinstance(content, dict):
        raise BadBody("content", "Input should be an object")
    if task_type not in MODELS:
        raise NotAvailable(f"task type {int(task_type)}")
    _refuse_crowds(content, ("content",))
    model = MODELS[task_type](content)
    try:
        checked = model.model_validate(content)
    except ValidationError as error:
        raise _bad_body(error) from None
    _fix(checked, "content", str(account_id), str(format_time(now)))
    _refuse_missing_services(checked)
    return checked.model_dump(exclude_none=True)


def _refuse_crowds(members: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """A million unknown members would become a million error objects."""
    if len(members) > _MAX_MEMBERS:
        raise BadBody(_path(path), f"Object should have at most {_MAX_MEMBERS} members")
    for name, value in members.items():
        if isinstance(value, dict) and len(path) < _MAX_DEPTH:  # no model is deeper
            _refuse_crowds(value, (*path, name))


def _fix(members: Members, path: str, account_id: str, now: str) -> None:
    """Check the account and set the upper bound of time, in every filters object there is."""
    for name in type(members).model_fields:
        value = getattr(members, name)
        if isinstance(value, Members):
            _fix(value, f"{path}.{name}", account_id, now)
        elif name == "account_id" and value not in (None, account_id):
            raise BadBody(f"{path}.account_id", "Input should be equal to the header Luna-Account-Id")
        elif name == "create_time__lt" and value is None:
            members.create_time__lt = now  # type: ignore[attr-defined]


def _refuse_missing_services(checked: Members) -> None:
    if getattr(checked, "objects_type", None) == "events":
        raise NotAvailable("objects_type 'events'")


def _bad_body(error: ValidationError) -> BadBody:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return BadBody(_path(("content", *first["loc"])), first["msg"])


def _path(parts: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in parts)[:_PATH_CHARACTERS]
