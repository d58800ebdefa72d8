"""The adapter of each port that the settings name."""

from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from lunatasks.luna_services.ports import Faces


@cache
def faces() -> Faces:
    """The faces service of this installation."""
    return cast(Faces, import_string(settings.LUNATASKS_FACES)())
