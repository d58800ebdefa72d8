"""Routes of tasks, below a prefix; a trailing slash changes nothing."""

from django.urls import re_path

from lunatasks.api.body import MAX_DESCRIPTION
from tasks_app.api import views
from tasks_app.states import TaskType

CREATIONS = {
    "clustering": TaskType.CLUSTERING,
    "linker": TaskType.LINKER,
    "gc": TaskType.GC,
    "reporter": TaskType.REPORTER,
    "additional_extract": TaskType.ADDITIONAL_EXTRACT,
    "cross_match": TaskType.CROSS_MATCH,
    "roc": TaskType.ROC,
    "exporter": TaskType.EXPORTER,
    "estimator": TaskType.ESTIMATOR,
}
MAX_DESCRIPTIONS = {TaskType.EXPORTER: 128}

urlpatterns = [
    re_path(r"^tasks/?$", views.TaskList.as_view(), name="tasks"),
    re_path(r"^tasks/count/?$", views.TaskCount.as_view(), name="tasks-count"),
    re_path(r"^tasks/(?P<task_id>[0-9]+)/?$", views.TaskDetail.as_view(), name="task"),
    re_path(r"^tasks/(?P<task_id>[0-9]+)/result/?$", views.TaskResult.as_view(), name="task-result"),
    re_path(r"^tasks/(?P<task_id>[0-9]+)/subtasks/?$", views.TaskSubtasks.as_view(), name="task-subtasks"),
    *(
        re_path(
            rf"^tasks/{name}/?$",
            views.TaskCreation.as_view(
                task_type=task_type, max_description=MAX_DESCRIPTIONS.get(task_type, MAX_DESCRIPTION)
            ),
            name=f"create-{name}",
        )
        for name, task_type in CREATIONS.items()
    ),
]
