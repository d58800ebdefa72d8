"""What the OpenAPI document says of the resources of errors."""

from lunatasks import errors
from lunatasks.api.openapi import ACCOUNT, PAGE, PAGE_SIZE, Operation, bounds, ids, in_path, query, ref
from tasks_app.api.operations import TASK_ID, TASK_IDS, TASK_TYPE
from tasks_app.api.schemas import COUNT, TASK_ERROR_EXAMPLE, listed

ERROR_CODE = query("error_code", {"type": "integer"}, "Only errors of this code.")
STATUS_CODE = query(
    "status_code",
    {"type": "integer", "minimum": 400, "maximum": 599},
    "Only errors whose code has this HTTP status in the catalogue.",
    500,
)
COUNT_FILTERS = [TASK_IDS, ERROR_CODE, ids("error_ids", "4,5,6"), *bounds("error_time"), TASK_TYPE, ACCOUNT]
ERRORS = listed("errors", "TaskError")
ERRORS_EXAMPLE = {"errors": [TASK_ERROR_EXAMPLE]}

LIST = Operation(
    name="getErrors",
    summary="Get errors of tasks, newest first",
    tag="errors",
    parameters=[PAGE, PAGE_SIZE, *COUNT_FILTERS, STATUS_CODE],
    answer=ERRORS,
    example=ERRORS_EXAMPLE,
)
COUNTED = Operation(
    name="countErrors",
    summary="Count errors of tasks",
    tag="errors",
    parameters=COUNT_FILTERS,
    answer=COUNT,
    example={"count": 101},
)
DETAIL = Operation(
    name="getError",
    summary="Get an error",
    tag="errors",
    parameters=[in_path("error_id", "Id of the error.", 10), ACCOUNT],
    answer=ref("TaskError"),
    example=TASK_ERROR_EXAMPLE,
    errors=[errors.TaskErrorNotFound],
)
OF_TASK = Operation(
    name="getTaskErrors",
    summary="Get errors of a task, newest first",
    tag="errors",
    parameters=[TASK_ID, PAGE, PAGE_SIZE, ACCOUNT],
    answer=ERRORS,
    example=ERRORS_EXAMPLE,
    errors=[errors.TaskNotFound],
)
COUNTED_OF_TASK = Operation(
    name="countTaskErrors",
    summary="Count errors of a task",
    tag="errors",
    parameters=[TASK_ID, *bounds("error_time"), ERROR_CODE, ACCOUNT],
    answer=COUNT,
    example={"count": 101},
    errors=[errors.TaskNotFound],
)
