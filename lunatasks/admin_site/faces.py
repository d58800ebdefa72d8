"""Faces and their lists, as the embedded service keeps them."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import formats
from lunatasks.admin_site.filters import UuidFilter
from lunatasks.admin_site.readonly import ReadOnlyAdmin, as_uuid
from lunatasks.luna_services.descriptors import VERSIONS
from lunatasks.luna_services.embedded.models import Face, FaceDescriptor, FaceLink, FaceList

MOST_LISTS = 50


def thumbnail(account_id: UUID, sample_id: UUID | None, name: str, *, size: int = 56) -> SafeString:
    """The image of a face by its checked view, or a box that says there is none."""
    if sample_id is None:
        return format_html('<span class="face face-none" title="{}">no image</span>', name)
    return format_html(
        '<img class="face" src="{}" width="{}" height="{}" loading="lazy" alt="face {}">',
        reverse("admin:sample", args=[account_id, sample_id]),
        size,
        size,
        name,
    )


class FaceAdmin(ReadOnlyAdmin):
    list_display = ("image", "shown_id", "external_id", "user_data", "age", "gender", "account", "created")
    list_display_links = ("image", "shown_id")
    list_filter = ("create_time", "gender", ("account_id", UuidFilter), ("lists", UuidFilter))
    ordering = ("-create_time", "-pk")
    search_fields = ("external_id", "user_data")
    search_help_text = "Id of a face, event or account, or part of an external id or user data"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Face]:
        rows: QuerySet[Face] = super().get_queryset(request)
        return rows.prefetch_related("samples")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Face], search_term: str
    ) -> tuple[QuerySet[Face], bool]:
        """By face, event or account id exactly, else by text; an external id may look like a uuid."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = as_uuid(term)
        if wanted is None:
            return queryset.filter(Q(external_id__icontains=term) | Q(user_data__icontains=term)), False
        ids = Q(pk=wanted) | Q(event_id=wanted) | Q(account_id=wanted)
        return queryset.filter(ids | Q(external_id=term)), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a face."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        face_id = as_uuid(object_id)
        face = Face.objects.filter(pk=face_id).prefetch_related("samples").first() if face_id else None
        if face is None:
            raise Http404("no such face")
        lists = list(face.lists.order_by("-create_time")[: MOST_LISTS + 1])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": face.external_id or f"Face {face.pk}",
            "face": face,
            "samples": [thumbnail(face.account_id, sample.pk, face.external_id, size=250) for sample in _samples(face)],
            "lists": lists[:MOST_LISTS],
            "more_lists": len(lists) > MOST_LISTS,
            "descriptors": _descriptors(face),
            **(extra_context or {}),
        }
        return render(request, "admin/embedded/face/page.html", context)

    @admin.display(description="image")
    def image(self, face: Face) -> SafeString:
        samples = _samples(face)
        return thumbnail(face.account_id, samples[0].pk if samples else None, face.external_id)

    @admin.display(description="face", ordering="face_id")
    def shown_id(self, face: Face) -> SafeString | str:
        return formats.short_id(face.pk)

    @admin.display(description="account", ordering="account_id")
    def account(self, face: Face) -> SafeString:
        return format_html('<a href="?account_id={}">{}</a>', face.account_id, formats.short_id(face.account_id))

    @admin.display(description="created (UTC)", ordering="create_time")
    def created(self, face: Face) -> str:
        return formats.moment(face.create_time)


class FaceListAdmin(ReadOnlyAdmin):
    list_display = ("shown_id", "user_data", "face_count", "account", "created", "updated")
    list_filter = ("create_time", ("account_id", UuidFilter))
    ordering = ("-create_time", "-pk")
    search_fields = ("user_data",)
    search_help_text = "Id of a list or account, or part of the user data"
    fields = ("list_id", "user_data", "face_count", "account_id", "created", "updated")
    readonly_fields = ("list_id", "face_count", "created", "updated")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FaceList]:
        rows: QuerySet[FaceList] = super().get_queryset(request)
        links = FaceLink.objects.filter(face_list=OuterRef("pk")).order_by().values("face_list")
        return rows.annotate(link_count=Coalesce(Subquery(links.annotate(count=Count("pk")).values("count")), 0))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FaceList], search_term: str
    ) -> tuple[QuerySet[FaceList], bool]:
        """By list or account id exactly, else by user data."""
        term = search_term.strip()
        if (wanted := as_uuid(term)) is not None:
            return queryset.filter(Q(pk=wanted) | Q(account_id=wanted)), False
        return (queryset.filter(user_data__icontains=term) if term else queryset), False

    @admin.display(description="list", ordering="list_id")
    def shown_id(self, face_list: FaceList) -> SafeString | str:
        return formats.short_id(face_list.pk)

    @admin.display(description="faces")
    def face_count(self, face_list: Any) -> SafeString:
        address = reverse("admin:embedded_face_changelist")
        return format_html(
            '<a href="{}?lists={}">{}</a>', address, face_list.pk, formats.count(face_list.link_count, "face")
        )

    @admin.display(description="account", ordering="account_id")
    def account(self, face_list: FaceList) -> SafeString | str:
        return formats.short_id(face_list.account_id)

    @admin.display(description="created (UTC)", ordering="create_time")
    def created(self, face_list: FaceList) -> str:
        return formats.moment(face_list.create_time)

    @admin.display(description="last change (UTC)", ordering="last_update_time")
    def updated(self, face_list: FaceList) -> str:
        return formats.moment(face_list.last_update_time)


def _samples(face: Face) -> list[Any]:
    return sorted(face.samples.all(), key=lambda sample: sample.pk)


def _descriptors(face: Face) -> list[dict[str, Any]]:
    rows = FaceDescriptor.objects.filter(face=face).order_by("version").values("version", "generation")
    return [{**row, "model": VERSIONS.get(row["version"])} for row in rows]
