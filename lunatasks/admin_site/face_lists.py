"""Lists of faces, as the embedded service keeps them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.admin_site import formats, removals
from lunatasks.admin_site.filters import UuidFilter
from lunatasks.admin_site.readonly import MOST_COUNTED, as_uuid
from lunatasks.admin_site.shown import may_see, shown_objects
from lunatasks.luna_services.embedded.models import FaceLink, FaceList

MEMBERS_SHOWN = 84


class FaceListAdmin(removals.RemovableAdmin):
    list_display = ("shown_id", "user_data", "face_count", "account", "created", "updated")
    list_filter = ("create_time", ("account_id", UuidFilter))
    ordering = ("-create_time", "-pk")
    search_fields = ("user_data",)
    search_help_text = "Id of a list or account, or part of the user data"
    removal = removals.LISTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[FaceList]:
        links = FaceLink.objects.filter(face_list=OuterRef("pk")).order_by().values("face_list")
        counted = Coalesce(Subquery(links.annotate(count=Count("pk")).values("count")), 0)
        return super().get_queryset(request).annotate(link_count=counted)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FaceList], search_term: str
    ) -> tuple[QuerySet[FaceList], bool]:
        """By list or account id exactly, else by user data."""
        term = search_term.strip()
        if (wanted := as_uuid(term)) is not None:
            return queryset.filter(Q(pk=wanted) | Q(account_id=wanted)), False
        return (queryset.filter(user_data__icontains=term) if term else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a list with its latest members."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        list_id = as_uuid(object_id)
        found = FaceList.objects.filter(pk=list_id).first() if list_id else None
        if found is None:
            raise Http404("no such list")
        links = FaceLink.objects.filter(face_list=found)
        count = links[:MOST_COUNTED].count()
        context = {
            **self.admin_site.each_context(request),
            **self.remove_context(request, found.pk),
            "opts": self.opts,
            "title": f"List {found}",
            "face_list": found,
            "count": count,
            "is_capped": count >= MOST_COUNTED,
            "members": _members(found) if may_see(request, "face") else None,
            "members_address": f"{reverse('admin:embedded_face_changelist')}?lists={found.pk}",
            **(extra_context or {}),
        }
        return render(request, "admin/embedded/facelist/page.html", context)

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
    def account(self, face_list: FaceList) -> SafeString:
        short = formats.short_id(face_list.account_id)
        return format_html('<a href="?account_id={}">{}</a>', face_list.account_id, short)

    @admin.display(description="created (UTC)", ordering="create_time")
    def created(self, face_list: FaceList) -> str:
        return formats.moment(face_list.create_time)

    @admin.display(description="last change (UTC)", ordering="last_update_time")
    def updated(self, face_list: FaceList) -> str:
        return formats.moment(face_list.last_update_time)


def _members(face_list: FaceList) -> list[Any]:
    """The faces that came last."""
    links = FaceLink.objects.filter(face_list=face_list).order_by("-pk")
    ids = [str(face_id) for face_id in links.values_list("face_id", flat=True)[:MEMBERS_SHOWN]]
    found = shown_objects(face_list.account_id, "face", ids)
    return [found[face_id] for face_id in ids]
