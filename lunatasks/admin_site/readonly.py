"""What all lists share: nothing is written here, and nothing counts a huge table."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST_COUNTED = 10_000
LARGEST_ID = 2**63 - 1


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to a limit only: the pages reach the newest rows, filters and search the others."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:MOST_COUNTED].count()


class CappedChangeList(ChangeList):
    """Says so when there are more rows than were counted."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.is_capped = self.result_count >= MOST_COUNTED


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists and pages that only show, newest first."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    actions: Sequence[Any] | None = None
    ordering: ClassVar[tuple[str | Combinable, ...]] = ("-pk",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CappedChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def as_id(term: str) -> int | None:
    """A search term as a row's number, when it can be one."""
    if re.fullmatch(r"[0-9]{1,19}", term) and int(term) <= LARGEST_ID:
        return int(term)
    return None


def as_uuid(term: str) -> UUID | None:
    """A search term as a uuid, when it is one."""
    try:
        return UUID(term)
    except ValueError:
        return None
