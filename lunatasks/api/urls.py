"""Resources of the service itself; those of tasks and errors lie in their applications."""

from django.urls import re_path

from lunatasks.api import views

urlpatterns = [
    re_path(r"^$", views.StartView.as_view(), name="start"),
    re_path(r"^version/?$", views.VersionView.as_view(), name="version"),
    re_path(r"^healthcheck/?$", views.HealthView.as_view(), name="healthcheck"),
    re_path(r"^config/?$", views.ConfigView.as_view(), name="config"),
    re_path(r"^docs/spec/?$", views.SpecView.as_view(), name="spec"),
    re_path(r"^docs/dev/?$", views.ManualRedirect.as_view(), name="manual"),
    re_path(r"^docs/dev/errors/(?P<code>[0-9]{1,9})\.html$", views.ErrorPage.as_view(), name="error-page"),
    re_path(r"^docs/dev/errors/(?:index\.html)?$", views.ErrorIndex.as_view(), name="error-index"),
    re_path(r"^docs/dev/(?P<path>.+)$", views.ManualFile.as_view(), name="manual-file"),
]
