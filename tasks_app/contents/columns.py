"""Columns and form of the csv files that reporter and exporter write."""

from typing import Annotated, Literal, get_args

from pydantic import StringConstraints

from tasks_app.contents.members import Content, Flag

FaceColumn = Literal["user_data", "create_time", "lists", "external_id", "avatar", "event_id"]
EventColumn = Literal[
    "create_time",
    "end_time",
    "external_id",
    "handler_id",
    "source",
    "top_match",
    "match_result",
    "face_detections",
    "body_detections",
    "face_id",
    "attach_result",
    "gender",
    "age",
    "emotion",
    "ethnic_group",
    "tags",
    "user_data",
    "city",
    "area",
    "district",
    "street",
    "house_number",
    "latitude",
    "longitude",
    "mask",
    "track_id",
    "liveness",
    "apparent_gender",
    "apparent_age",
    "headwear_state",
    "sleeve_length",
    "upper_clothing_color",
    "backpack_state",
]
AnyColumn = Literal[FaceColumn, EventColumn]
COLUMNS: dict[str, tuple[str, ...]] = {"faces": get_args(FaceColumn), "events": get_args(EventColumn)}
"""Columns by objects_type."""


Delimiter = Annotated[str, StringConstraints(pattern=r'^[^"\r\n\x00]$')]


class Table(Content):
    """How the csv file looks, and whether images go with it."""

    csv_delimiter: Delimiter = ","
    save_images: Flag = 0
