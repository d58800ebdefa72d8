"""What a port refuses and no task type expects: stored under its own code, and nothing else of it."""

import pytest

from errors_app.models import TaskError
from lunatasks import errors
from lunatasks.luna_services.ports import BadPolicies, ListNotFound, PortError
from tasks_app import transitions
from tasks_app.states import Status, TaskType
from workers.task_types import TYPES
from workers.task_types.base import Plan, TaskKind

SECRET = "secret 0.1234"


def kinds_of(kind):
    return {kind, *(below for child in kind.__subclasses__() for below in kinds_of(child))}


@pytest.fixture
def run_refused(monkeypatch, transactional_db, account, sent, work):
    """The ended task of a type of one part, one step of which raises that error."""

    def run(step, error):
        def refuse(*_):
            raise error

        steps = {"split": lambda context, phase: Plan(parts=[0]), "process": lambda *_: None, "merge": refuse}
        kind = TaskKind(number=TaskType.CLUSTERING, needs_all_parts=False, **steps | {step: refuse})
        monkeypatch.setitem(TYPES, TaskType.CLUSTERING, kind)
        task = transitions.create(account_id=account, task_type=TaskType.CLUSTERING, content={})
        work()
        task.refresh_from_db()
        return task

    return run


@pytest.mark.parametrize("step", ["split", "process", "merge"])
@pytest.mark.parametrize("error", [ListNotFound(SECRET), BadPolicies(SECRET, SECRET), PortError(SECRET)], ids=repr)
def test_a_refusal_is_stored_by_its_code_alone(run_refused, caplog, step, error):
    task = run_refused(step, error)

    stored = TaskError.objects.order_by("id").first()
    assert task.task_status == Status.FAILED
    assert (stored.error_code, stored.status_code) == (error.code, errors.CATALOGUE[error.code].status)
    assert (stored.detail, stored.additional_info) == (errors.CATALOGUE[error.code].desc, None)
    assert "secret" not in caplog.text
    assert type(error).__name__ in caplog.text


@pytest.mark.parametrize("kind", sorted(kinds_of(PortError), key=lambda kind: kind.__name__))
def test_every_refusal_of_a_port_has_its_class_in_the_catalogue(kind):
    stored = errors.nameless(kind.code)

    assert stored.code == kind.code
    assert stored.detail == stored.desc


@pytest.mark.parametrize("code", errors.CATALOGUE)
def test_a_nameless_error_shows_no_gap_where_a_name_would_stand(code):
    assert errors.nameless(code).detail == errors.CATALOGUE[code].desc


def test_a_code_of_no_class_is_an_internal_error():
    assert errors.nameless(999).code == errors.InternalError.code
