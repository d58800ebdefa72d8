"""Routes of task errors, below a prefix; a trailing slash changes nothing."""

from django.urls import re_path

from errors_app.api import views

urlpatterns = [
    re_path(r"^tasks/errors/?$", views.ErrorList.as_view(), name="errors"),
    re_path(r"^tasks/errors/count/?$", views.ErrorCount.as_view(), name="errors-count"),
    re_path(r"^tasks/errors/(?P<error_id>[0-9]+)/?$", views.ErrorDetail.as_view(), name="error"),
    re_path(r"^tasks/(?P<task_id>[0-9]+)/errors/?$", views.TaskErrorList.as_view(), name="task-errors"),
    re_path(r"^tasks/(?P<task_id>[0-9]+)/errors/count/?$", views.TaskErrorCount.as_view(), name="task-errors-count"),
]
