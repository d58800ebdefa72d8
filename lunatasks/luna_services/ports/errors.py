"""What goes wrong at a port."""

from typing import ClassVar


class PortError(Exception):
    """A service refused or failed. `permanent`: the same call can never succeed. `code`: of the catalogue."""

    permanent: ClassVar[bool] = True
    code: ClassVar[int] = 1


class ListNotFound(PortError):
    """The list does not exist in the account."""

    code = 22003


class FacesNotFound(PortError):
    """One or more of the named faces do not exist in the account; the first one is the argument."""

    code = 22004


class EventsNotFound(PortError):
    """One or more of the named events do not exist in the account; the first one is the argument."""

    code = 23001


class ImageNotFound(PortError):
    """The bucket has no such image of the account; its id is the argument."""

    code = 13003


class BucketNotFound(PortError):
    """The image store has no such bucket; its name is the argument."""

    code = 13005


class BucketExists(PortError):
    """The image store has the bucket already; its name is the argument."""

    code = 13006


class ObjectNotFound(PortError):
    """The bucket has no such object of the account; its id is the argument."""

    code = 13007


class BadDescriptor(PortError):
    """A descriptor of the wrong dimension, not finite or of length zero."""

    code = 12022


class BadImage(PortError):
    """The bytes are no image that can be decoded within the limits."""

    code = 12022


class BadValue(PortError):
    """A member of an object that cannot be stored: too long, out of range, unknown, too many of them."""

    code = 12022
