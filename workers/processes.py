"""What our processes do when they start."""

from django.core.management.base import CommandError

from lunatasks.luna_services.embedded.face_models.weights import models_problems


def refuse_without_models() -> None:
    """Raise CommandError when a weight file is missing or is not the one we know."""
    problems = models_problems()
    if problems:
        raise CommandError("\n".join(problems))
