"""Requests generated from the OpenAPI document: what it allows is taken, what it forbids is refused, nothing breaks."""

import re
from collections import Counter

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks as known
from schemathesis.specs.openapi import stateful

from lunatasks.api.documents import openapi_document
from tasks_app.contents import availability
from tasks_app.states import TaskType
from tests.api.openapi import generating

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("every_worker", "kept_connection", "sent")]

SEED = 20180811
EXAMPLES = 44
LEAST_REQUESTS = 2000
CHECKS = [
    known.status_code_conformance,
    known.content_type_conformance,
    known.response_schema_conformance,
    known.response_headers_conformance,
    known.negative_data_rejection,
]
# 400s that no schema can foresee: objects that do not exist, owners, and members that depend on each other
EXPLAINED = re.compile(
    r"^(22003|28107|28015|28016|28106|28019|28020)\b|account_id'|Path: 'content\.handler\.policies|another label"
    r"|outside of the years|should not hold a user|should be a valid integer"  # 1.0 is one to JSON Schema
)

sent_requests: Counter[str] = Counter()
document = schemathesis.openapi.from_dict(generating(openapi_document()))
document.app = get_wsgi_application()
operations = {operation.ok().label: operation.ok() for operation in document.get_all_operations()}
NEED_OBJECTS = {"POST /1/tasks/reporter"} | {label for label in operations if "{" in label}
"""Random ids are rarely those of something that is there: the walk over the links is for these."""
WALKED = {f"{method} /1/tasks/{{task_id}}" for method in ("GET", "PATCH", "DELETE")} | {
    "GET /1/tasks/{task_id}/subtasks"
}

generated = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def every_worker(monkeypatch):
    """No type answers 28108 before its worker is there: contents are what is tested."""
    monkeypatch.setattr(availability, "QUEUE_OF_TYPE", dict.fromkeys(TaskType, "x"))
    monkeypatch.setattr("lunatasks.api.health.parts_down", lambda **_: [])


@pytest.fixture(autouse=True)
def an_error_and_a_done_task(make_error, finished_task, db):
    finished_task([])
    make_error()


@pytest.fixture(scope="module", autouse=True)
def enough_requests(request):
    yield
    if request.session.testsfailed == 0 and request.session.testscollected >= 2 * len(operations):
        assert sent_requests.total() >= LEAST_REQUESTS


def send(case, checks):
    response = case.call(base_url="http://localhost")
    note(case, response)
    case.validate_response(response, checks=checks)
    return response


def note(case, response):
    assert response.status_code != 500
    sent_requests[case.operation.label] += 1


@pytest.mark.parametrize("label", operations)
def test_what_the_document_allows_is_taken(label):
    statuses = set()

    @seed(SEED)
    @generated
    @given(case=operations[label].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case):
        response = send(case, [check for check in CHECKS if check is not known.negative_data_rejection])
        statuses.add(response.status_code)
        if response.status_code == 400:
            body = response.json()
            assert EXPLAINED.search(f"{body['error_code']} {body['detail']}"), (body, case.body, case.query)

    check()

    assert min(statuses) < 400 or label in NEED_OBJECTS  # to refuse everything would keep to the document too


@pytest.mark.parametrize("label", operations)
def test_what_the_document_forbids_is_refused(label):
    operation = operations[label]
    if not (list(operation.iter_parameters()) or operation.body):
        pytest.skip("nothing to send")

    @seed(SEED)
    @generated
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def check(case):
        send(case, CHECKS)

    check()


def test_a_walk_over_the_links_finds_nothing_broken(monkeypatch):
    """The stateful phase: tasks are created, read, cancelled, deleted, and asked for again."""
    succeeded: Counter[str] = Counter()
    # to guess by the names of members, it would begin with GET of a list and never create anything
    monkeypatch.setattr(stateful, "is_likely_root_transition", lambda operation, *_: operation.method == "post")

    class Walk(document.as_state_machine()):
        def validate_response(self, response, case, **_):
            note(case, response)
            if response.status_code < 400:
                succeeded[case.operation.label] += 1
            case.validate_response(response, checks=CHECKS)

        def get_call_kwargs(self, case):
            return {"base_url": "http://localhost"}

    seed(SEED)(Walk)
    Walk.run(
        settings=settings(
            max_examples=150,
            stateful_step_count=8,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )

    followed = {label: number for label, number in succeeded.items() if label in WALKED}
    # which ones depends on what hypothesis finds in the modules that are loaded; most walks come to all
    assert len(followed) >= len(WALKED) - 1
    assert sum(followed.values()) >= 20
