"""The adapter of each port that the settings name."""

from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from lunatasks.luna_services.ports import Buckets, Events, Faces, Handlers, ImageStore


@cache
def faces() -> Faces:
    """The faces service of this installation."""
    return cast(Faces, import_string(settings.LUNATASKS_FACES)())


@cache
def events() -> Events:
    """The events service of this installation."""
    return cast(Events, import_string(settings.LUNATASKS_EVENTS)())


@cache
def image_store() -> ImageStore:
    """The image store of this installation."""
    return cast(ImageStore, import_string(settings.LUNATASKS_IMAGE_STORE)())


@cache
def handlers() -> Handlers:
    """The handlers service of this installation."""
    return cast(Handlers, import_string(settings.LUNATASKS_HANDLERS)())


def buckets() -> Buckets:
    """Names of the buckets of the image store."""
    return Buckets(**settings.LUNATASKS_BUCKETS)
