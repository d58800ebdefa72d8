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
from lunatasks.luna_services.ports import EventCard, ImageNotFound

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
            path(
                "event-images/<uuid:account_id>/<uuid:event_id>/<str:kind>/<uuid:image_id>.jpg",
                self.admin_view(self.event_image),
                name="event_image",
            ),
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
        return _jpeg(image)

    def event_image(
        self, request: HttpRequest, account_id: UUID, event_id: UUID, kind: str, image_id: UUID
    ) -> HttpResponse:
        """A face, a body or the source image of an event, for those who may see events; no other image by its id."""
        if not request.user.has_perm("embedded.view_event"):
            raise PermissionDenied
        events = registry.events().get_events(account_id, [event_id])
        if not events or image_id not in _images_of(events[0], kind):
            raise Http404("no such image")
        try:
            return _jpeg(registry.image_store().get_image(account_id, _bucket(kind), image_id))
        except ImageNotFound:
            raise Http404("no such image") from None


def _images_of(event: EventCard, kind: str) -> set[UUID]:
    """Ids of images that the event names: of its `face` or `body` samples, or its `origin`."""
    seen = {"face": event.face_detections, "body": event.body_detections}
    if kind in seen:
        return {one.sample_id for one in seen[kind] if one.sample_id}
    if kind != "origin":
        return set()
    from lunatasks.luna_services.embedded.event_rows import origin_id  # the site is made before models are loaded

    found = {origin_id(one.image_origin) for one in (*event.face_detections, *event.body_detections)}
    return {image_id for image_id in found if image_id is not None}


def _bucket(kind: str) -> str:
    buckets = registry.buckets()
    return {"face": buckets.face_samples, "body": buckets.body_samples}.get(kind, buckets.image_origins)


def _jpeg(image: bytes) -> HttpResponse:
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": IMAGE_POLICY}
    return HttpResponse(image, content_type="image/jpeg", headers=headers)


def _overview(request: HttpRequest) -> dict[str, Any]:
    from lunatasks.admin_site.overview import overview  # the site is made before models are loaded

    return {"overview": overview()} if request.user.has_perm("tasks_app.view_task") else {"overview": None}
