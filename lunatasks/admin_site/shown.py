"""Faces and events as small pictures that lead to their pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import EventCard, FaceCard

Kind = Literal["face", "event"]
ImageKind = Literal["face", "body", "origin"]
IDS_OF_A_CALL = 1000


@dataclass(frozen=True, slots=True)
class ShownObject:
    """A face or event by its id; `exists` is false when it was deleted since. `image`: address of its picture."""

    kind: Kind
    object_id: str
    exists: bool = False
    name: str = ""
    image: str | None = None

    @property
    def address(self) -> str:
        return reverse(f"admin:embedded_{self.kind}_change", args=[self.object_id])


def may_see(request: HttpRequest, kind: Kind) -> bool:
    """Whether the user may see faces, or events."""
    return request.user.has_perm(f"embedded.view_{kind}")


def kind_of(objects_type: object) -> Kind:
    """Of the member `objects_type` of a content."""
    return "event" if objects_type == "events" else "face"


def shown_objects(account_id: UUID, kind: Kind, ids: Iterable[str]) -> dict[str, ShownObject]:
    """The objects of one account by id, one call of the service for at most 1000 of them."""
    wanted = list(dict.fromkeys(ids))[:IDS_OF_A_CALL]
    found = {object_id: ShownObject(kind, object_id) for object_id in wanted}
    if not wanted:
        return found
    uuids = [UUID(object_id) for object_id in wanted]
    if kind == "face":
        cards = registry.faces().get_faces(account_id, uuids)
        return found | {str(card.face_id): shown_face(card) for card in cards}
    return found | {str(card.event_id): shown_event(card) for card in registry.events().get_events(account_id, uuids)}


def shown_face(card: FaceCard) -> ShownObject:
    """A face by its first sample."""
    image = face_image(card.account_id, card.sample_ids[0]) if card.sample_ids else None
    return ShownObject("face", str(card.face_id), True, card.external_id, image)


def shown_event(card: EventCard) -> ShownObject:
    """An event by the sample of its first face, else body."""
    seen: list[tuple[ImageKind, UUID]] = [
        *(("face", one.sample_id) for one in card.face_detections if one.sample_id),
        *(("body", one.sample_id) for one in card.body_detections if one.sample_id),
    ]
    image = event_image(card.account_id, card.event_id, *seen[0]) if seen else None
    return ShownObject("event", str(card.event_id), True, card.external_id, image)


def face_image(account_id: UUID, sample_id: UUID) -> str:
    """Address of a sample of a face."""
    return reverse("admin:sample", args=[account_id, sample_id])


def event_image(account_id: UUID, event_id: UUID, kind: ImageKind, image_id: UUID) -> str:
    """Address of an image that an event names."""
    return reverse("admin:event_image", args=[account_id, event_id, kind, image_id])


def picture(address: str | None, name: str, *, size: int = 56) -> SafeString:
    """The image by its checked view, or a box that says there is none."""
    if address is None:
        return format_html('<span class="face face-none" title="{}">no image</span>', name)
    return format_html(
        '<img class="face" src="{}" width="{}" height="{}" loading="lazy" alt="{}">', address, size, size, name
    )
