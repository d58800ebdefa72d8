"""Cancel, rerun and delete: asked for, confirmed, done by the services, written to the admin's log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from lunatasks.admin_site import formats, roles
from lunatasks.admin_site.readonly import as_id
from lunatasks.errors import LunaError
from tasks_app import services
from tasks_app.models import Task
from tasks_app.states import CANCELLABLE, RERUNNABLE, Status

MOST_AT_ONCE = 500
"""Django refuses a form with more than 1000 fields."""
MOST_LISTED = 50
MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done to tasks. `statuses`: in which it can succeed."""

    verb: str
    past: str
    permission: str
    statuses: frozenset[Status]
    call: Callable[[int], None]
    consequence: str
    flag: int = CHANGE
    label: str = field(default="")

    def is_allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"tasks_app.{self.permission}")

    def run(self, request: HttpRequest, tasks: Sequence[Task]) -> int:
        """Act on each task and tell how it went; how many there were."""
        done: list[Task] = []
        refused: list[str] = []
        for task in tasks:
            try:
                self.call(task.pk)
            except LunaError as error:
                refused.append(error.detail)
            else:
                done.append(task)
        self._log(request, done)
        if done:
            messages.success(request, f"{formats.count(len(done), 'task')} {self.past}.")
        self._tell_refused(request, refused)
        return len(done)

    def confirmation(self, request: HttpRequest, model_admin: Any, tasks: Sequence[Task], *, back: str) -> HttpResponse:
        """The page that asks."""
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "title": f"{self.label} {formats.count(len(tasks), 'task')}?",
            "action": self,
            "tasks": tasks[:MOST_LISTED],
            "count": len(tasks),
            "hidden": tasks[MOST_LISTED:],
            "unfit": sum(task.task_status not in self.statuses for task in tasks),
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
            "back": back,
        }
        return render(request, "admin/tasks_app/task/confirm.html", context)

    def goes_on_to(self, task_id: int) -> str:
        """The page after acting on one task; it may be gone."""
        if self.flag == DELETION and not Task.objects.filter(pk=task_id).exists():
            return reverse("admin:tasks_app_task_changelist")
        return reverse("admin:tasks_app_task_change", args=[task_id])

    def _log(self, request: HttpRequest, tasks: list[Task]) -> None:
        if tasks and request.user.pk is not None:
            LogEntry.objects.log_actions(
                request.user.pk,
                tasks,
                self.flag,
                change_message=f"{self.past.capitalize()}.",
            )

    def _tell_refused(self, request: HttpRequest, refused: list[str]) -> None:
        for reason in refused[:MOST_REASONS]:
            messages.warning(request, reason)
        if len(refused) > MOST_REASONS:
            messages.warning(request, f"{formats.count(len(refused) - MOST_REASONS, 'more task')} refused.")


CANCEL = Action(
    verb="cancel",
    label="Cancel",
    past="cancelled",
    permission=roles.CANCEL,
    statuses=CANCELLABLE,
    call=lambda task_id: services.cancel_task(task_id=task_id),
    consequence="Waiting parts stop at once, running ones within seconds. There will be no result; "
    "finished parts are kept, so that a rerun goes on from there.",
)
RERUN = Action(
    verb="rerun",
    label="Run again",
    past="started again",
    permission=roles.RERUN,
    statuses=RERUNNABLE,
    call=lambda task_id: services.rerun_task(task_id=task_id, request_id=services.new_request_id()),
    consequence="A failed or cancelled task keeps its finished parts and does the others again. "
    "A task that is done starts afresh: its result is given up now.",
)
DELETE = Action(
    verb="delete",
    label="Delete",
    past="deleted",
    permission=roles.DELETE,
    statuses=frozenset(Status),
    call=lambda task_id: services.delete_task(task_id=task_id),
    consequence="The task goes for good, with its parts, errors and stored result. A running one is cancelled first.",
    flag=DELETION,
)
BY_VERB = {action.verb: action for action in (CANCEL, RERUN, DELETE)}


@admin.action(description="Cancel selected tasks", permissions=["cancel"])
def cancel_tasks(model_admin: Any, request: HttpRequest, queryset: QuerySet[Task]) -> HttpResponse | None:
    return _ask_then_run(CANCEL, model_admin, request, queryset)


@admin.action(description="Run selected tasks again", permissions=["rerun"])
def rerun_tasks(model_admin: Any, request: HttpRequest, queryset: QuerySet[Task]) -> HttpResponse | None:
    return _ask_then_run(RERUN, model_admin, request, queryset)


@admin.action(description="Delete selected tasks", permissions=["remove"])
def delete_tasks(model_admin: Any, request: HttpRequest, queryset: QuerySet[Task]) -> HttpResponse | None:
    return _ask_then_run(DELETE, model_admin, request, queryset)


ACTIONS = (cancel_tasks, rerun_tasks, delete_tasks)


def _ask_then_run(
    action: Action, model_admin: Any, request: HttpRequest, queryset: QuerySet[Task]
) -> HttpResponse | None:
    if not action.is_allowed(request):
        raise PermissionDenied
    tasks = list(queryset[: MOST_AT_ONCE + 1])
    if len(tasks) > MOST_AT_ONCE:
        messages.error(request, f"At most {formats.count(MOST_AT_ONCE, 'task')} at once; nothing was done.")
        return None
    if request.POST.get("confirmed"):
        action.run(request, _confirmed(request))
        return None
    return action.confirmation(request, model_admin, tasks, back=request.get_full_path())


def _confirmed(request: HttpRequest) -> list[Task]:
    """The tasks that were asked about: one that left the list's filter meanwhile must be told of, too."""
    wanted = [as_id(value) for value in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)]
    ids = list(dict.fromkeys(number for number in wanted if number is not None))[:MOST_AT_ONCE]
    found = Task.objects.defer("content", "inputs").in_bulk(ids)
    return [found.get(number) or Task(pk=number) for number in ids]
