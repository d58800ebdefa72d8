"""Django's `check`, which looks at the face models when it is asked for `--tag models`.

Not a check of every command: hosts that only serve the web, and a first `migrate`, have no models.
"""

from typing import Any

from django.core import checks
from django.core.management.commands import check

from lunatasks.luna_services.embedded.checks import check_models


class Command(check.Command):
    """`manage.py check`."""

    def handle(self, *app_labels: Any, **options: Any) -> None:
        if "models" not in (options["tags"] or ()):
            return super().handle(*app_labels, **options)
        checks.register(check_models, "models")
        try:
            return super().handle(*app_labels, **options)
        finally:
            checks.registry.registry.registered_checks.discard(check_models)
