"""Which result is shown by what."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from lunatasks.admin_site.results.estimates import estimates_page
from lunatasks.admin_site.results.extraction import extraction_page
from lunatasks.admin_site.results.ids import gc_page, linker_page
from lunatasks.admin_site.results.matches import matches_page
from lunatasks.admin_site.results.roc import roc_page
from lunatasks.admin_site.results.stream import Unreadable
from lunatasks.admin_site.results.tables import table_page
from tasks_app.models import Task
from tasks_app.states import TaskType

PAGES: dict[int, tuple[str, Callable[[HttpRequest, Task], dict[str, Any]]]] = {
    TaskType.LINKER: ("linker", linker_page),
    TaskType.GC: ("gc", gc_page),
    TaskType.REPORTER: ("table", table_page),
    TaskType.EXPORTER: ("table", table_page),
    TaskType.CROSS_MATCH: ("matches", matches_page),
    TaskType.ROC: ("roc", roc_page),
    TaskType.ADDITIONAL_EXTRACT: ("extraction", extraction_page),
    TaskType.ESTIMATOR: ("estimates", estimates_page),
}


def result_of(request: HttpRequest, task: Task) -> dict[str, Any]:
    """The template and its context; an unreadable result is a sentence."""
    if task.task_type not in PAGES:
        return {}
    name, page = PAGES[task.task_type]
    try:
        shown = page(request, task)
    except Unreadable as problem:
        return {"result_template": "admin/tasks_app/task/results/problem.html", "result": {"problem": str(problem)}}
    return {"result_template": f"admin/tasks_app/task/results/{name}.html", "result": shown}
