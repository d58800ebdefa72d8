"""Schemas of tasks, parts, errors and contents in the OpenAPI document."""

from typing import Any

from pydantic.json_schema import models_json_schema

from lunatasks.api.body import MAX_DESCRIPTION
from lunatasks.api.openapi import MAX_INTEGER, TIME, UUID, Json, components, nullable, record, ref
from tasks_app.contents import VARIANTS
from tasks_app.states import Status, TaskType

COUNT = record({"count": {"type": "integer", "minimum": 0}})
CREATED = record({"task_id": {"type": "integer", "minimum": 1}})
TYPES: Json = {
    "type": "integer",
    "enum": [int(value) for value in TaskType],
    "description": "; ".join(f"{int(value)} {value.label}" for value in TaskType),
}
STATUSES: Json = {
    "type": "integer",
    "enum": [int(value) for value in Status],
    "description": "; ".join(f"{int(value)} {value.label}" for value in Status),
}
SUBTASK_STATUSES: Json = {**STATUSES, "enum": [value for value in STATUSES["enum"] if value != Status.COLLECT_RESULTS]}
ID: Json = {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER}
MOMENT = "2021-07-27T22:23:21.537604Z"
UUIDS = ("557d54ec-29ad-4f3c-93b4-c9092ef12515", "8f4f0070-c464-460b-bf78-fac225df72e9")


def content_name(task_type: TaskType) -> str:
    """Name of the schema of a type's content."""
    return f"{task_type.name.title().replace('_', '')}Content"


def content_schemas() -> dict[str, Json]:
    """For every type one schema, `oneOf` where its members depend on each other."""
    pairs: list[Any] = [(model, "validation") for models in VARIANTS.values() for model in models]
    names, document = models_json_schema(pairs, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Json] = {name: untitled(schema) for name, schema in document["$defs"].items()}
    for task_type, models in VARIANTS.items():
        refs = [names[model, "validation"] for model in models]
        schemas[content_name(task_type)] = {"oneOf": refs} if len(refs) > 1 else refs[0]
    return schemas


def untitled(schema: Any, *, of_members: bool = False) -> Any:
    """Without the titles that only repeat the names of members."""
    if isinstance(schema, list):
        return [untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: untitled(value, of_members=name == "properties")
        for name, value in schema.items()
        if of_members or name != "title"
    }


def creation_body(task_type: TaskType, max_description: int = MAX_DESCRIPTION) -> Json:
    """The body of a POST; other members of the top level are ignored."""
    description = {
        "type": "string",
        "default": "",
        "maxLength": max_description,
        "pattern": r"^[^\x00]*$",
        "description": "What people shall read about the task.",
    }
    return {
        "type": "object",
        "properties": {"description": description, "content": ref(content_name(task_type))},
        "required": ["content"],
    }


TASK = record(
    {
        "task_type": TYPES,
        "content": {"type": "object", "description": "As sent, defaults filled in, secrets masked."},
        "task_id": ID,
        "create_time": TIME,
        "end_time": nullable(TIME),
        "last_update_time": TIME,
        "task_status": STATUSES,
        "result_id": nullable(UUID),
        "account_id": UUID,
        "count_task_parts_done": {"type": "integer", "minimum": 0},
        "count_task_parts_all": {"type": "integer", "minimum": 0},
        "description": {"type": "string"},
    }
)
TASK_EXAMPLE = {
    "task_type": 2,
    "content": {
        "objects_type": "faces",
        "filters": {"create_time__lt": MOMENT},
        "params": {"use_track_info": 0},
        "descriptor": {"type": "face"},
        "threshold": 0.9,
    },
    "task_id": 123,
    "create_time": MOMENT,
    "end_time": None,
    "last_update_time": MOMENT,
    "task_status": 1,
    "result_id": None,
    "account_id": UUIDS[0],
    "count_task_parts_done": 10,
    "count_task_parts_all": 100,
    "description": "clustering of useful faces",
}
SUBTASK = record(
    {
        "subtask_id": ID,
        "task_id": ID,
        "result_id": nullable(UUID),
        "create_time": TIME,
        "end_time": nullable(TIME),
        "subtask_status": SUBTASK_STATUSES,
        "content": {"type": "string", "description": "A JSON text."},
    }
)
SUBTASK_EXAMPLE = {
    "subtask_id": 5,
    "task_id": 123,
    "result_id": UUIDS[1],
    "create_time": MOMENT,
    "end_time": MOMENT,
    "subtask_status": 5,
    "content": "{}",
}
TASK_ERROR = record(
    {
        "error_id": ID,
        "task_id": ID,
        "subtask_id": nullable(ID),
        "error_code": {"type": "integer"},
        "link": {"type": "string"},
        "description": {"type": "string"},
        "detail": {"type": "string"},
        "additional_info": nullable({"type": "string"}),
        "error_time": TIME,
    }
)
TASK_ERROR_EXAMPLE = {
    "error_id": 10,
    "task_id": 123,
    "subtask_id": 5,
    "error_code": 22004,
    "link": "/docs/dev/errors/22004.html",
    "description": "Faces not found",
    "detail": f"One or more faces not found, including face with id '{UUIDS[1]}'",
    "additional_info": UUIDS[1],
    "error_time": MOMENT,
}
RESULT = record({"result": {}, "errors": {"type": "array", "items": ref("TaskError")}})


def listed(name: str, schema: str) -> Json:
    """`{name: [schema, ...]}`."""
    return record({name: {"type": "array", "items": ref(schema)}})


components.update(content_schemas())
components.update(Task=TASK, Subtask=SUBTASK, TaskError=TASK_ERROR, Result=RESULT)
