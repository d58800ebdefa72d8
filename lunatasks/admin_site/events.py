"""Events, as the embedded service keeps them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import event_page, formats, removals
from lunatasks.admin_site.event_words import EMOTION, ETHNIC_GROUP, GENDER, LIVENESS, MASK
from lunatasks.admin_site.filters import LabelFilter, TagFilter, TextFilter, UuidFilter, coded_filter
from lunatasks.admin_site.readonly import as_uuid
from lunatasks.admin_site.shown import picture
from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.models import Event


class EventAdmin(removals.RemovableAdmin):
    list_display = ("image", "shown_id", "external_id", "source", "track_id", "match", "tags", "account", "created")
    list_display_links = ("image", "shown_id")
    list_filter = (
        "create_time", coded_filter("gender", GENDER), coded_filter("emotion", EMOTION), coded_filter("mask", MASK),
        coded_filter("liveness", LIVENESS), coded_filter("ethnic_group", ETHNIC_GROUP), ("source", TextFilter),
        ("track_id", TextFilter), ("tag_rows__value", TagFilter), ("external_id", TextFilter), ("city", TextFilter),
        ("top_matching_candidates_label", LabelFilter), ("handler_id", UuidFilter), ("face_id", UuidFilter),
        ("top_similar_object_id", UuidFilter), ("account_id", UuidFilter),
    )  # fmt: skip
    ordering = ("-create_time", "-pk")
    search_fields = ("external_id", "user_data")
    search_help_text = (
        "Id of an event, face, handler, matched object or account; a source or track; part of an external id or user "
        "data"
    )
    removal = removals.EVENTS
    not_listed = ("match_result", "attach_result", "attributes_sample_ids")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).prefetch_related("tag_rows")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """By ids exactly, else by source, track and text; an external id may look like a uuid."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = as_uuid(term)
        if wanted is None:
            words = Q(external_id__icontains=term) | Q(user_data__icontains=term)
            return queryset.filter(words | Q(source=term) | Q(track_id=term)), False
        ids = Q(pk=wanted) | Q(account_id=wanted) | Q(face_id=wanted) | Q(handler_id=wanted)
        return queryset.filter(ids | Q(top_similar_object_id=wanted) | Q(external_id=term)), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of an event."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        event_id = as_uuid(object_id)
        account_id = (
            Event.objects.filter(pk=event_id).values_list("account_id", flat=True).first() if event_id else None
        )
        cards = registry.events().get_events(account_id, [event_id]) if account_id and event_id else []
        if not cards:
            raise Http404("no such event")
        context = {
            **self.admin_site.each_context(request),
            **self.remove_context(request, cards[0].event_id),
            **event_page.page_of_event(request, cards[0]),
            "opts": self.opts,
            "title": cards[0].external_id or f"Event {cards[0].event_id}",
            **(extra_context or {}),
        }
        return render(request, "admin/embedded/event/page.html", context)

    @admin.display(description="image")
    def image(self, event: Event) -> SafeString:
        return picture(event_page.image_of_row(event), f"event {event.external_id}".strip())

    @admin.display(description="event", ordering="event_id")
    def shown_id(self, event: Event) -> SafeString | str:
        return formats.short_id(event.pk)

    @admin.display(description="top match", ordering="top_similar_object_similarity")
    def match(self, event: Event) -> SafeString | str:
        if event.top_similar_object_similarity is None:
            return formats.NOTHING
        return format_html(
            "{} <small>{}</small>",
            formats.similarity(event.top_similar_object_similarity),
            event.top_matching_candidates_label or "",
        )

    @admin.display(description="tags")
    def tags(self, event: Event) -> str:
        return ", ".join(sorted(row.value for row in event.tag_rows.all())) or formats.NOTHING

    @admin.display(description="account", ordering="account_id")
    def account(self, event: Event) -> SafeString:
        return format_html('<a href="?account_id={}">{}</a>', event.account_id, formats.short_id(event.account_id))

    @admin.display(description="created (UTC)", ordering="create_time")
    def created(self, event: Event) -> str:
        return formats.moment(event.create_time)
