"""Access tokens of the API."""

import hashlib
import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone

PREFIX = "lt_"


class AccessToken(models.Model):
    """A bearer token, of which only the hash is kept: it has 256 random bits, so that no salt is needed."""

    name = models.CharField(max_length=128, help_text="whose it is, for people")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    account_id = models.UUIDField(null=True, blank=True, help_text="the only account it opens; empty: all of them")
    can_write = models.BooleanField(default=False, help_text="create, cancel and delete tasks, not only read")
    create_time = models.DateTimeField(default=timezone.now, editable=False)
    revoke_time = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "access token"
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"access token {self.pk} of {self.name}"

    def issue(self) -> str:
        """Save a new token; the text that is returned is not kept anywhere."""
        text = f"{PREFIX}{secrets.token_urlsafe(32)}"
        self.digest = digest_of(text)
        self.save()
        return text


def digest_of(text: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(text.encode()).hexdigest()
