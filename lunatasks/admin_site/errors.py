"""Stored errors of tasks."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from errors_app.models import TaskError
from lunatasks.admin_site import formats
from lunatasks.admin_site.filters import NumberFilter, UuidFilter
from lunatasks.admin_site.readonly import ReadOnlyAdmin, as_id, as_uuid
from lunatasks.admin_site.subtasks import task_link
from lunatasks.errors import CATALOGUE, manual_link


class TaskErrorAdmin(ReadOnlyAdmin):
    list_display = ("id", "task_number", "code", "description", "detail", "at")
    list_filter = (
        "task_type", "error_time", ("error_code", NumberFilter), ("task", NumberFilter), ("account_id", UuidFilter)
    )  # fmt: skip
    search_fields = ("detail",)
    search_help_text = "Number of a task, error or code, account id, or words of the detail"
    fields = (
        "task_number", "subtask", "task_type", "code", "description", "explanation", "detail", "additional_info",
        "at", "account_id",
    )  # fmt: skip
    readonly_fields = ("task_number", "code", "explanation", "at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskError], search_term: str
    ) -> tuple[QuerySet[TaskError], bool]:
        """By number of task, error or code, account id, additional information, or words of the detail."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if (number := as_id(term)) is not None:
            small = number < 2**31  # a larger one is no code: PostgreSQL would refuse to compare it
            codes = Q(error_code=number) if small else Q()
            return queryset.filter(Q(task_id=number) | Q(pk=number) | codes), False
        if (wanted := as_uuid(term)) is not None:
            return queryset.filter(Q(account_id=wanted) | Q(additional_info=str(wanted))), False
        return queryset.filter(Q(detail__icontains=term) | Q(description__icontains=term)), False

    @admin.display(description="task", ordering="task_id")
    def task_number(self, error: TaskError) -> SafeString:
        return task_link(error.task_id)

    @admin.display(description="code", ordering="error_code")
    def code(self, error: TaskError) -> SafeString:
        return format_html('<a href="{}">{}</a>', manual_link(error.error_code), error.error_code)

    @admin.display(description="what it means")
    def explanation(self, error: TaskError) -> str:
        known = CATALOGUE.get(error.error_code)
        return (known.__doc__ or "") if known else formats.NOTHING

    @admin.display(description="time (UTC)", ordering="error_time")
    def at(self, error: TaskError) -> str:
        return formats.moment(error.error_time)
