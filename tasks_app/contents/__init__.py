"""Contents of tasks: one module per type, one function that checks them all.

A type is added by its module and a line in MODELS; whether it can run here is said by `availability`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from lunatasks.errors import BadBody, NotAvailable
from lunatasks.times import format_time
from tasks_app.contents import (
    additional_extract,
    clustering,
    cross_match,
    estimator,
    exporter,
    gc,
    linker,
    reporter,
    roc,
)
from tasks_app.contents.availability import refuse_unavailable
from tasks_app.contents.members import Content, Members
from tasks_app.states import TaskType

MODELS: dict[TaskType, Callable[[Mapping[str, Any]], type[Content]]] = {
    TaskType.LINKER: linker.model_of,
    TaskType.CLUSTERING: clustering.model_of,
    TaskType.GC: gc.model_of,
    TaskType.REPORTER: reporter.model_of,
    TaskType.ADDITIONAL_EXTRACT: additional_extract.model_of,
    TaskType.CROSS_MATCH: cross_match.model_of,
    TaskType.ROC: roc.model_of,
    TaskType.EXPORTER: exporter.model_of,
    TaskType.ESTIMATOR: estimator.model_of,
}
"""For every type, the model of a content."""

VARIANTS: dict[TaskType, tuple[type[Content], ...]] = {
    TaskType.LINKER: linker.VARIANTS,
    TaskType.CLUSTERING: clustering.VARIANTS,
    TaskType.GC: gc.VARIANTS,
    TaskType.REPORTER: reporter.VARIANTS,
    TaskType.ADDITIONAL_EXTRACT: additional_extract.VARIANTS,
    TaskType.CROSS_MATCH: cross_match.VARIANTS,
    TaskType.ROC: roc.VARIANTS,
    TaskType.EXPORTER: exporter.VARIANTS,
    TaskType.ESTIMATOR: estimator.VARIANTS,
}
"""All the models that a valid content of the type may have, for the OpenAPI document."""

CHECKS: dict[TaskType, Callable[[Mapping[str, Any], UUID], None]] = {
    TaskType.LINKER: linker.check_objects,
    TaskType.REPORTER: reporter.check_objects,
    TaskType.ESTIMATOR: estimator.check_objects,
}
"""For types that name other objects: whether those exist and fit, at creation."""

_PATH_CHARACTERS = 200
_MAX_MEMBERS = 100
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class CheckedContent:
    """A content as it is stored and shown, and its secrets by dotted path, which are stored encrypted."""

    members: dict[str, Any]
    secrets: dict[str, str | int]


def check_content(task_type: TaskType, content: object, *, account_id: UUID, now: datetime) -> CheckedContent:
    """A content that can run here, on objects that exist.

    Raises what `read_content` does, NotAvailable, and the errors of objects that are missing or do not fit.
    """
    checked = read_content(task_type, content, account_id=account_id, now=now)
    refuse_unavailable(task_type, checked)
    secrets = dict(checked.take_secrets())
    members = checked.model_dump(exclude_none=True)
    if task_type in CHECKS:
        CHECKS[task_type](members, account_id)
    return CheckedContent(members, secrets)


def validate_content(task_type: TaskType, content: object, *, account_id: UUID, now: datetime) -> dict[str, Any]:
    """The content as it would be stored, whether or not it can run here. Raises what `read_content` does."""
    checked = read_content(task_type, content, account_id=account_id, now=now)
    dict(checked.take_secrets())
    return checked.model_dump(exclude_none=True)


def read_content(task_type: TaskType, content: object, *, account_id: UUID, now: datetime) -> Content:
    """The content with defaults filled in, uuids lowered, times in UTC, and its objects fixed to those before `now`.

    Raises BadBody with the path of the first member that is wrong, NotAvailable for a type that does not exist.
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
    return checked


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


def _bad_body(error: ValidationError) -> BadBody:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return BadBody(_path(("content", *first["loc"])), first["msg"])


def _path(parts: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in parts)[:_PATH_CHARACTERS]
