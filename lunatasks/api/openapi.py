"""What the OpenAPI document says of each operation, declared beside its view, and the hooks of drf-spectacular.

A view has `operations`: for every method an Operation. Reusable schemas are added by the applications through
`components`; the document is assembled and validated by drf-spectacular.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema

from lunatasks import errors
from lunatasks.api.accounts import DIRECT_PREFIX
from lunatasks.errors import CATALOGUE, LunaError
from lunatasks.uuids import PATTERN as UUID_PATTERN

Json = dict[str, Any]

REQUEST_ID_PATTERN = "^[0-9]{10},[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$"
MAX_INTEGER = 2**63 - 1
COMMON_ERRORS: tuple[type[LunaError], ...] = (
    errors.BadQuery,
    errors.Unauthenticated,
    errors.OutOfScope,
    errors.InternalError,
)

UUID: Json = {"type": "string", "format": "uuid", "pattern": UUID_PATTERN}
TIME: Json = {"type": "string", "format": "date-time"}
components: dict[str, Json] = {}
"""Schemas by name, filled by the applications when their views are imported."""


def ref(name: str) -> Json:
    """A reference to one of `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Json) -> Json:
    """The schema, or null."""
    return {"oneOf": [schema, {"type": "null"}]}


def record(properties: Json, **more: Any) -> Json:
    """An object that always has all of the properties."""
    return {"type": "object", "properties": properties, "required": list(properties), **more}


def query(name: str, schema: Json, description: str, example: Any = None) -> Json:
    """An optional query parameter."""
    return _parameter("query", name, schema, description, example)


def header(name: str, schema: Json, description: str, example: Any = None, *, required: bool = False) -> Json:
    """A request header."""
    return _parameter("header", name, schema, description, example) | ({"required": True} if required else {})


def in_path(name: str, description: str, example: Any, *, low: int | None = None) -> Json:
    """An id in the path."""
    schema: Json = {"type": "integer"} | ({} if low is None else {"minimum": low})
    return _parameter("path", name, schema, description, example) | {"required": True}


def _parameter(place: str, name: str, schema: Json, description: str, example: Any) -> Json:
    shown = {} if example is None else {"example": example}
    return {"in": place, "name": name, "description": description, "schema": schema} | shown


REQUEST_ID = header(
    "Luna-Request-Id",
    {"type": "string", "pattern": REQUEST_ID_PATTERN},
    "External request id: stands on every log line of the request, and is returned with the answer. "
    "Made when absent; a malformed one is replaced.",
    "1536751345,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a",
)
ACCOUNT_HEADER = header(
    "Luna-Account-Id",
    UUID,
    "The account that the task belongs to.",
    "8950722f-3fd4-4223-b48f-03f95f0e8dfb",
    required=True,
)
ACCOUNT = query(
    "account_id",
    UUID,
    "Only objects of this account; those of others answer as if they did not exist.",
    "7daa0e35-36a2-474a-8f2b-87f78b59d080",
)
PAGE = query("page", {"type": "integer", "minimum": 1, "default": 1}, "Number of the page.")
PAGE_SIZE = query(
    "page_size", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}, "How many items a page has."
)


def bounds(name: str) -> list[Json]:
    """The two bounds of a time."""
    example = "2018-08-11T09:11:41.674Z"
    return [
        query(f"{name}__lt", TIME, f"Upper bound of {name}, excluded.", example),
        query(f"{name}__gte", TIME, f"Lower bound of {name}, included.", example),
    ]


def ids(name: str, example: str) -> Json:
    """A list of ids as one text."""
    schema: Json = {"type": "string", "minLength": 1, "pattern": "^0*[1-9][0-9]*(,0*[1-9][0-9]*){0,999}$"}
    return query(name, schema, "Comma separated ids, 1 to 1000; unknown ones are skipped.", example)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `answer`: the schema of a success; None for an empty one."""

    name: str
    summary: str
    description: str = ""
    tag: str = "tasks"
    parameters: Sequence[Json] = ()
    body: Json | None = None
    status: int = 200
    answer: Json | None = None
    answers: Mapping[str, Json] | None = None
    example: Any = None
    headers: Json = field(default_factory=dict)
    links: Json = field(default_factory=dict)
    errors: Sequence[type[LunaError]] = ()

    def build(self) -> Json:
        """The operation object of the document."""
        operation: Json = {
            "operationId": self.name,
            "summary": self.summary,
            "description": self.description or self.summary,
            "tags": [self.tag],
            "parameters": [*self.parameters, REQUEST_ID],
            "security": [{}, {"accessToken": []}],
            "responses": {str(self.status): self._success(), **error_answers([*self.errors, *COMMON_ERRORS])},
        }
        if self.body is not None:
            operation["requestBody"] = {"required": True, "content": {"application/json": self.body}}
        return operation

    def _success(self) -> Json:
        headers: Json = {"Luna-Request-Id": {"description": "The request id.", "schema": {"type": "string"}}}
        answer: Json = {"description": "Success.", "headers": headers | self.headers}
        contents = dict(self.answers or ({} if self.answer is None else {"application/json": {"schema": self.answer}}))
        if self.example is not None:
            contents["application/json"] = contents["application/json"] | {"example": self.example}
        return answer | ({"content": contents} if contents else {}) | ({"links": self.links} if self.links else {})


def error_answers(classes: Sequence[type[LunaError]]) -> Json:
    """Answers by HTTP status; every code of a status is an example."""
    by_status: dict[int, list[type[LunaError]]] = {}
    for error in dict.fromkeys(classes):
        by_status.setdefault(error.status, []).append(error)
    return {str(status): _error_answer(by_status[status]) for status in sorted(by_status)}


def _error_answer(classes: Sequence[type[LunaError]]) -> Json:
    examples = {
        str(error.code): {
            "summary": (error.__doc__ or "").partition("\n")[0],
            "value": {
                "error_code": error.code,
                "desc": error.desc,
                "detail": error.template,
                "link": f"/docs/dev/errors/{error.code}.html",
            },
        }
        for error in sorted(classes, key=lambda error: error.code)
    }
    by_class: dict[str, list[str]] = {}
    for error in sorted(classes, key=lambda error: error.code):
        by_class.setdefault(error.desc, []).append(str(error.code))
    codes = "; ".join(f"{desc}: {', '.join(numbers)}" for desc, numbers in by_class.items())
    return {
        "description": codes,
        "content": {"application/json": {"schema": ref("Error"), "examples": examples}},
    }


class OperationSchema(AutoSchema):
    """Takes the operation from the view instead of guessing it from serializers."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Json:
        """See AutoSchema."""
        operation: Json = self.view.operation(method).build()  # type: ignore[attr-defined]
        return operation


def plain_paths(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Hook: the paths under one prefix, the direct one when there is it, without the slash that may follow."""
    kept = []
    prefix = min(settings.LUNATASKS_API_PREFIXES, key=lambda name: name != DIRECT_PREFIX)
    for path, regex, method, view in endpoints:
        if path.startswith((f"/{prefix}/", "/version", "/healthcheck", "/config", "/metrics", "/docs")):
            kept.append((path.rstrip("/"), regex, method, view))
    return kept


def add_components(result: Json, generator: Any, request: Any, public: bool) -> Json:
    """Hook: the schemas, and how an access token is sent."""
    result["components"] = {
        "schemas": {name: components[name] for name in sorted(components)},
        "securitySchemes": {
            "accessToken": {
                "type": "http",
                "scheme": "bearer",
                "description": "Needed where LUNATASKS_API_AUTH is `token`; see `manage.py createtoken`.",
            }
        },
    }
    return result


components["Error"] = record(
    {
        "error_code": {"type": "integer", "enum": sorted(CATALOGUE), "description": "Code of the catalogue."},
        "desc": {"type": "string", "description": "The class of the error."},
        "detail": {"type": "string", "description": "This case."},
        "link": {"type": "string", "description": "The manual's page about the code."},
    },
    description="The body of every answer with a status of 400 or more.",
)
