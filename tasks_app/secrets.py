"""Passwords and keys of contents: encrypted in a column of their own, opened by workers only.

The content holds the mask in their place, so that no read, log line or message can show them.
"""

from collections.abc import Mapping

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from lunatasks.errors import SecretsUnreadable
from tasks_app.models import Task


def seal(secrets: Mapping[str, str | int]) -> str:
    """The ciphertext of secrets by dotted path; empty when there are none."""
    return _keys().encrypt(orjson.dumps(secrets)).decode() if secrets else ""


def open_secrets(task: Task) -> dict[str, str | int]:
    """The task's secrets by dotted path, for instance "source.authorization.password".

    Raises SecretsUnreadable when the key they were encrypted with is not there.
    """
    if not task.secrets:
        return {}
    try:
        opened: dict[str, str | int] = orjson.loads(_keys().decrypt(task.secrets))
    except (InvalidToken, ValueError):
        raise SecretsUnreadable(task.pk) from None
    return opened


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.LUNATASKS_ENCRYPTION_KEYS])
