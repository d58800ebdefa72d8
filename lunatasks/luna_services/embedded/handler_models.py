"""Table of the handlers."""

from django.db import models
from django.utils import timezone


class Handler(models.Model):
    """A handler of one account: policies with all defaults filled in. It never changes; another one is made instead."""

    handler_id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    description = models.CharField(max_length=128, default="", blank=True)
    policies = models.JSONField()
    create_time = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "embedded"
        indexes = [models.Index("account_id", "handler_id", name="handler_account_id")]

    def __str__(self) -> str:
        return self.description or str(self.handler_id)
