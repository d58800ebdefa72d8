"""Composition of all routes."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from lunatasks.admin_site.favicon import Favicon
from lunatasks.api.accounts import DIRECT_PREFIX
from lunatasks.api.views import UnknownPath
from tasks_app.api.metrics import MetricsView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(pattern_name="admin:index"), name="admin-start"),
    path("favicon.ico", Favicon.as_view(), name="favicon"),
    path("", include("lunatasks.api.urls")),
    re_path(r"^metrics/?$", MetricsView.as_view(), name="metrics"),
    *(
        path(f"{prefix}/", include(application), {"gateway": prefix != DIRECT_PREFIX})
        for prefix in settings.LUNATASKS_API_PREFIXES
        for application in ("tasks_app.api.urls", "errors_app.api.urls")
    ),
    re_path(r"^(?!admin/)", UnknownPath.as_view(), name="unknown"),
]

handler400 = "lunatasks.api.exceptions.bad_request"
handler403 = "lunatasks.api.exceptions.forbidden"
handler404 = "lunatasks.api.exceptions.page_not_found"
handler500 = "lunatasks.api.exceptions.server_error"
