"""The filters of the contract as SQL: the one place."""

from typing import Any, TypeVar

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from lunatasks.luna_services.embedded.models import Event, EventColor, EventTag, Face, FaceLink
from lunatasks.luna_services.ports import EventFilters, FaceFilters, GeoRectangle

Row = TypeVar("Row", bound=Model)

_FACE_LOOKUPS = {
    "face_ids": "face_id__in",
    "external_ids": "external_id__in",
    "create_time__gte": "create_time__gte",
    "create_time__lt": "create_time__lt",
    "face_id__gte": "face_id__gte",
    "face_id__lt": "face_id__lt",
    "list_id": "links__face_list",
}

_EVENT_LOOKUPS = {
    "event_ids": "event_id__in",
    "handler_ids": "handler_id__in",
    "face_ids": "face_id__in",
    "top_similar_object_ids": "top_similar_object_id__in",
    "external_ids": "external_id__in",
    "top_similar_external_ids": "top_similar_external_id__in",
    "sources": "source__in",
    "cities": "city__in",
    "areas": "area__in",
    "districts": "district__in",
    "streets": "street__in",
    "house_numbers": "house_number__in",
    "track_ids": "track_id__in",
    "create_time__gte": "create_time__gte",
    "create_time__lt": "create_time__lt",
    "end_time__gte": "end_time__gte",
    "end_time__lt": "end_time__lt",
    "event_id__gte": "event_id__gte",
    "event_id__lt": "event_id__lt",
    "top_matching_candidates_label": "top_matching_candidates_label",
    "top_similar_object_similarity__gte": "top_similar_object_similarity__gte",
    "top_similar_object_similarity__lt": "top_similar_object_similarity__lt",
    "age__gte": "age__gte",
    "age__lt": "age__lt",
    "apparent_age__gte": "apparent_age__gte",
    "apparent_age__lt": "apparent_age__lt",
    "gender": "gender",
    "emotions": "emotion__in",
    "ethnic_groups": "ethnic_group__in",
    "masks": "mask__in",
    "liveness": "liveness__in",
    "apparent_gender": "apparent_gender__in",
    "headwear_states": "headwear_state__in",
    "backpack_states": "backpack_state__in",
    "sleeve_lengths": "sleeve_length__in",
    "face_id__gte": "face_id__gte",
    "face_id__lt": "face_id__lt",
}

_AGES = {"age__gte", "age__lt", "apparent_age__gte", "apparent_age__lt"}
_BEYOND_AGES = 32_767
"""For what the column cannot hold, Django leaves the condition out, and null would match."""


def matching_faces(filters: FaceFilters) -> QuerySet[Face]:
    """Faces that match every filter that is given, in no order."""
    faces = Face.objects.filter(account_id=filters.account_id, **_given(filters, _FACE_LOOKUPS))
    return _with_user_data(faces, filters.user_data)


def matching_events(filters: EventFilters) -> QuerySet[Event]:
    """Events that match every filter that is given, in no order."""
    events = Event.objects.filter(account_id=filters.account_id, **_given(filters, _EVENT_LOOKUPS))
    if filters.external_ids is not None:
        events = events.filter(external_id__gt="")  # what the index of external ids says of itself
    if filters.tags is not None:
        events = _sharing(events, EventTag, filters.account_id, filters.tags)
    if filters.upper_clothing_colors is not None:
        colors = [one_grey(color) for color in filters.upper_clothing_colors]
        events = _sharing(events, EventColor, filters.account_id, colors)
    if filters.list_id is not None:
        links = FaceLink.objects.filter(face_list=filters.list_id, face__account_id=filters.account_id)
        events = events.filter(face_id__in=links.values("face"))
    if filters.geo_position is not None:
        events = events.filter(_within(filters.geo_position))
    return _with_user_data(events, filters.user_data)


def one_grey(color: str) -> str:
    """The one spelling of a colour: the contract knows grey by two."""
    return "grey" if color == "gray" else color


def longitude_ranges(rectangle: GeoRectangle) -> list[tuple[float, float]]:
    """One or two ranges of longitude, bounds included; none is left out when the rectangle goes around."""
    if rectangle.longitude_delta >= 180:
        return [(-180.0, 180.0)]
    low = rectangle.origin_longitude - rectangle.longitude_delta
    high = rectangle.origin_longitude + rectangle.longitude_delta
    if low <= -180:
        return [(low + 360, 180.0), (-180.0, high)]
    if high >= 180:
        return [(low, 180.0), (-180.0, high - 360)]
    return [(low, high)]


def _given(filters: FaceFilters | EventFilters, lookups: dict[str, str]) -> dict[str, Any]:
    values = {lookup: getattr(filters, name) for name, lookup in lookups.items()}
    for lookup in _AGES & values.keys():
        if values[lookup] is not None:
            values[lookup] = min(values[lookup], _BEYOND_AGES)
    return {lookup: value for lookup, value in values.items() if value is not None}


def _with_user_data(rows: QuerySet[Row], part: str | None) -> QuerySet[Row]:
    if part is None:
        return rows
    # `contains` ignores case on SQLite
    return rows.filter(GreaterThan(StrIndex(F("user_data"), Value(part)), 0))


def _sharing(
    events: QuerySet[Event], table: type[EventTag] | type[EventColor], account_id: Any, values: Any
) -> QuerySet[Event]:
    rows = table.objects.filter(account_id=account_id, value__in=values, event=OuterRef("pk"))
    return events.filter(Exists(rows))


def _within(rectangle: GeoRectangle) -> Q:
    found = Q()
    for bounds in longitude_ranges(rectangle):
        found |= Q(longitude__range=bounds)
    low = max(rectangle.origin_latitude - rectangle.latitude_delta, -90.0)
    high = min(rectangle.origin_latitude + rectangle.latitude_delta, 90.0)
    return found & Q(latitude__range=(low, high))
