"""Faces, as the embedded service keeps them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import formats, removals
from lunatasks.admin_site.filters import TextFilter, UuidFilter
from lunatasks.admin_site.readonly import as_uuid
from lunatasks.admin_site.shown import ShownObject, face_image, may_see, picture, shown_objects
from lunatasks.luna_services.descriptors import VERSIONS
from lunatasks.luna_services.embedded.models import Event, Face, FaceDescriptor

MOST_LISTS = 50
MOST_EVENTS = 14


class FaceAdmin(removals.RemovableAdmin):
    list_display = ("image", "shown_id", "external_id", "user_data", "age", "gender", "account", "created")
    list_display_links = ("image", "shown_id")
    list_filter = (
        "create_time", "gender", ("account_id", UuidFilter), ("lists", UuidFilter), ("event_id", UuidFilter),
        ("external_id", TextFilter),
    )  # fmt: skip
    ordering = ("-create_time", "-pk")
    search_fields = ("external_id", "user_data")
    search_help_text = "Id of a face, event or account, or part of an external id or user data"
    removal = removals.FACES
    not_listed = ("attributes_sample_ids",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Face]:
        return super().get_queryset(request).prefetch_related("samples")

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
        name = f"face {face.external_id or face.pk}"
        context = {
            **self.admin_site.each_context(request),
            **self.remove_context(request, face.pk),
            "opts": self.opts,
            "title": face.external_id or f"Face {face.pk}",
            "face": face,
            "samples": [picture(face_image(face.account_id, one.pk), name, size=250) for one in _samples(face)],
            "lists": lists[:MOST_LISTS],
            "more_lists": len(lists) > MOST_LISTS,
            "descriptors": _descriptors(face),
            "event_groups": _event_groups(face) if may_see(request, "event") else None,
            **(extra_context or {}),
        }
        return render(request, "admin/embedded/face/page.html", context)

    @admin.display(description="image")
    def image(self, face: Face) -> SafeString:
        samples = _samples(face)
        address = face_image(face.account_id, samples[0].pk) if samples else None
        return picture(address, f"face {face.external_id}".strip())

    @admin.display(description="face", ordering="face_id")
    def shown_id(self, face: Face) -> SafeString | str:
        return formats.short_id(face.pk)

    @admin.display(description="account", ordering="account_id")
    def account(self, face: Face) -> SafeString:
        return format_html('<a href="?account_id={}">{}</a>', face.account_id, formats.short_id(face.account_id))

    @admin.display(description="created (UTC)", ordering="create_time")
    def created(self, face: Face) -> str:
        return formats.moment(face.create_time)


def _samples(face: Face) -> list[Any]:
    return sorted(face.samples.all(), key=lambda sample: sample.pk)


def _descriptors(face: Face) -> list[dict[str, Any]]:
    rows = FaceDescriptor.objects.filter(face=face).order_by("version").values("version", "generation")
    return [{**row, "model": VERSIONS.get(row["version"])} for row in rows]


def _event_groups(face: Face) -> list[dict[str, Any]]:
    """Events that made or linked the face, and those it was the best match of: the newest of each."""
    listed = reverse("admin:embedded_event_changelist")
    groups = [
        ("Events of this face", {"face_id": face.pk}),
        ("Events that resemble it most", {"top_similar_object_id": face.pk}),
    ]
    found = [(title, condition, _newest_events(face, **condition)) for title, condition in groups]
    if face.event_id:
        # it names an event; that one need not name the face
        found[0] = (found[0][0], found[0][1], list(dict.fromkeys([str(face.event_id), *found[0][2]])))
    cards = shown_objects(face.account_id, "event", (one for _, _, ids in found for one in ids))
    return [_event_group(title, f"{listed}?{_query(condition)}", ids, cards) for title, condition, ids in found]


def _newest_events(face: Face, **condition: Any) -> list[str]:
    rows = Event.objects.filter(account_id=face.account_id, **condition).order_by("-create_time", "-pk")
    return [str(event_id) for event_id in rows.values_list("pk", flat=True)[: MOST_EVENTS + 1]]


def _event_group(title: str, address: str, ids: list[str], cards: dict[str, ShownObject]) -> dict[str, Any]:
    return {
        "title": title,
        "address": address,
        "objects": [cards[one] for one in ids[:MOST_EVENTS]],
        "more": len(ids) > MOST_EVENTS,
    }


def _query(condition: dict[str, Any]) -> str:
    ((name, value),) = condition.items()
    return f"{name}={value}"
