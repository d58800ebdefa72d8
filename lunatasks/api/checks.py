"""System checks of the API."""

from typing import Any

from django.conf import settings
from django.core import checks

from lunatasks.env import is_public_address


@checks.register
def check_public_access(**_: Any) -> list[checks.CheckMessage]:
    """A service that strangers can reach should ask who they are."""
    if settings.LUNATASKS_API_AUTH == "token" or not is_public_address(settings.LUNATASKS_HOST):
        return []
    return [
        checks.Warning(
            f"The API listens on {settings.LUNATASKS_HOST} and asks nobody for an access token.",
            hint="Set LUNATASKS_API_AUTH=token and make tokens by `manage.py createtoken`, or bind to 127.0.0.1.",
            id="lunatasks.W030",
        )
    ]
