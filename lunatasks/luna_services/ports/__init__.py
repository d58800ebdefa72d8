"""What the service needs of a face platform: protocols, the values that pass through them, their errors.

An adapter (`embedded`, later `http`) implements the protocols; `registry` picks it by settings.
"""

from lunatasks.luna_services.ports.errors import (
    BadDescriptor,
    BadImage,
    BadValue,
    BucketExists,
    BucketNotFound,
    EventsNotFound,
    FacesNotFound,
    ImageNotFound,
    ListNotFound,
    ObjectNotFound,
    PortError,
)
from lunatasks.luna_services.ports.events import (
    Detection,
    EventCard,
    EventFields,
    EventFilters,
    Events,
    GeoRectangle,
    NewEvent,
    Rect,
    TopMatch,
)
from lunatasks.luna_services.ports.faces import FaceCard, FaceFilters, Faces, ListCard, NewFace
from lunatasks.luna_services.ports.images import Buckets, ImageStore, ObjectInfo
from lunatasks.luna_services.ports.values import (
    BasicAttributes,
    DescriptorKind,
    Extractable,
    Ids,
    NewAttributes,
    StoredDescriptor,
    Vector,
    Vectors,
)

__all__ = [
    "BadDescriptor",
    "BadImage",
    "BadValue",
    "BasicAttributes",
    "BucketExists",
    "BucketNotFound",
    "Buckets",
    "DescriptorKind",
    "Detection",
    "EventCard",
    "EventFields",
    "EventFilters",
    "Events",
    "EventsNotFound",
    "Extractable",
    "FaceCard",
    "FaceFilters",
    "Faces",
    "FacesNotFound",
    "GeoRectangle",
    "Ids",
    "ImageNotFound",
    "ImageStore",
    "ListCard",
    "ListNotFound",
    "NewAttributes",
    "NewEvent",
    "NewFace",
    "ObjectInfo",
    "ObjectNotFound",
    "PortError",
    "Rect",
    "StoredDescriptor",
    "TopMatch",
    "Vector",
    "Vectors",
]
