"""What the page of an event shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from lunatasks.admin_site.event_words import in_words
from lunatasks.admin_site.readonly import as_uuid
from lunatasks.admin_site.shown import ImageKind, Kind, ShownObject, event_image, may_see, shown_objects
from lunatasks.luna_services.descriptors import VERSIONS
from lunatasks.luna_services.embedded.event_rows import origin_id, sample_ids
from lunatasks.luna_services.embedded.models import Event, EventDescriptor, FaceList
from lunatasks.luna_services.ports import Detection, EventCard, Rect, TopMatch

MOST_DETECTIONS = 12
MOST_LISTS = 50
MOST_LABELS = 20
MOST_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class ShownDetection:
    """A face or body of the event; `image` is the address of its sample."""

    kind: str
    image: str | None
    rect: Rect | None
    detection: Detection


@dataclass(frozen=True, slots=True)
class ShownOrigin:
    """A source image: by the address of its checked view, or the outside address as text."""

    image: str | None
    text: str


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """Somebody whom the event resembles."""

    one: ShownObject
    external_id: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class ShownMatches:
    """The candidates of one label; `total`: how many the event holds."""

    label: str
    candidates: list[ShownCandidate]
    total: int


def page_of_event(request: HttpRequest, event: EventCard) -> dict[str, Any]:
    """The context of the page."""
    candidates = list(_candidates(event.match_result))
    return {
        "event": event,
        "detections": _detections(event),
        "origins": _origins(event),
        "attributes": _attributes(event),
        "face": _face(request, event),
        "lists": FaceList.objects.filter(pk__in=event.attach_result[:MOST_LISTS], account_id=event.account_id),
        "matches": _matches(request, event, candidates),
        "labels_left": max(0, len(event.match_result) - MOST_LABELS),
        "top_match": _top_match(request, event.account_id, event.top_match),
        "location": [(name, value) for name, value in _location(event) if value],
        "map_text": _map_text(event),
        "descriptors": _descriptors(event.event_id),
    }


def image_of_row(event: Event) -> str | None:
    """Address of the first sample of a row: of its faces, else of its bodies."""
    kinds: tuple[ImageKind, ...] = ("face", "body")
    for kind in kinds:
        if found := sample_ids(getattr(event, f"{kind}_detections")):
            return event_image(event.account_id, event.event_id, kind, found[0])
    return None


def _detections(event: EventCard) -> list[ShownDetection]:
    kinds: list[tuple[ImageKind, Sequence[Detection]]] = [
        ("face", event.face_detections),
        ("body", event.body_detections),
    ]
    return [
        ShownDetection(
            kind,
            event_image(event.account_id, event.event_id, kind, one.sample_id) if one.sample_id else None,
            one.rect,
            one,
        )
        for kind, seen in kinds
        for one in seen[:MOST_DETECTIONS]
    ]


def _origins(event: EventCard) -> list[ShownOrigin]:
    named = [one.image_origin for one in (*event.face_detections, *event.body_detections) if one.image_origin]
    shown = []
    for text in dict.fromkeys(named[:MOST_DETECTIONS]):
        image_id = origin_id(text)
        address = event_image(event.account_id, event.event_id, "origin", image_id) if image_id else None
        shown.append(ShownOrigin(address, text))
    return shown


def _attributes(event: EventCard) -> list[tuple[str, str]]:
    """Those that are known, words beside codes."""
    rows = [
        ("age", f"about {event.age} years" if event.age is not None else None),
        ("gender", in_words("gender", event.gender)),
        ("emotion", in_words("emotion", event.emotion)),
        ("ethnic group", in_words("ethnic_group", event.ethnic_group)),
        ("mask", in_words("mask", event.mask)),
        ("liveness", in_words("liveness", event.liveness)),
        ("apparent age", f"about {event.apparent_age} years" if event.apparent_age is not None else None),
        ("apparent gender", in_words("apparent_gender", event.apparent_gender)),
        ("headwear", in_words("headwear_state", event.headwear_state)),
        ("sleeves", event.sleeve_length),
        ("upper clothing", ", ".join(event.upper_clothing_colors) or None),
        ("backpack", in_words("backpack_state", event.backpack_state)),
    ]
    return [(name, text) for name, text in rows if text is not None]


def _face(request: HttpRequest, event: EventCard) -> ShownObject | None:
    if event.face_id is None:
        return None
    face_id = str(event.face_id)
    if not may_see(request, "face"):
        return ShownObject("face", face_id)
    return shown_objects(event.account_id, "face", [face_id])[face_id]


def _candidates(match_result: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """(label, candidates); what a foreign event holds in another form is left out."""
    for match in match_result[:MOST_LABELS]:
        found = match.get("candidates") if isinstance(match, Mapping) else None
        if isinstance(found, list):
            yield str(match.get("label", "")), [one for one in found if isinstance(one, Mapping)]


def _object_of(candidate: Mapping[str, Any]) -> tuple[Kind, str, str] | None:
    """(kind, id, external id) of the face or event that a candidate names."""
    kinds: tuple[Kind, ...] = ("face", "event")
    for kind in kinds:
        members = candidate.get(kind)
        if isinstance(members, Mapping) and (object_id := as_uuid(str(members.get(f"{kind}_id")))):
            return kind, str(object_id), str(members.get("external_id") or "")
    return None


def _matches(
    request: HttpRequest, event: EventCard, matches: Sequence[tuple[str, list[Mapping[str, Any]]]]
) -> list[ShownMatches]:
    named = [
        [(one, found) for one in candidates[:MOST_CANDIDATES] if (found := _object_of(one))]
        for _, candidates in matches
    ]
    cards = _cards(request, event.account_id, [(kind, one) for some in named for _, (kind, one, _) in some])
    return [
        ShownMatches(
            label,
            [
                ShownCandidate(cards[kind, object_id], external_id, _number(one.get("similarity")))
                for one, (kind, object_id, external_id) in some
            ],
            len(candidates),
        )
        for (label, candidates), some in zip(matches, named, strict=True)
    ]


def _cards(
    request: HttpRequest, account_id: UUID, wanted: Sequence[tuple[Kind, str]]
) -> dict[tuple[str, str], ShownObject]:
    """The objects by kind and id; without the right to see a kind, nothing but their ids."""
    found: dict[tuple[str, str], ShownObject] = {}
    kinds: tuple[Kind, ...] = ("face", "event")
    for kind in kinds:
        ids = [object_id for one, object_id in wanted if one == kind]
        if may_see(request, kind):
            cards = shown_objects(account_id, kind, ids)
        else:
            cards = {object_id: ShownObject(kind, object_id) for object_id in ids}
        found |= {(kind, object_id): card for object_id, card in cards.items()}
    return found


def _top_match(request: HttpRequest, account_id: UUID, match: TopMatch | None) -> dict[str, Any] | None:
    if match is None:
        return None
    key = (match.object_type, str(match.object_id))
    return {"match": match, "one": _cards(request, account_id, [key])[key]}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _location(event: EventCard) -> list[tuple[str, str | None]]:
    return [
        ("City", event.city),
        ("Area", event.area),
        ("District", event.district),
        ("Street", event.street),
        ("House", event.house_number),
    ]


def _map_text(event: EventCard) -> str | None:
    """An address to copy: a link would tell a stranger where somebody was seen."""
    if event.longitude is None or event.latitude is None:
        return None
    latitude, longitude = f"{event.latitude:.6f}", f"{event.longitude:.6f}"
    return f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=17/{latitude}/{longitude}"


def _descriptors(event_id: UUID) -> list[dict[str, Any]]:
    rows = EventDescriptor.objects.filter(event=event_id).order_by("kind", "version")
    return [{**row, "model": VERSIONS.get(row["version"])} for row in rows.values("kind", "version", "generation")]
