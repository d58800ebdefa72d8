"""The columns of reports and exports: what of a face or event stands in which cell."""

from collections.abc import Callable, Mapping

from lunatasks.luna_services.flat import detection_json, top_match_json
from lunatasks.luna_services.ports import EventCard, FaceCard
from workers.files.csv_rows import Cell

FACE_COLUMNS: Mapping[str, Callable[[FaceCard], Cell]] = {
    "user_data": lambda face: face.user_data,
    "create_time": lambda face: face.create_time,
    "lists": lambda face: [str(list_id) for list_id in face.lists],
    "external_id": lambda face: face.external_id,
    "avatar": lambda face: face.avatar,
    "event_id": lambda face: face.event_id,
}

EVENT_COLUMNS: Mapping[str, Callable[[EventCard], Cell]] = {
    "create_time": lambda event: event.create_time,
    "end_time": lambda event: event.end_time,
    "external_id": lambda event: event.external_id,
    "handler_id": lambda event: event.handler_id,
    "source": lambda event: event.source,
    "top_match": lambda event: top_match_json(event.top_match),
    "match_result": lambda event: list(event.match_result),
    "face_detections": lambda event: [detection_json(seen) for seen in event.face_detections],
    "body_detections": lambda event: [detection_json(seen) for seen in event.body_detections],
    "face_id": lambda event: event.face_id,
    "attach_result": lambda event: [str(list_id) for list_id in event.attach_result],
    "gender": lambda event: event.gender,
    "age": lambda event: event.age,
    "emotion": lambda event: event.emotion,
    "ethnic_group": lambda event: event.ethnic_group,
    "tags": lambda event: list(event.tags),
    "user_data": lambda event: event.user_data,
    "city": lambda event: event.city,
    "area": lambda event: event.area,
    "district": lambda event: event.district,
    "street": lambda event: event.street,
    "house_number": lambda event: event.house_number,
    "latitude": lambda event: event.latitude,
    "longitude": lambda event: event.longitude,
    "mask": lambda event: event.mask,
    "track_id": lambda event: event.track_id,
    "liveness": lambda event: event.liveness,
    "apparent_gender": lambda event: event.apparent_gender,
    "apparent_age": lambda event: event.apparent_age,
    "headwear_state": lambda event: event.headwear_state,
    "sleeve_length": lambda event: event.sleeve_length,
    "upper_clothing_color": lambda event: list(event.upper_clothing_colors),
    "backpack_state": lambda event: event.backpack_state,
}
