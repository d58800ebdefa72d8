"""The admin site: start page, and views that belong to no model."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from lunatasks.luna_services import registry

PAGE_POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
IMAGE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


ORDER = ("tasks_app", "errors_app", "embedded", "auth")
"""Of the applications on pages and in the header."""


class LunaAdminSite(AdminSite):
    site_title = "Luna Tasks"
    site_header = "Luna Tasks"
    index_title = "Overview"
    site_url = None
    index_template = "admin/overview.html"
    enable_nav_sidebar = False  # lists are wide; the header links to all there is

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """As Django does it, but for django_rq: its pages act on messages behind the back of our rows."""
        models: list[Any] = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        own = [model for model in models if model._meta.app_label != "django_rq"]  # noqa: SLF001
        super().register(own, admin_class, **options)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        own: list[URLResolver | URLPattern] = [
            path("live/", self.admin_view(self.live), name="live"),
            path("samples/<uuid:account_id>/<uuid:sample_id>.jpg", self.admin_view(self.sample), name="sample"),
        ]
        return own + super().get_urls()

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """What an operator looks at most comes first."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["models"].sort(key=lambda model: str(model["object_name"]) not in ("Task", "Face"))
        return sorted(apps, key=lambda app: ORDER.index(app["app_label"]) if app["app_label"] in ORDER else len(ORDER))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """As Django's, with a policy that lets pages load nothing from elsewhere."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def with_policy(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = inner(request, *args, **kwargs)
            response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
            return response

        return with_policy

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The start page."""
        return super().index(request, {**_overview(request), **(extra_context or {})})

    def live(self, request: HttpRequest) -> HttpResponse:
        """The part of the start page that refreshes itself."""
        return render(request, "admin/overview_live.html", _overview(request))

    def sample(self, request: HttpRequest, account_id: UUID, sample_id: UUID) -> HttpResponse:
        """The JPEG of a face, for those who may see faces."""
        if not request.user.has_perm("embedded.view_face"):
            raise PermissionDenied
        image = registry.faces().open_sample(account_id, sample_id)
        if image is None:
            raise Http404("no such sample")
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": IMAGE_POLICY}
        return HttpResponse(image, content_type="image/jpeg", headers=headers)


def _overview(request: HttpRequest) -> dict[str, Any]:
    from lunatasks.admin_site.overview import overview  # the site is made before models are loaded

    return {"overview": overview()} if request.user.has_perm("tasks_app.view_task") else {"overview": None}
