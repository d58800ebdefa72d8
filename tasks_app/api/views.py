"""Resources of tasks."""

from typing import Any, ClassVar

from django.http import HttpRequest, StreamingHttpResponse

from lunatasks.api import accounts, request_id
from lunatasks.api.answers import Response
from lunatasks.api.body import MAX_DESCRIPTION, read_task_body
from lunatasks.api.openapi import Operation
from lunatasks.api.query import path_id
from lunatasks.api.views import ApiView
from lunatasks.errors import TaskNotFound
from tasks_app import services
from tasks_app.api import operations
from tasks_app.api.results import result_response
from tasks_app.api.shapes import SUBTASK_COLUMNS, TASK_COLUMNS, subtask_shape, task_shape
from tasks_app.models import Subtask, Task
from tasks_app.querysets import TaskFilters, filter_tasks, page_of, row_of
from tasks_app.states import Status, TaskType


class TaskList(ApiView):
    """GET /1/tasks."""

    operations: ClassVar = {"GET": operations.LIST}

    def get(self, request: HttpRequest, **kwargs: Any) -> Response:
        page = self.query.page()
        lookups = task_filters(self, result_id=self.query.uuid("result_id")).lookups()
        found = page_of(Task, TASK_COLUMNS, lookups, offset=page.offset, size=page.size)
        return Response({"tasks": [task_shape(row) for row in found]})


class TaskCount(ApiView):
    """GET /1/tasks/count."""

    operations: ClassVar = {"GET": operations.COUNTED}

    def get(self, request: HttpRequest, **kwargs: Any) -> Response:
        return Response({"count": filter_tasks(task_filters(self)).count()})


class TaskDetail(ApiView):
    """GET, PATCH (cancel) and DELETE /1/tasks/{task_id}."""

    operations: ClassVar = {"GET": operations.DETAIL, "PATCH": operations.CANCEL, "DELETE": operations.DELETE}

    def get(self, request: HttpRequest, task_id: str, **kwargs: Any) -> Response:
        number = path_id(task_id, TaskNotFound)
        row = row_of(Task, TASK_COLUMNS, {"id": number, "account_id": self.reader()})
        if row is None:
            raise TaskNotFound(number)
        return Response(task_shape(row))

    def patch(self, request: HttpRequest, task_id: str, **kwargs: Any) -> Response:
        services.cancel_task(task_id=path_id(task_id, TaskNotFound), account_id=self.reader())
        return Response(status=204)

    def delete(self, request: HttpRequest, task_id: str, **kwargs: Any) -> Response:
        services.delete_task(task_id=path_id(task_id, TaskNotFound), account_id=self.reader())
        return Response(status=204)


class TaskResult(ApiView):
    """GET /1/tasks/{task_id}/result."""

    operations: ClassVar = {"GET": operations.RESULT}

    def get(self, request: HttpRequest, task_id: str, **kwargs: Any) -> StreamingHttpResponse:
        number = path_id(task_id, TaskNotFound)
        return result_response(services.open_result(task_id=number, account_id=self.reader()))


class TaskSubtasks(ApiView):
    """GET /1/tasks/{task_id}/subtasks."""

    operations: ClassVar = {"GET": operations.SUBTASKS}

    def get(self, request: HttpRequest, task_id: str, **kwargs: Any) -> Response:
        task = services.get_task(task_id=path_id(task_id, TaskNotFound), account_id=self.reader())
        rows = Subtask.objects.filter(task_id=task.pk).order_by("id").values(*SUBTASK_COLUMNS)
        return Response({"subtasks": [subtask_shape(row) for row in rows]})


class TaskCreation(ApiView):
    """POST /1/tasks/{name of a type}."""

    task_type = TaskType.UNKNOWN
    max_description = MAX_DESCRIPTION

    def operation(self, method: str) -> Operation:
        """See ApiView."""
        return operations.creation(self.task_type, self.max_description)

    def post(self, request: HttpRequest, **kwargs: Any) -> Response:
        owner = accounts.owner(request, self.grant)
        body = read_task_body(request, max_description=self.max_description)
        task = services.create_task(
            account_id=owner,
            task_type=self.task_type,
            content=body.content,
            description=body.description,
            request_id=request_id.current(),
        )
        tasks = request.path.rstrip("/").rpartition("/")[0]
        return Response({"task_id": task.pk}, status=202, headers={"Location": f"{tasks}/{task.pk}"})


def task_filters(view: ApiView, **more: Any) -> TaskFilters:
    """The filters that list and count share. Raises BadQuery."""
    query = view.query
    return TaskFilters(
        account_id=view.reader(),
        task_ids=query.ids("task_ids"),
        task_type=query.integer("task_type", min(TaskType), max(TaskType)),
        task_status=query.integer("task_status", min(Status), max(Status)),
        create_time__gte=query.time("create_time__gte"),
        create_time__lt=query.time("create_time__lt"),
        end_time__gte=query.time("end_time__gte"),
        end_time__lt=query.time("end_time__lt"),
        **more,
    )
