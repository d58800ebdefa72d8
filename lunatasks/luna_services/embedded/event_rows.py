"""Between events of the port and rows of the tables; all validation of new events."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from lunatasks.luna_services.embedded.filters import one_grey
from lunatasks.luna_services.embedded.models import (
    COLORS,
    EVENT_CODES,
    Event,
    EventColor,
    EventDescriptor,
    EventOrigin,
    EventTag,
)
from lunatasks.luna_services.embedded.rows import MOST_AGE, check_text, check_time, flat_descriptors, uuids_of_bytes
from lunatasks.luna_services.flat import detection_json, read_detection
from lunatasks.luna_services.ports import (
    BadValue,
    DescriptorKind,
    Detection,
    EventCard,
    EventFields,
    NewEvent,
    TopMatch,
)

MOST_MEMBERS = 100
"""Tags, detections or lists of one event."""
MOST_BYTES = 2**20
"""Of the match results of one event, as JSON."""

_TEXTS = ("external_id", "user_data", "source", "track_id", "city", "area", "district", "street", "house_number")
_OWN_FORM = {"attach_result", "tags", "face_detections", "body_detections", "match_result", "top_match"}
_ALIKE = [one.name for one in fields(EventFields) if one.name not in _OWN_FORM and one.name != "upper_clothing_colors"]
"""Members that a row holds as they are."""


def check_events(events: Sequence[NewEvent]) -> None:
    """Raises BadValue for what no row can hold. Descriptors are checked by `descriptor_rows`."""
    for event in events:
        for name in _TEXTS:
            if value := getattr(event, name):
                check_text(name, value)
        _check_codes(event)
        _check_position(event)
        check_time("create_time", event.create_time)
        check_time("end_time", event.end_time)
        for detection in (*event.face_detections, *event.body_detections):
            _check_detection(detection)
        if event.top_match is not None:
            _check_top_match(event.top_match)
        _check_members(event)


def event_row(account_id: UUID, event: NewEvent) -> Event:
    """The row of a checked event."""
    alike = {name: getattr(event, name) for name in _ALIKE}
    for name in _TEXTS[2:]:
        alike[name] = alike[name] or None
    match = event.top_match
    top = {} if match is None else _top_columns(match)
    return Event(
        account_id=account_id,
        create_time=event.create_time or timezone.now(),
        attach_result=_json([str(list_id) for list_id in event.attach_result]),
        face_detections=_json([detection_json(one) for one in event.face_detections]),
        body_detections=_json([detection_json(one) for one in event.body_detections]),
        match_result=_json(list(event.match_result)),
        **alike,
        **top,
    )


def tag_rows(account_id: UUID, events: Iterable[NewEvent]) -> list[EventTag]:
    """Rows of all tags, each once."""
    return [
        EventTag(event_id=event.event_id, account_id=account_id, value=tag)
        for event in events
        for tag in sorted(set(event.tags))
    ]


def color_rows(account_id: UUID, events: Iterable[NewEvent]) -> list[EventColor]:
    """Rows of all colours of clothing, each once."""
    return [
        EventColor(event_id=event.event_id, account_id=account_id, value=color)
        for event in events
        for color in sorted({one_grey(color) for color in event.upper_clothing_colors})
    ]


def origin_rows(events: Iterable[NewEvent]) -> list[EventOrigin]:
    """Rows of all source images that lie in the image store."""
    return [
        EventOrigin(event_id=event.event_id, image_id=image_id)
        for event in events
        for image_id in sorted(_origins(event))
    ]


def descriptor_rows(events: Sequence[NewEvent]) -> list[EventDescriptor]:
    """Rows of all descriptors, normalised. Raises BadDescriptor."""
    face = _rows_of_kind("face", {event.event_id: event.face_descriptors for event in events})
    return face + _rows_of_kind("body", {event.event_id: event.body_descriptors for event in events})


def event_card(event: Event) -> EventCard:
    """The card of a row whose tags and colours are prefetched."""
    return EventCard(
        account_id=event.account_id,
        create_time=event.create_time,
        attach_result=tuple(UUID(list_id) for list_id in orjson.loads(event.attach_result)),
        tags=tuple(sorted(row.value for row in event.tag_rows.all())),
        upper_clothing_colors=tuple(sorted(row.value for row in event.color_rows.all())),
        face_detections=_detections(event.face_detections),
        body_detections=_detections(event.body_detections),
        match_result=tuple(orjson.loads(event.match_result)),
        top_match=_top_match(event),
        attributes_sample_ids=uuids_of_bytes(event.attributes_sample_ids),
        attributes_generation=event.attributes_generation,
        **{name: getattr(event, name) for name in _ALIKE},
    )


def sample_ids(detections: str) -> tuple[UUID, ...]:
    """Samples that a stored text of detections names, each once, in its order."""
    found = (member["sample_id"] for member in orjson.loads(detections))
    return tuple(dict.fromkeys(UUID(one) for one in found if one))


def origin_id(address: str) -> UUID | None:
    """The image in our image store that an image_origin names, by its id alone or by a path that ends in it."""
    name = address.rsplit("/", 1)[-1] if address.startswith("/") else address
    try:
        return UUID(name) if len(name) == 36 else None
    except ValueError:
        return None


def _origins(event: NewEvent) -> set[UUID]:
    found = {origin_id(one.image_origin) for one in (*event.face_detections, *event.body_detections)}
    return {image_id for image_id in found if image_id is not None}


def _rows_of_kind(kind: DescriptorKind, descriptors: Mapping[UUID, Mapping[int, Any]]) -> list[EventDescriptor]:
    keys, blobs = flat_descriptors(descriptors, kind)
    return [
        EventDescriptor(event_id=event_id, kind=kind, version=version, vector=blob)
        for (event_id, version), blob in zip(keys, blobs, strict=True)
    ]


def _top_columns(match: TopMatch) -> dict[str, Any]:
    return {
        "top_match_type": match.object_type,
        "top_similar_object_id": match.object_id,
        "top_similar_external_id": match.external_id or None,
        "top_similar_object_similarity": match.similarity,
        "top_matching_candidates_label": match.label or None,
    }


def _top_match(event: Event) -> TopMatch | None:
    if event.top_similar_object_id is None:
        return None
    return TopMatch(
        object_type="event" if event.top_match_type == "event" else "face",
        object_id=event.top_similar_object_id,
        similarity=event.top_similar_object_similarity or 0.0,
        label=event.top_matching_candidates_label or "",
        external_id=event.top_similar_external_id or "",
    )


def _detections(text: str) -> tuple[Detection, ...]:
    return tuple(read_detection(members) for members in orjson.loads(text))


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _check_codes(event: NewEvent) -> None:
    for name, known in EVENT_CODES.items():
        value = getattr(event, name, None)
        if value is not None and value not in known:
            raise BadValue(f"{name} is not one of {', '.join(map(str, known))}")
    for name in ("age", "apparent_age"):
        age = getattr(event, name)
        if age is not None and age not in range(MOST_AGE + 1):
            raise BadValue(f"{name} is not in 0..{MOST_AGE}")
    if any(one_grey(color) not in COLORS for color in event.upper_clothing_colors):
        raise BadValue("a colour of upper clothing is not known")


def _check_position(event: NewEvent) -> None:
    if (event.longitude is None) != (event.latitude is None):
        raise BadValue("longitude and latitude come together")
    for name, most in (("longitude", 180), ("latitude", 90)):
        value = getattr(event, name)
        if value is not None and not -most <= value <= most:
            raise BadValue(f"{name} is not in {-most}..{most}")


def _check_detection(detection: Detection) -> None:
    check_time("detect_time", detection.detect_time)
    check_text("image_origin", detection.image_origin, longest=1000)
    if detection.detect_ts is not None and not math.isfinite(detection.detect_ts):
        raise BadValue("detect_ts is not finite")
    rect = detection.rect
    if rect is None:
        return
    sides = (rect.x, rect.y, rect.width, rect.height)
    if not all(isinstance(side, int) and abs(side) < 2**31 for side in sides) or rect.width < 0 or rect.height < 0:
        raise BadValue("a rectangle is not four whole numbers with sides of at least 0")


def _check_top_match(match: TopMatch) -> None:
    check_text("top_match.external_id", match.external_id)
    check_text("top_match.label", match.label)
    if match.object_type not in EVENT_CODES["top_match_type"]:
        raise BadValue("top_match is neither of a face nor of an event")
    if not 0 <= match.similarity <= 1:
        raise BadValue("top_match.similarity is not in 0..1")


def _check_members(event: NewEvent) -> None:
    for name in ("tags", "face_detections", "body_detections", "attach_result"):
        if len(getattr(event, name)) > MOST_MEMBERS:
            raise BadValue(f"more than {MOST_MEMBERS} {name}")
    for tag in event.tags:
        check_text("a tag", tag)
        if not tag:
            raise BadValue("a tag is empty")
    _check_json(event.match_result, depth=12)
    try:
        size = len(orjson.dumps(list(event.match_result)))
    except TypeError:
        raise BadValue("match_result is no JSON") from None
    if size > MOST_BYTES:
        raise BadValue(f"match_result takes more than {MOST_BYTES} bytes")


def _check_json(value: Any, *, depth: int) -> None:
    if depth == 0:
        raise BadValue("match_result is too deep")
    if isinstance(value, Mapping):
        for name, member in value.items():
            _check_json(name, depth=depth - 1)
            _check_json(member, depth=depth - 1)
    elif isinstance(value, list | tuple):
        for member in value:
            _check_json(member, depth=depth - 1)
    elif isinstance(value, str):
        check_text("a text of match_result", value, longest=MOST_BYTES)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadValue("match_result holds a number that is not finite")
