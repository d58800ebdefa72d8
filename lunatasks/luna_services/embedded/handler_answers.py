"""An event as a handler answers it: nested, unlike the flat form that is stored."""

from typing import Any

from lunatasks.luna_services.embedded.handler_drafts import Draft
from lunatasks.luna_services.embedded.handler_matching import moment
from lunatasks.luna_services.ports import BasicAttributes, Detection, NewFace


def event_answer(filename: str, draft: Draft) -> dict[str, Any]:
    """One of the `events` in a handler's answer, as JSON; descriptors stay inside."""
    event, attributes = draft.event, draft.estimate.attributes
    basic = _basic(attributes)
    return {
        "event_id": str(event.event_id),
        "handler_id": str(event.handler_id) if event.handler_id else None,
        "is_stored": draft.stores_event,
        "external_id": event.external_id,
        "user_data": event.user_data,
        "source": event.source,
        "track_id": event.track_id,
        "tags": list(event.tags),
        "create_time": moment(event.create_time) if event.create_time else None,
        "end_time": moment(event.end_time) if event.end_time else None,
        "location": {
            "city": event.city,
            "area": event.area,
            "district": event.district,
            "street": event.street,
            "house_number": event.house_number,
            "geo_position": _position(event.longitude, event.latitude),
        },
        "detections": [_detection(filename, one, draft.estimate.score, basic) for one in event.face_detections],
        "aggregate_estimations": {"face": {"attributes": {"basic_attributes": basic}}, "body": None},
        "face_attributes": {"basic_attributes": basic},
        "matches": list(event.match_result),
        "face": _face(draft.face, [str(list_id) for list_id in draft.links]) if draft.face else None,
    }


def _detection(filename: str, detection: Detection, score: float, basic: dict[str, Any] | None) -> dict[str, Any]:
    rect = detection.rect
    return {
        "filename": filename,
        "samples": {
            "face": {
                "sample_id": str(detection.sample_id) if detection.sample_id else None,
                "detection": {
                    "rect": {"x": rect.x, "y": rect.y, "width": rect.width, "height": rect.height} if rect else None,
                    "score": round(score, 6),
                    "attributes": {"basic_attributes": basic},
                },
            },
            "body": None,
        },
        "detect_time": moment(detection.detect_time) if detection.detect_time else None,
        "detect_ts": detection.detect_ts,
        "image_origin": detection.image_origin or None,
    }


def _basic(attributes: BasicAttributes) -> dict[str, Any] | None:
    if attributes.age is None and attributes.gender is None:
        return None
    return {"age": attributes.age, "gender": attributes.gender, "ethnicities": None}


def _position(longitude: float | None, latitude: float | None) -> dict[str, float] | None:
    if longitude is None or latitude is None:
        return None
    return {"longitude": longitude, "latitude": latitude}


def _face(face: NewFace, lists: list[str]) -> dict[str, Any]:
    return {
        "face_id": str(face.face_id),
        "event_id": str(face.event_id),
        "external_id": face.external_id,
        "user_data": face.user_data,
        "avatar": face.avatar,
        "lists": lists,
    }
