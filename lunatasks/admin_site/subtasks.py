"""Parts of tasks."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import formats, meanings, task_page
from lunatasks.admin_site.filters import NumberFilter
from lunatasks.admin_site.readonly import ReadOnlyAdmin, as_id, as_uuid
from tasks_app.models import Subtask


def task_link(task_id: int) -> SafeString:
    """The task's number, leading to its page."""
    return format_html('<a href="{}">#{}</a>', reverse("admin:tasks_app_task_change", args=[task_id]), task_id)


class SubtaskAdmin(ReadOnlyAdmin):
    list_display = ("id", "task_number", "phase", "number", "status", "percent", "worker", "attempt", "lost", "took")
    list_filter = ("subtask_status", ("task", NumberFilter))
    search_fields = ("worker",)
    search_help_text = "Number of a task or part, result id, or name of a worker"
    fields = (
        "task_number", "phase", "number", "run", "status", "shown_content", "percent", "worker", "attempt", "lost",
        "created", "started", "ended", "took", "lease", "dispatched", "result_id", "result_size",
    )  # fmt: skip
    readonly_fields = (
        "task_number", "status", "shown_content", "percent", "lost", "created", "started", "ended", "took", "lease",
        "dispatched",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subtask]:
        rows: QuerySet[Subtask] = super().get_queryset(request)
        return rows.defer("content")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Subtask], search_term: str
    ) -> tuple[QuerySet[Subtask], bool]:
        """By number of task or part, result id, worker."""
        term = search_term.strip()
        if (number := as_id(term)) is not None:
            return queryset.filter(task_id=number) | queryset.filter(pk=number), False
        if (wanted := as_uuid(term)) is not None:
            return queryset.filter(result_id=wanted), False
        return (queryset.filter(worker__icontains=term) if term else queryset), False

    @admin.display(description="task", ordering="task_id")
    def task_number(self, part: Subtask) -> SafeString:
        return task_link(part.task_id)

    @admin.display(description="status", ordering="subtask_status")
    def status(self, part: Subtask) -> SafeString:
        return meanings.badge(part.subtask_status)

    @admin.display(description="progress")
    def percent(self, part: Subtask) -> str:
        return f"{task_page.percent_of_part(part)} %"

    @admin.display(description="content")
    def shown_content(self, part: Subtask) -> SafeString:
        return format_html("<pre>{}</pre>", task_page.as_json(part.content)[0])

    @admin.display(description="lease until (UTC)")
    def lease(self, part: Subtask) -> str:
        return formats.moment(part.lease_until)

    @admin.display(description="sent to the queue (UTC)")
    def dispatched(self, part: Subtask) -> str:
        return formats.moment(part.dispatched_at)

    @admin.display(description="lost", ordering="lost_count")
    def lost(self, part: Subtask) -> int:
        return part.lost_count

    @admin.display(description="duration")
    def took(self, part: Subtask) -> str:
        return formats.duration(task_page.working_time(part, now=timezone.now()))

    @admin.display(description="created (UTC)")
    def created(self, part: Subtask) -> str:
        return formats.moment(part.create_time)

    @admin.display(description="started (UTC)")
    def started(self, part: Subtask) -> str:
        return formats.moment(part.start_time)

    @admin.display(description="ended (UTC)")
    def ended(self, part: Subtask) -> str:
        return formats.moment(part.end_time)
