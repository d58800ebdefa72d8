"""Which descriptor version a task works on when its content names none."""

from typing import Any

from django.conf import settings

from lunatasks.luna_services.descriptors import VERSIONS, DescriptorVersion


def default_version(kind: str) -> DescriptorVersion:
    """The installation's version of descriptors of a face or a body."""
    return VERSIONS[settings.LUNATASKS_BODY_VERSION if kind == "body" else settings.LUNATASKS_FACE_VERSION]


def version_of(members: dict[str, Any]) -> DescriptorVersion:
    """The version that the `descriptor` among validated members means; that of faces when it was refused."""
    descriptor = members.get("descriptor")
    return default_version(descriptor.type if descriptor is not None else "face")
