"""Tasks: the list, the page of one task, and the views around it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import clusters, formats, meanings, task_actions, task_page
from lunatasks.admin_site.filters import UuidFilter
from lunatasks.admin_site.progress import progress_of
from lunatasks.admin_site.readonly import CappedChangeList, ReadOnlyAdmin, as_id, as_uuid
from lunatasks.admin_site.shown import kind_of, may_see
from lunatasks.errors import LunaError
from tasks_app import services
from tasks_app.api.results import result_response
from tasks_app.models import Task

NOT_LISTED = ("content", "inputs", "secrets")
"""Columns that may be large; only the page of one task reads them."""


class TaskChangeList(CappedChangeList):
    """Knows the progress of the tasks on the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        progress = progress_of(self.result_list, now=timezone.now())
        for task in self.result_list:
            task.shown_progress = progress[task.pk]


class TaskAdmin(ReadOnlyAdmin):
    list_display = (
        "number", "shown_type", "status", "progress", "account", "created", "took", "shown_description"
    )  # fmt: skip
    list_display_links = ("number",)
    list_filter = ("task_type", "task_status", "create_time", ("account_id", UuidFilter))
    search_fields = ("description",)
    search_help_text = "Number of a task, account or result id, or words of the description"
    actions = task_actions.ACTIONS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        rows: QuerySet[Task] = super().get_queryset(request)
        return rows.defer(*NOT_LISTED)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TaskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """By number, account or result id exactly; else by the description."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if (wanted := as_uuid(term)) is not None:
            return queryset.filter(Q(account_id=wanted) | Q(result_id=wanted)), False
        if (pk := as_id(term)) is not None:
            return queryset.filter(Q(pk=pk) | Q(description__icontains=term)), False
        return queryset.filter(description__icontains=term), False

    # -- columns

    @admin.display(description="task", ordering="pk")
    def number(self, task: Task) -> str:
        return f"#{task.pk}"

    @admin.display(description="type", ordering="task_type")
    def shown_type(self, task: Task) -> str:
        return task.get_task_type_display()

    @admin.display(description="status", ordering="task_status")
    def status(self, task: Task) -> SafeString:
        return meanings.badge(task.task_status)

    @admin.display(description="progress")
    def progress(self, task: Any) -> SafeString:
        return task.shown_progress.bar()

    @admin.display(description="account", ordering="account_id")
    def account(self, task: Task) -> SafeString:
        return format_html('<a href="?account_id={}">{}</a>', task.account_id, formats.short_id(task.account_id))

    @admin.display(description="created (UTC)", ordering="create_time")
    def created(self, task: Task) -> str:
        return formats.moment(task.create_time)

    @admin.display(description="duration")
    def took(self, task: Task) -> str:
        return formats.duration(task_page.working_time(task, now=timezone.now()))

    @admin.display(description="description")
    def shown_description(self, task: Task) -> str:
        text = task.description
        return text if len(text) <= 80 else f"{text[:79]}…"

    # -- permissions of the actions; Django hides an action from who lacks it

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return task_actions.CANCEL.is_allowed(request)

    def has_rerun_permission(self, request: HttpRequest) -> bool:
        return task_actions.RERUN.is_allowed(request)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return task_actions.DELETE.is_allowed(request)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """As Django does it, but a selection that is no number is the client's error, not ours."""
        if any(as_id(value) is None for value in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)):
            raise BadRequest("a selected task is no number")
        return super().response_action(request, queryset, *args, **kwargs)

    # -- pages

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:task_id>/live/", wrap(self.live), name="tasks_app_task_live"),
            path("<int:task_id>/result/", wrap(self.result), name="tasks_app_task_result"),
            path("<int:task_id>/cluster/<int:number>/", wrap(self.cluster), name="tasks_app_task_cluster"),
            path("<int:task_id>/<slug:verb>/confirm/", wrap(self.confirm), name="tasks_app_task_confirm"),
        ]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a task."""
        number = as_id(object_id)
        task = self._task(request, -1 if number is None else number)
        page = task_page.page_of_task(request, task)
        context = {**self._context(request, task), **page, **(extra_context or {})}
        return render(request, "admin/tasks_app/task/page.html", context)

    def live(self, request: HttpRequest, task_id: int) -> HttpResponse:
        """The part of a task's page that refreshes itself."""
        task = self._task(request, task_id)
        return render(request, "admin/tasks_app/task/live.html", task_page.live_part(task))

    def cluster(self, request: HttpRequest, task_id: int, number: int) -> HttpResponse:
        """All faces or events of one cluster, a page at a time."""
        task = self._task(request, task_id)
        kind = kind_of(task.content.get("objects_type"))
        if not may_see(request, kind):
            raise PermissionDenied
        found = clusters.cluster_page(task, number, page=request.GET.get("page", ""))
        if found is None:
            raise Http404("no such cluster")
        title = f"Cluster {number} of task {task_id}"
        context = {**self._context(request, task), "cluster": found, "kind": kind, "title": title}
        return render(request, "admin/tasks_app/task/cluster.html", context)

    def result(self, request: HttpRequest, task_id: int) -> HttpResponseBase:
        """The result as a download."""
        self._task(request, task_id)
        try:
            return result_response(services.open_result(task_id=task_id))
        except LunaError as error:
            messages.error(request, error.detail)
            return HttpResponseRedirect(reverse("admin:tasks_app_task_change", args=[task_id]))

    def confirm(self, request: HttpRequest, task_id: int, verb: str) -> HttpResponse:
        """Ask, then act on one task."""
        action = task_actions.BY_VERB.get(verb)
        if action is None:
            raise Http404("no such action")
        if not action.is_allowed(request):
            raise PermissionDenied
        task = self._task(request, task_id)
        if request.method == "POST":
            action.run(request, [task])
            return HttpResponseRedirect(action.goes_on_to(task_id))
        return action.confirmation(request, self, [task], back=reverse("admin:tasks_app_task_change", args=[task_id]))

    def _task(self, request: HttpRequest, task_id: int) -> Task:
        if not self.has_view_permission(request):
            raise PermissionDenied
        task = Task.objects.filter(pk=task_id).first()
        if task is None:
            raise Http404("no such task")
        return task

    def _context(self, request: HttpRequest, task: Task) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Task {task.pk}",
            "task": task,
            "type": task.get_task_type_display(),
        }
