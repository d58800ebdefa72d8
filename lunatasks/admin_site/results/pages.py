"""Which result is shown by what."""

import logging
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

logger = logging.getLogger(__name__)

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
        return _problem(str(problem))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        # the class only: texts of readers quote the result
        logger.warning("the result of task %s cannot be shown: %s", task.pk, type(error).__name__)
        return _problem("The stored result is not of the form it should have; it can only be downloaded.")
    return {"result_template": f"admin/tasks_app/task/results/{name}.html", "result": shown}


def _problem(text: str) -> dict[str, Any]:
    return {"result_template": "admin/tasks_app/task/results/problem.html", "result": {"problem": text}}
