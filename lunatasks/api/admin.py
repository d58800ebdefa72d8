"""Access tokens in the admin: made once, shown once, revoked."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from lunatasks.api.models import AccessToken


@admin.register(AccessToken)
class AccessTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A token cannot be changed: revoke it and make another one."""

    list_display = ("name", "account_id", "can_write", "create_time", "revoke_time")
    fields = ("name", "account_id", "can_write")
    search_fields = ("name", "account_id")
    list_filter = ("can_write", ("revoke_time", admin.EmptyFieldListFilter))
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: AccessToken | None = None) -> bool:
        """Only the list's actions, which ask for it without an object."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: AccessToken | None = None) -> bool:
        """A revoked token stays, so that its name explains old log lines."""
        return False

    def save_model(self, request: HttpRequest, obj: AccessToken, form: Any, change: bool) -> None:
        """Make the token and show it."""
        text = obj.issue()
        messages.warning(request, f"The token is {text} - keep it now, it is not shown again.")

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AccessToken]) -> None:
        """End the chosen tokens."""
        count = queryset.filter(revoke_time=None).update(revoke_time=timezone.now())
        for token in queryset:
            self.log_change(request, token, "revoked")
        messages.success(request, f"{count} access token{'s' if count != 1 else ''} revoked.")
