"""Composition of all routes."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

DIRECT_PREFIX = "1"
"""Under any other prefix the service answers as it does behind the platform's gateway."""

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("lunatasks.api.urls")),
    *(
        path(f"{prefix}/", include(application), {"gateway": prefix != DIRECT_PREFIX})
        for prefix in settings.LUNATASKS_API_PREFIXES
        for application in ("tasks_app.api.urls", "errors_app.api.urls")
    ),
]

handler400 = "lunatasks.api.exceptions.bad_request"
handler403 = "lunatasks.api.exceptions.forbidden"
handler404 = "lunatasks.api.exceptions.page_not_found"
handler500 = "lunatasks.api.exceptions.server_error"
