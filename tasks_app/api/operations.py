"""What the OpenAPI document says of the resources of tasks."""

from lunatasks import errors
from lunatasks.api.body import MAX_DESCRIPTION
from lunatasks.api.openapi import (
    ACCOUNT,
    ACCOUNT_HEADER,
    PAGE,
    PAGE_SIZE,
    UUID,
    Json,
    Operation,
    bounds,
    ids,
    in_path,
    query,
    ref,
)
from tasks_app.api.examples import CONTENT_EXAMPLES
from tasks_app.api.schemas import (
    COUNT,
    CREATED,
    STATUSES,
    SUBTASK_EXAMPLE,
    TASK_ERROR_EXAMPLE,
    TASK_EXAMPLE,
    TYPES,
    UUIDS,
    creation_body,
    listed,
)
from tasks_app.states import TaskType

TASK_ID = in_path("task_id", "Id of the task.", 123, low=1)
TASK_TYPE = query("task_type", TYPES, "Only tasks of this type.", 1)
TASK_IDS = ids("task_ids", "1,2,3")
FILTERS = [
    *bounds("create_time"),
    *bounds("end_time"),
    TASK_IDS,
    TASK_TYPE,
    query("task_status", STATUSES, "Only tasks in this status.", 1),
    ACCOUNT,
]
RESULT_ID = query("result_id", UUID, "Only the task with this result.", UUIDS[1])

LIST = Operation(
    name="getTasks",
    summary="Get tasks, newest first",
    parameters=[PAGE, PAGE_SIZE, *FILTERS, RESULT_ID],
    answer=listed("tasks", "Task"),
    example={"tasks": [TASK_EXAMPLE]},
)
COUNTED = Operation(name="countTasks", summary="Count tasks", parameters=FILTERS, answer=COUNT, example={"count": 152})
DETAIL = Operation(
    name="getTask",
    summary="Get a task",
    parameters=[TASK_ID, ACCOUNT],
    answer=ref("Task"),
    example=TASK_EXAMPLE,
    errors=[errors.TaskNotFound],
)
CANCEL = Operation(
    name="cancelTask",
    summary="Cancel a task that has not ended",
    description="Stops pending parts at once and running ones within seconds. What is done stays done.",
    parameters=[TASK_ID, ACCOUNT],
    status=204,
    errors=[errors.TaskNotFound, errors.NotCancellable],
)
DELETE = Operation(
    name="deleteTask",
    summary="Delete a task with its parts, errors and stored results",
    parameters=[TASK_ID, ACCOUNT],
    status=204,
    errors=[errors.TaskNotFound],
)
RESULT = Operation(
    name="getTaskResult",
    summary="Download the result of a task that is done",
    description="JSON with the task's errors, or a zip of a report or export.",
    parameters=[TASK_ID, ACCOUNT],
    answers={
        "application/json": {"schema": ref("Result")},
        "application/zip": {"schema": {"type": "string", "format": "binary"}},
    },
    example={"result": [UUIDS[0]], "errors": [TASK_ERROR_EXAMPLE]},
    headers={"Content-Disposition": {"description": "Name of the file.", "schema": {"type": "string"}}},
    errors=[errors.TaskNotFound, errors.ResultImpossible, errors.NoResultYet, errors.ResultNotFound, errors.Busy],
)
SUBTASKS = Operation(
    name="getSubtasks",
    summary="Get the parts of a task",
    parameters=[TASK_ID, ACCOUNT],
    answer=listed("subtasks", "Subtask"),
    example={"subtasks": [SUBTASK_EXAMPLE]},
    errors=[errors.TaskNotFound],
)

WORK = {
    TaskType.CLUSTERING: "Groups objects of the same person: connected components of the graph of similarities.",
    TaskType.LINKER: "Links faces to a list. Of events, the face they made, or a new one.",
    TaskType.GC: "Deletes objects or their descriptors within the account. `dry_run` lists what would go.",
    TaskType.REPORTER: "Writes a csv file, and images when asked for, about the objects of a clustering.",
    TaskType.ADDITIONAL_EXTRACT: "Extracts missing descriptors or basic attributes from stored samples.",
    TaskType.CROSS_MATCH: "Finds the best candidates of every reference.",
    TaskType.ROC: "Evaluates descriptors on marked images: all pairs decide the curve.",
    TaskType.EXPORTER: "Writes a csv file, and images when asked for, about the objects that match.",
    TaskType.ESTIMATOR: "Puts every image of a source through a handler.",
}
BODY_ERRORS = (
    errors.EmptyBody,
    errors.NotJson,
    errors.BadBody,
    errors.FieldMissing,
    errors.BadContentType,
    errors.BodyTooLarge,
    errors.AccountRequired,
    errors.NotAvailable,
)
MORE_ERRORS: dict[TaskType, tuple[type[errors.LunaError], ...]] = {
    TaskType.LINKER: (errors.ListNotFound,),
    TaskType.REPORTER: (
        errors.TaskNotFound,
        errors.NoReportOfType,
        errors.NoReportOfStatus,
        errors.NoReportWithoutResult,
        errors.ResultNotFound,
    ),
    TaskType.ESTIMATOR: (errors.HandlerNotFound,),
}
USES = ("getTask", "cancelTask", "deleteTask", "getTaskResult", "getSubtasks", "getTaskErrors", "countTaskErrors")


def creation(task_type: TaskType, max_description: int = MAX_DESCRIPTION) -> Operation:
    """POST of a type."""
    body: Json = {
        "schema": creation_body(task_type, max_description),
        "examples": {
            name: {"value": {"description": f"{task_type.label}: {name}", "content": content}}
            for name, content in CONTENT_EXAMPLES[task_type].items()
        },
    }
    return Operation(
        name=f"create{task_type.name.title().replace('_', '')}Task",
        summary=f"Create a task: {task_type.label}",
        description=WORK[task_type],
        tag="creation",
        parameters=[ACCOUNT_HEADER],
        body=body,
        status=202,
        answer=CREATED,
        example={"task_id": 123},
        headers={"Location": {"description": "Path of the task.", "schema": {"type": "string"}}},
        links={use: {"operationId": use, "parameters": {"task_id": "$response.body#/task_id"}} for use in USES},
        errors=[*BODY_ERRORS, *MORE_ERRORS.get(task_type, ())],
    )
