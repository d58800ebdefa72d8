"""Every statement of the API reference this service is a twin of, against our document and the running service.

`reference.jsonl` holds a statement per line: the operation, what it is about, which fact, and the value. Each one is
proved here, or stands in DEVIATIONS with the reason why we do otherwise.
"""

import copy
import json
import random
import re
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management.color import no_style
from django.db import connection

from lunatasks.api.documents import openapi_document
from lunatasks.errors import CATALOGUE
from lunatasks.times import parse_time
from tasks_app import contents
from tasks_app.contents import availability
from tasks_app.models import Task
from tasks_app.states import Status, TaskType

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_can_run", "sent")]

STATEMENTS = [json.loads(line) for line in (Path(__file__).parent / "reference.jsonl").read_text().splitlines()]
CHANGES = 30
SAMPLE_ACCOUNT = UUID("557d54ec-29ad-4f3c-93b4-c9092ef12515")
REPORTED_TASK = 146

Key = tuple[str, str, str]

DEVIATIONS: dict[Key, str] = {
    ("GET /1/tasks", "response tasks[].task_type", "member"): "the sample's content is that of a linker, which is 1",
    ("GET /1/tasks/{task_id}", "response task_type", "member"): 'the sample\'s "1" is a slip: the type is an integer',
    ("GET /docs/spec", "header Accept", "required"): "an absent header means the YAML document",
    ("GET /docs/spec", "error detail", "value"): "the sample swaps desc and detail",
    ("GET /docs/spec", "error desc", "value"): "the sample swaps desc and detail",
    ("POST /1/tasks/estimator", "request content.source.authorization.password", "member"): "masked in every read",
}


def key_of(statement) -> Key:
    return statement["operation"], statement["subject"], statement["fact"]


for _statement in STATEMENTS:
    if _statement["subject"] == "header Content-Type" and not _statement["operation"].startswith("POST"):
        DEVIATIONS[key_of(_statement)] = "ignored on methods without a body; OpenAPI has no such parameter"


def is_deviation(statement) -> bool:
    """An intended one; a statement that is not the reference's any more is none."""
    return statement in STATEMENTS and key_of(statement) in DEVIATIONS


@pytest.fixture
def everything_can_run(monkeypatch):
    monkeypatch.setattr(availability, "QUEUE_OF_TYPE", dict.fromkeys(TaskType, "x"))
    monkeypatch.setitem(contents.CHECKS, TaskType.ESTIMATOR, lambda content, account_id: None)
    monkeypatch.setattr("lunatasks.api.health.parts_down", lambda **_: [])


# -- the document ------------------------------------------------------------------------------------


def operation_of(statement):
    method, path = statement["operation"].split(" ")
    return openapi_document()["paths"].get(path, {}).get(method.lower())


def schema_of(statement, operation):
    """(schema, parameter or None) of a parameter, or of a member of the body."""
    place, name = statement["subject"].split(" ")
    if place == "body":
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        return schema["properties"].get(name), {"required": name in schema["required"]}
    if name == "Content-Type":  # OpenAPI says it as the type of the body
        if "requestBody" not in operation:
            return None, None
        types = list(operation["requestBody"]["content"])
        return {"type": "string", "enum": types}, {"required": False}
    for parameter in operation["parameters"]:
        if (parameter["in"], parameter["name"]) == (place, name):
            return parameter["schema"], parameter
    return None, None


def plain(pattern: str) -> str:
    return pattern.replace("[0-9a-fA-F]", "[a-f0-9]")


FORMATS = {
    "date-time": lambda schema: schema.get("format") == "date-time",
    "uuid": lambda schema: schema.get("format") == "uuid",
    "timestamp,uuid": lambda schema: re.fullmatch(schema["pattern"], "1536751345,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a"),
    "comma-separate task ids": lambda schema: re.fullmatch(schema["pattern"], "1,2,3"),
}


def documented(statement) -> bool:
    """Whether our document says the same."""
    operation = operation_of(statement)
    if operation is None or statement["subject"] == "operation":
        return operation is not None
    schema, parameter = schema_of(statement, operation)
    fact, value = statement["fact"], statement["value"]
    if schema is None:
        return False
    if fact == "exists":
        return True
    if fact == "required":
        return parameter.get("required", False) is value
    if fact == "format":
        return value in FORMATS and bool(FORMATS[value](schema))
    if fact == "pattern":
        return plain(schema["pattern"]).startswith(value)
    if fact == "example":
        return str(parameter.get("example")) == value
    return schema.get(fact) == value


# -- the running service -----------------------------------------------------------------------------


def rebuilt(statements) -> dict:
    """The sample of which the statements are the leaves; lists of objects have two equal ones."""
    sample: dict = {}
    for statement in statements:
        *above, last = statement["subject"].split(" ", 1)[1].split(".")
        here = sample
        for name in above:
            inner = here.setdefault(name.removesuffix("[]"), [{}] if name.endswith("[]") else {})
            here = inner[0] if isinstance(inner, list) else inner
        here[last] = statement["value"]
    return sample


def at(document, path: str):
    """The value at a dotted path; raises KeyError."""
    for name in path.split("."):
        document = document[name.removesuffix("[]")]
        document = document[0] if name.endswith("[]") else document
    return document


class Service:
    """The service with one finished linker of the reference's sample, and the answers it gave."""

    def __init__(self, api, make_task, finished_task, make_subtask, make_error):
        self.api = api
        self.answers: dict[str, object] = {}
        sample = rebuilt(self.members("POST /1/tasks/linker", "request", STATEMENTS))
        self.task = finished_task(
            ["557d54ec-29ad-4f3c-93b4-c9092ef12515"],
            pk=REPORTED_TASK + 1,
            task_type=TaskType.LINKER,
            content=sample["content"],
            description=sample["description"],
        )
        part = make_subtask(self.task, subtask_status=Status.DONE)
        self.error = make_error(self.task, subtask=part, additional_info="x")
        content = {"objects_type": "events", "filters": {}}
        finished_task([], pk=REPORTED_TASK, account_id=SAMPLE_ACCOUNT, content=content)
        go_on_after_given_ids()

    @staticmethod
    def members(operation: str, kind: str, statements):
        return [
            statement
            for statement in statements
            if statement["operation"] == operation and statement["subject"].startswith(f"{kind} ")
        ]

    def path(self, template: str) -> str:
        return template.replace("{task_id}", str(self.task.pk)).replace("{error_id}", str(self.error.pk))

    def answer(self, operation: str):
        """The body of a success of a method without a body."""
        if operation not in self.answers:
            method, path = operation.split(" ")
            response = self.api.client.generic(method, self.path(path))
            assert response.status_code == 200, (operation, response.content)
            self.answers[operation] = json.loads(response.getvalue())
        return self.answers[operation]

    def refusal(self, operation: str):
        """The body of the error that the reference shows."""
        method, path = operation.split(" ")
        if operation == "GET /docs/spec":
            return self.api.client.get(path, headers={"Accept": "image/png"}).json()
        if operation == "GET /docs/dev":
            return CATALOGUE[1]().as_body()
        return self.api.client.generic(method, f"{self.path(path)}?account_id=x").json()

    def created(self, operation: str, statements):
        """(response, the task that was stored) of the sample body; None when it was refused."""
        body = rebuilt(self.members(operation, "request", statements))
        if operation == "POST /1/tasks/roc":
            body["content"]["markup"] *= 2
        if operation == "POST /1/tasks/estimator":
            body["content"]["source"].setdefault("reference", "photos.zip")  # the reference's sample is cut short
        owners = [value for name, value in leaves(body) if name == "account_id"]
        response = self.api.post(
            operation.removeprefix("POST /1"),
            body,
            headers={"Luna-Account-Id": owners[0] if owners else str(SAMPLE_ACCOUNT)},
        )
        stored = Task.objects.get(pk=response.json()["task_id"]) if response.status_code == 202 else None
        return response, stored


def go_on_after_given_ids() -> None:
    """PostgreSQL counts ids apart from the rows: it would come upon the two that were given."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Task]):
            cursor.execute(statement)


def leaves(value, name=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key)
    else:
        yield name, value


def same(shown, stored) -> bool:
    if isinstance(shown, str) and re.match(r"\d{4}-\d\d-\d\dT", shown):
        return parse_time(shown) == parse_time(stored)
    return shown == stored


def member_holds(statement, service: Service, statements) -> bool:
    kind, path = statement["subject"].split(" ")
    operation, value = statement["operation"], statement["value"]
    try:
        if kind == "request":
            _, stored = service.created(operation, statements)
            return stored is not None and same(
                value, at({"content": stored.content, "description": stored.description}, path)
            )
        if operation.startswith("POST"):
            response, _ = service.created(operation, statements)
            return type(at(response.json(), path)) is type(value)
        found = at(service.answer(operation), path)
    except (KeyError, TypeError, IndexError):
        return False
    if operation == "GET /config" or ".content." in path or path.startswith("content."):
        return same(value, found)
    return type(found) is type(value) or {type(found), type(value)} == {int, float}


def holds(statement, service: Service, statements=STATEMENTS) -> bool:
    """Whether our document and the running service do what the statement says."""
    if operation_of(statement) is None:
        return False
    kind = statement["subject"].split(" ")[0]
    if kind in ("request", "response"):
        return member_holds(statement, service, statements)
    if kind == "error":
        return service.refusal(statement["operation"]).get(statement["subject"].split(" ")[1]) == statement["value"]
    return documented(statement)


@pytest.fixture
def service(api, make_task, finished_task, make_subtask, make_error) -> Service:
    return Service(api, make_task, finished_task, make_subtask, make_error)


@cache
def statements_by_operation() -> dict[str, list[dict]]:
    grouped: dict[str, list[dict]] = {}
    for statement in STATEMENTS:
        grouped.setdefault(statement["operation"], []).append(statement)
    return grouped


@pytest.mark.parametrize("operation", statements_by_operation())
def test_every_statement_holds_or_is_an_intended_deviation(operation, service):
    broken = [
        statement
        for statement in statements_by_operation()[operation]
        if not is_deviation(statement) and not holds(statement, service)
    ]

    assert broken == []


SLIPS_OF_VALUES = {"response tasks[].task_type", "response task_type"}
"""Their deviation is in the value, of which an answer shows the type only."""


def test_every_deviation_is_one(service):
    deviating = [statement for statement in STATEMENTS if is_deviation(statement)]

    assert set(DEVIATIONS) <= {key_of(statement) for statement in deviating}
    assert [
        statement
        for statement in deviating
        if statement["subject"] not in SLIPS_OF_VALUES and holds(statement, service)
    ] == []


def test_every_operation_of_the_document_is_in_the_reference_or_ours():
    ours = {"GET /metrics"}
    documented = {
        f"{method.upper()} {path}" for path, methods in openapi_document()["paths"].items() for method in methods
    }

    assert documented == set(statements_by_operation()) | ours


def changed(statement, chance: random.Random):
    """The statement with another value, or about something else."""
    other = copy.deepcopy(statement)
    fact, value = statement["fact"], statement["value"]
    if statement["subject"] == "operation":
        other["operation"] += "s"
    elif fact == "member" and value is not None and chance.random() < 0.5:
        other["value"] = 1.5 if isinstance(value, str | bool) else "x"  # of another type
    elif fact in ("exists", "member"):
        other["subject"] += "_x"
    elif fact == "required":
        other["value"] = not value
    elif fact == "enum":
        other["value"] = value[:-1] if chance.random() < 0.5 else [*value, "x" if isinstance(value[0], str) else 99]
    elif isinstance(value, int):
        other["value"] = value + chance.choice([-1, 1])
    else:
        place = chance.randrange(len(value) + 1)
        other["value"] = value[:place] + "x" + value[place:]
    return other


@pytest.mark.parametrize("seed", range(3))
def test_thirty_statements_changed_at_random_are_all_noticed(seed, service):
    chance = random.Random(seed)
    unnoticed = []
    for position in chance.sample(range(len(STATEMENTS)), CHANGES):
        wrong = changed(STATEMENTS[position], chance)
        statements = [*STATEMENTS[:position], wrong, *STATEMENTS[position + 1 :]]
        if is_deviation(wrong) or (key_of(wrong) not in DEVIATIONS and holds(wrong, service, statements)):
            unnoticed.append(wrong)  # of a deviation that holds its own test tells

    assert unnoticed == []
