"""Handlers: read, made and deleted; they never change."""

import json
from typing import Any
from uuid import UUID

import orjson
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import formats, removals
from lunatasks.admin_site.filters import UuidFilter
from lunatasks.admin_site.readonly import MOST_COUNTED, as_uuid
from lunatasks.admin_site.shown import may_see
from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.models import Event, Handler
from lunatasks.luna_services.ports import BadPolicies, ListNotFound, NewHandler, NotOffered, PortError

MOST_CHARACTERS = 2**20
UUID_INPUT = {"size": 40, "spellcheck": "false"}
EXAMPLE = """{
  "extract_policy": {"extract_basic_attributes": 1},
  "match_policy": [],
  "storage_policy": {"image_origin_policy": {"store_image": 1}}
}"""


class HandlerForm(forms.Form):
    """What `createhandler` reads of a file."""

    account_id = forms.UUIDField(label="Account", widget=forms.TextInput(attrs=UUID_INPUT))
    description = forms.CharField(max_length=128, required=False, widget=forms.TextInput(attrs={"size": 60}))
    handler_id = forms.UUIDField(
        label="Handler id",
        required=False,
        widget=forms.TextInput(attrs=UUID_INPUT),
        help_text="Empty: it follows from account, description and policies.",
    )
    policies = forms.CharField(
        max_length=MOST_CHARACTERS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "cols": 100, "spellcheck": "false"}),
        help_text="JSON; what is left out gets its default. Members: detect_policy, extract_policy, match_policy, "
        "conditional_tags_policy, storage_policy.",
    )

    def clean_policies(self) -> Any:
        """The JSON; what it must hold is checked by the service."""
        try:
            return json.loads(self.cleaned_data["policies"])
        except json.JSONDecodeError as error:
            raise forms.ValidationError(f"This is no JSON: line {error.lineno}, column {error.colno}.") from None
        except (ValueError, RecursionError):
            raise forms.ValidationError("This is no JSON.") from None

    def store(self) -> UUID | None:
        """Store the handler; None, with errors in the form, when the service refuses it."""
        given = self.cleaned_data
        handler = NewHandler(
            policies=given["policies"], description=given["description"], handler_id=given["handler_id"]
        )
        try:
            return registry.handlers().add_handler(given["account_id"], handler)[0]
        except BadPolicies as error:
            self.add_error("policies", f"{error.path}: {error.message}" if error.path else error.message)
        except NotOffered as error:
            self.add_error("policies", f"Not available in this installation: {error}.")
        except ListNotFound as error:
            self.add_error("policies", f"The account has no list {error}.")
        except PortError as error:
            self.add_error(None, str(error))
        return None


class HandlerAdmin(removals.RemovableAdmin):
    list_display = ("shown_id", "description", "does", "account", "created")
    list_filter = ("create_time", ("account_id", UuidFilter))
    ordering = ("-create_time", "-pk")
    search_fields = ("description",)
    search_help_text = "Id of a handler or account, or part of the description"
    removal = removals.HANDLERS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("embedded.add_handler")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Handler], search_term: str
    ) -> tuple[QuerySet[Handler], bool]:
        """By handler or account id exactly, else by description."""
        term = search_term.strip()
        if (wanted := as_uuid(term)) is not None:
            return queryset.filter(Q(pk=wanted) | Q(account_id=wanted)), False
        return (queryset.filter(description__icontains=term) if term else queryset), False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form, and making the handler."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"account_id": settings.LUNATASKS_DEFAULT_ACCOUNT_ID, "policies": EXAMPLE}
        form = HandlerForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid() and (handler_id := form.store()):
            self._log_addition(request, handler_id)
            return HttpResponseRedirect(reverse("admin:embedded_handler_change", args=[handler_id]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Make a handler",
            "form": form,
            **(extra_context or {}),
        }
        return render(request, "admin/embedded/handler/form.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a handler."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        handler_id = as_uuid(object_id)
        handler = Handler.objects.filter(pk=handler_id).first() if handler_id else None
        if handler is None:
            raise Http404("no such handler")
        context = {
            **self.admin_site.each_context(request),
            **self.remove_context(request, handler.pk),
            "opts": self.opts,
            "title": handler.description or f"Handler {handler.pk}",
            "handler": handler,
            "does": _summary(handler.policies),
            "policies": orjson.dumps(handler.policies, option=orjson.OPT_INDENT_2).decode(),
            **_events(request, handler),
            **(extra_context or {}),
        }
        return render(request, "admin/embedded/handler/page.html", context)

    def _log_addition(self, request: HttpRequest, handler_id: UUID) -> None:
        handler = Handler.objects.get(pk=handler_id)
        if request.user.pk is not None:
            LogEntry.objects.log_actions(
                request.user.pk, [handler], ADDITION, change_message="Made.", single_object=True
            )
        messages.success(request, f"Handler {handler_id} is stored.")

    @admin.display(description="handler", ordering="handler_id")
    def shown_id(self, handler: Handler) -> SafeString | str:
        return formats.short_id(handler.pk)

    @admin.display(description="what it does")
    def does(self, handler: Handler) -> str:
        return _summary(handler.policies)

    @admin.display(description="account", ordering="account_id")
    def account(self, handler: Handler) -> SafeString:
        return format_html('<a href="?account_id={}">{}</a>', handler.account_id, formats.short_id(handler.account_id))

    @admin.display(description="created (UTC)", ordering="create_time")
    def created(self, handler: Handler) -> str:
        return formats.moment(handler.create_time)


def _summary(policies: dict[str, Any]) -> str:
    """The policies in a line."""
    extract, storage = policies.get("extract_policy", {}), policies.get("storage_policy", {})
    matches, tags = policies.get("match_policy", []), policies.get("conditional_tags_policy", [])
    kept = {
        "events": storage.get("event_policy", {}).get("store_event"),
        "faces": storage.get("face_policy", {}).get("store_face"),
        "samples": storage.get("face_sample_policy", {}).get("store_sample"),
        "source images": storage.get("image_origin_policy", {}).get("store_image"),
    }
    parts = [
        "extracts descriptors" if extract.get("extract_face_descriptor") else "",
        "estimates age and gender" if extract.get("extract_basic_attributes") else "",
        f"matches against {', '.join(rule['label'] for rule in matches[:3])}" if matches else "",
        f"{formats.count(len(tags), 'tag')}" if tags else "",
        f"stores {', '.join(name for name, flag in kept.items() if flag)}" if any(kept.values()) else "stores nothing",
    ]
    return "; ".join(part for part in parts if part)


def _events(request: HttpRequest, handler: Handler) -> dict[str, Any]:
    if not may_see(request, "event"):
        return {"event_count": None}
    rows = Event.objects.filter(account_id=handler.account_id, handler_id=handler.pk)
    count = rows.order_by()[:MOST_COUNTED].count()
    return {"event_count": count, "events_are_capped": count >= MOST_COUNTED}
