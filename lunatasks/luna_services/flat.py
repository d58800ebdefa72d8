"""Events in the platform's flat JSON form, as reading them gives it, and back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lunatasks.luna_services.ports import Detection, EventCard, NewEvent, Rect, TopMatch

Json = dict[str, Any]


def time_text(moment: datetime | None) -> str | None:
    """UTC with six digits and Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def detection_json(detection: Detection) -> Json:
    """A member of face_detections or body_detections."""
    rect = detection.rect
    shape = rect and {"x": rect.x, "y": rect.y, "width": rect.width, "height": rect.height}
    return {
        "sample_id": detection.sample_id and str(detection.sample_id),
        "detect_time": time_text(detection.detect_time),
        "detect_ts": detection.detect_ts,
        "image_origin": detection.image_origin or None,
        "detection": {"rect": shape},
    }


def read_detection(members: Mapping[str, Any]) -> Detection:
    """The inverse of `detection_json`. Raises KeyError, TypeError, ValueError for anything else."""
    shape, moment = members["detection"]["rect"], members["detect_time"]
    return Detection(
        sample_id=UUID(members["sample_id"]) if members["sample_id"] else None,
        rect=Rect(**shape) if shape else None,
        detect_time=datetime.fromisoformat(moment) if moment else None,
        detect_ts=members["detect_ts"],
        image_origin=members["image_origin"] or "",
    )


def top_match_json(match: TopMatch | None) -> Json | None:
    """The member top_match."""
    if match is None:
        return None
    return {
        f"{match.object_type}_id": str(match.object_id),
        "external_id": match.external_id,
        "similarity": match.similarity,
        "label": match.label,
    }


def event_json(card: EventCard) -> Json:
    """The whole event; unknown members are null."""
    known = card.longitude is not None and card.latitude is not None
    position = {"longitude": card.longitude, "latitude": card.latitude} if known else None
    location = {name: getattr(card, name) for name in ("city", "area", "district", "street", "house_number")}
    return {
        "event_id": str(card.event_id),
        "account_id": str(card.account_id),
        "handler_id": card.handler_id and str(card.handler_id),
        "external_id": card.external_id,
        "source": card.source,
        "track_id": card.track_id,
        "user_data": card.user_data,
        "create_time": time_text(card.create_time),
        "end_time": time_text(card.end_time),
        "tags": list(card.tags),
        **{name: getattr(card, name) for name in ("age", "gender", "emotion", "ethnic_group", "mask", "liveness")},
        "face_id": card.face_id and str(card.face_id),
        "attach_result": [str(list_id) for list_id in card.attach_result],
        "face_detections": [detection_json(one) for one in card.face_detections],
        "body_detections": [detection_json(one) for one in card.body_detections],
        "body_basic_attributes": {"apparent_age": card.apparent_age, "apparent_gender": card.apparent_gender},
        "upper_body": {
            "headwear": {"state": card.headwear_state},
            "sleeve": {"length": card.sleeve_length},
            "upper_clothing": {"colors": list(card.upper_clothing_colors)},
        },
        "accessories": {"backpack": {"state": card.backpack_state}},
        "match_result": list(card.match_result),
        "top_match": top_match_json(card.top_match),
        "location": {**location, "geo_position": position},
    }


def read_event(members: Mapping[str, Any]) -> NewEvent:
    """The inverse of `event_json`, without descriptors; members that are not ours are ignored.

    Raises KeyError, TypeError, ValueError, AttributeError for anything else.
    """
    location, upper = members["location"], members["upper_body"]
    position = location["geo_position"] or {}
    return NewEvent(
        event_id=UUID(members["event_id"]),
        handler_id=read_uuid(members["handler_id"]),
        face_id=read_uuid(members["face_id"]),
        create_time=datetime.fromisoformat(members["create_time"]),
        end_time=datetime.fromisoformat(members["end_time"]) if members["end_time"] else None,
        attach_result=tuple(UUID(list_id) for list_id in members["attach_result"]),
        tags=tuple(members["tags"]),
        face_detections=tuple(read_detection(one) for one in members["face_detections"]),
        body_detections=tuple(read_detection(one) for one in members["body_detections"]),
        match_result=tuple(members["match_result"]),
        top_match=_read_top_match(members["top_match"]),
        longitude=position.get("longitude"),
        latitude=position.get("latitude"),
        apparent_age=members["body_basic_attributes"]["apparent_age"],
        apparent_gender=members["body_basic_attributes"]["apparent_gender"],
        headwear_state=upper["headwear"]["state"],
        sleeve_length=upper["sleeve"]["length"],
        upper_clothing_colors=tuple(upper["upper_clothing"]["colors"]),
        backpack_state=members["accessories"]["backpack"]["state"],
        **{name: members[name] for name in ("external_id", "user_data", "source", "track_id")},
        **{name: members[name] for name in ("age", "gender", "emotion", "ethnic_group", "mask", "liveness")},
        **{name: location[name] for name in ("city", "area", "district", "street", "house_number")},
    )


def read_uuid(text: str | None) -> UUID | None:
    """A uuid, or None."""
    return UUID(text) if text else None


def _read_top_match(members: Mapping[str, Any] | None) -> TopMatch | None:
    if members is None:
        return None
    kind = "event" if "event_id" in members else "face"
    return TopMatch(
        object_type="event" if kind == "event" else "face",
        object_id=UUID(members[f"{kind}_id"]),
        similarity=members["similarity"],
        label=members["label"],
        external_id=members["external_id"],
    )
