"""System check of the face models, for `check --tag models`."""

from typing import Any

from django.core.checks import CheckMessage, Error

from lunatasks.luna_services.embedded.face_models.weights import models_problems


def check_models(**_: Any) -> list[CheckMessage]:
    """An error for each weight file that is missing or is not the expected one."""
    return [Error(problem, id="lunatasks.E020") for problem in models_problems()]
