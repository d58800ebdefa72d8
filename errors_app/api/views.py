"""Resources of stored task errors."""

from typing import Any, ClassVar

from django.http import HttpRequest

from errors_app.api import operations
from errors_app.models import TaskError
from lunatasks.api.answers import Response
from lunatasks.api.query import Page, path_id
from lunatasks.api.views import ApiView
from lunatasks.errors import TaskErrorNotFound, TaskNotFound
from tasks_app import services
from tasks_app.api.shapes import ERROR_COLUMNS, error_shape
from tasks_app.querysets import asked, page_of, row_of
from tasks_app.states import TaskType


class ErrorsView(ApiView):
    """What lists and counts of errors share."""

    def page(self, page: Page, lookups: dict[str, Any]) -> Response:
        """One page of the errors that match."""
        found = page_of(TaskError, ERROR_COLUMNS, lookups, offset=page.offset, size=page.size)
        return Response({"errors": [error_shape(row) for row in found]})

    def of_task(self, task_id: str) -> dict[str, Any]:
        """The lookup of one task's errors. Raises TaskNotFound, BadQuery."""
        task = services.get_task(task_id=path_id(task_id, TaskNotFound), account_id=self.reader())
        return {"task_id": task.pk}

    def matching(self, **more: Any) -> dict[str, Any]:
        """Lookups by the filters that list and count share. Raises BadQuery."""
        query = self.query
        lookups = {
            "account_id": self.reader(),
            "task_id__in": query.ids("task_ids"),
            "id__in": query.ids("error_ids"),
            "task_type": query.integer("task_type", min(TaskType), max(TaskType)),
        }
        return asked(lookups | self.moments_and_code() | more)

    def moments_and_code(self) -> dict[str, Any]:
        """The filters that the count of one task has too. Raises BadQuery."""
        query = self.query
        return {
            "error_code": query.integer("error_code"),
            "error_time__gte": query.time("error_time__gte"),
            "error_time__lt": query.time("error_time__lt"),
        }


class ErrorList(ErrorsView):
    """GET /1/tasks/errors."""

    operations: ClassVar = {"GET": operations.LIST}

    def get(self, request: HttpRequest, **kwargs: Any) -> Response:
        return self.page(self.query.page(), self.matching(status_code=self.query.integer("status_code", 400, 599)))


class ErrorCount(ErrorsView):
    """GET /1/tasks/errors/count."""

    operations: ClassVar = {"GET": operations.COUNTED}

    def get(self, request: HttpRequest, **kwargs: Any) -> Response:
        return Response({"count": TaskError.objects.filter(**self.matching()).count()})


class ErrorDetail(ErrorsView):
    """GET /1/tasks/errors/{error_id}."""

    operations: ClassVar = {"GET": operations.DETAIL}

    def get(self, request: HttpRequest, error_id: str, **kwargs: Any) -> Response:
        number = path_id(error_id, TaskErrorNotFound)
        row = row_of(TaskError, ERROR_COLUMNS, {"id": number, "account_id": self.reader()})
        if row is None:
            raise TaskErrorNotFound(number)
        return Response(error_shape(row))


class TaskErrorList(ErrorsView):
    """GET /1/tasks/{task_id}/errors."""

    operations: ClassVar = {"GET": operations.OF_TASK}

    def get(self, request: HttpRequest, task_id: str, **kwargs: Any) -> Response:
        return self.page(self.query.page(), self.of_task(task_id))


class TaskErrorCount(ErrorsView):
    """GET /1/tasks/{task_id}/errors/count."""

    operations: ClassVar = {"GET": operations.COUNTED_OF_TASK}

    def get(self, request: HttpRequest, task_id: str, **kwargs: Any) -> Response:
        lookups = asked(self.moments_and_code()) | self.of_task(task_id)
        return Response({"count": TaskError.objects.filter(**lookups).count()})
