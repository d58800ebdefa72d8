"""Deleting faces, events, lists and handlers: confirmed, done by the services, written to the admin's log."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import DELETION, LogEntry
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from lunatasks.admin_site import formats
from lunatasks.admin_site.readonly import ReadOnlyAdmin, as_uuid
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import PortError

MOST_AT_ONCE = 500
"""Django refuses a form with more than 1000 fields."""
MOST_LISTED = 50


@dataclass(frozen=True, slots=True)
class Removal:
    """How objects of one kind are deleted. `call`: takes an account and ids, returns the ids that existed."""

    noun: str
    permission: str
    call: Callable[[UUID, Sequence[UUID]], list[UUID]]
    consequence: str

    def is_allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"embedded.{self.permission}")

    def run(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Delete the objects behind the rows, account by account, and tell how it went."""
        by_account: dict[UUID, list[UUID]] = defaultdict(list)
        for row in rows:
            by_account[row.account_id].append(row.pk)
        gone: set[UUID] = set()
        missing = 0
        for account_id, ids in by_account.items():
            try:
                removed = self.call(account_id, ids)
            except PortError:
                messages.error(request, f"The {self.noun}s of account {account_id} could not be deleted.")
            else:
                gone |= set(removed)
                missing += len(ids) - len(removed)
        self._log(request, [row for row in rows if row.pk in gone])
        if gone:
            messages.success(request, f"{formats.count(len(gone), self.noun)} deleted.")
        if missing:
            messages.warning(request, f"{formats.count(missing, self.noun)} did not exist any more.")

    def _log(self, request: HttpRequest, gone: list[Any]) -> None:
        if gone and request.user.pk is not None:
            LogEntry.objects.log_actions(request.user.pk, gone, DELETION, change_message="Deleted.")


FACES = Removal(
    noun="face",
    permission="delete_face",
    call=lambda account_id, ids: registry.faces().delete_faces(account_id, ids),
    consequence="Faces go for good, with their images, descriptors and places in lists. "
    "Events that made or met them stay.",
)
EVENTS = Removal(
    noun="event",
    permission="delete_event",
    call=lambda account_id, ids: registry.events().delete_events(
        account_id, ids, remove_samples=True, remove_image_origins=True
    ),
    consequence="Events go for good, with their descriptors, their images of faces and bodies, and each source image "
    "that no other event names. Faces that they made stay.",
)
LISTS = Removal(
    noun="list",
    permission="delete_facelist",
    call=lambda account_id, ids: registry.faces().delete_lists(account_id, ids),
    consequence="Lists go for good; their faces stay and are only taken out of them. "
    "Handlers and tasks that name them will fail.",
)
HANDLERS = Removal(
    noun="handler",
    permission="delete_handler",
    call=lambda account_id, ids: registry.handlers().delete_handlers(account_id, ids),
    consequence="Handlers go for good; events that they made stay. Tasks that name them will fail.",
)


@admin.action(description="Delete selected", permissions=["remove"])
def remove_selected(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    """Ask, then delete what was selected in a list."""
    if not model_admin.removal.is_allowed(request):
        raise PermissionDenied
    if request.POST.get("confirmed"):
        model_admin.removal.run(request, _confirmed(model_admin, request))
        return None
    rows = list(queryset[: MOST_AT_ONCE + 1])
    if len(rows) > MOST_AT_ONCE:
        limit = formats.count(MOST_AT_ONCE, model_admin.removal.noun)
        messages.error(request, f"At most {limit} at once; nothing was done.")
        return None
    return _confirmation(model_admin, request, rows, back=request.get_full_path())


class RemovableAdmin(ReadOnlyAdmin):
    """Lists and pages that show, and can delete what they show."""

    removal: ClassVar[Removal]
    not_listed: ClassVar[tuple[str, ...]] = ()
    """Columns that may be large; only the page of one object reads them."""
    actions = (remove_selected,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer(*self.not_listed)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return self.removal.is_allowed(request)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """As Django does it, but a selection that is no id is the client's error, not ours."""
        if any(as_uuid(value) is None for value in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)):
            raise BadRequest("a selected object has no such id")
        return super().response_action(request, queryset, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_remove"
        own = [path("<uuid:object_id>/remove/", self.admin_site.admin_view(self.remove), name=name)]
        return own + super().get_urls()

    def remove(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Ask, then delete one."""
        if not self.removal.is_allowed(request):
            raise PermissionDenied
        row = self.model.objects.filter(pk=object_id).first()
        if row is None:
            raise Http404("no such object")
        if request.method == "POST":
            self.removal.run(request, [row])
            return HttpResponseRedirect(_address(self, "changelist"))
        return _confirmation(self, request, [row], back=_address(self, "change", object_id))

    def remove_context(self, request: HttpRequest, object_id: UUID) -> dict[str, Any]:
        """What the button of a page needs."""
        allowed = self.removal.is_allowed(request)
        return {"remove_address": _address(self, "remove", object_id) if allowed else None}


def _confirmed(model_admin: Any, request: HttpRequest) -> list[Any]:
    """The rows that were asked about: one that left the list's filter meanwhile counts, too."""
    wanted = [as_uuid(value) for value in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)]
    ids = list(dict.fromkeys(one for one in wanted if one is not None))[:MOST_AT_ONCE]
    found = model_admin.model.objects.defer(*model_admin.not_listed).in_bulk(ids)
    # one that is gone is counted as such; no account holds it
    return [found.get(one) or model_admin.model(pk=one, account_id=UUID(int=0)) for one in ids]


def _confirmation(model_admin: Any, request: HttpRequest, rows: Sequence[Any], *, back: str) -> HttpResponse:
    removal: Removal = model_admin.removal
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"Delete {formats.count(len(rows), removal.noun)}?",
        "removal": removal,
        "rows": [(row, _name(row)) for row in rows[:MOST_LISTED]],
        "hidden": rows[MOST_LISTED:],
        "question": f"Yes: delete {formats.count(len(rows), removal.noun)}",
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
        "list_address": _address(model_admin, "changelist"),
        "back": back,
    }
    return render(request, "admin/embedded/remove.html", context)


def _name(row: Any) -> str:
    names = (getattr(row, member, "") for member in ("external_id", "user_data", "description"))
    return next((name for name in names if name), formats.NOTHING)


def _address(model_admin: Any, page: str, *args: Any) -> str:
    opts = model_admin.opts
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)
