"""Filters of faces and events: every member optional, all of them ANDed, an array means any of."""

from typing import Annotated, Literal

from pydantic import Field

from tasks_app.contents.members import ABSENT, AnyOf, Members, Natural, Share, Time, Uuid, Word

Gender = Annotated[int, Field(ge=0, le=1)]
ApparentGender = Annotated[int, Field(ge=0, le=2)]
Emotion = Annotated[int, Field(ge=1, le=7)]
EthnicGroup = Annotated[int, Field(ge=1, le=4)]
Mask = Annotated[int, Field(ge=1, le=3)]
Liveness = Annotated[int, Field(ge=0, le=2)]
PresenceState = Annotated[int, Field(ge=0, le=2)]
SleeveLength = Literal["short", "long", "undefined"]
Color = Literal[
    "black",
    "blue",
    "green",
    "grey",
    "gray",
    "orange",
    "purple",
    "red",
    "white",
    "yellow",
    "pink",
    "brown",
    "beige",
    "khaki",
    "multicolored",
    "undefined",
]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Delta = Annotated[float, Field(ge=0)]


class Filters(Members):
    """What filters of every kind of object share."""

    account_id: Uuid = ABSENT
    create_time__gte: Time = ABSENT
    create_time__lt: Time = ABSENT


class FaceFilters(Filters):
    """Filters of faces."""

    face_ids: AnyOf[Uuid] = ABSENT
    external_ids: AnyOf[Word] = ABSENT
    user_data: Word = ABSENT
    face_id__gte: Uuid = ABSENT
    face_id__lt: Uuid = ABSENT
    list_id: Uuid = ABSENT


class GeoPosition(Members):
    """The rectangle origin +- delta, in degrees."""

    origin_longitude: Longitude
    origin_latitude: Latitude
    longitude_delta: Delta = 0.01
    latitude_delta: Delta = 0.01


class EventFilters(Filters):
    """Filters of events."""

    event_ids: AnyOf[Uuid] = ABSENT
    handler_ids: AnyOf[Uuid] = ABSENT
    face_ids: AnyOf[Uuid] = ABSENT
    top_similar_object_ids: AnyOf[Uuid] = ABSENT
    external_ids: AnyOf[Word] = ABSENT
    top_similar_external_ids: AnyOf[Word] = ABSENT
    sources: AnyOf[Word] = ABSENT
    cities: AnyOf[Word] = ABSENT
    areas: AnyOf[Word] = ABSENT
    districts: AnyOf[Word] = ABSENT
    streets: AnyOf[Word] = ABSENT
    house_numbers: AnyOf[Word] = ABSENT
    track_ids: AnyOf[Word] = ABSENT
    tags: AnyOf[Word] = ABSENT
    user_data: Word = ABSENT
    end_time__gte: Time = ABSENT
    end_time__lt: Time = ABSENT
    event_id__gte: Uuid = ABSENT
    event_id__lt: Uuid = ABSENT
    top_matching_candidates_label: Word = ABSENT
    top_similar_object_similarity__gte: Share = ABSENT
    top_similar_object_similarity__lt: Share = ABSENT
    age__gte: Natural = ABSENT
    age__lt: Natural = ABSENT
    apparent_age__gte: Natural = ABSENT
    apparent_age__lt: Natural = ABSENT
    gender: Gender = ABSENT
    emotions: AnyOf[Emotion] = ABSENT
    ethnic_groups: AnyOf[EthnicGroup] = ABSENT
    masks: AnyOf[Mask] = ABSENT
    liveness: AnyOf[Liveness] = ABSENT
    apparent_gender: AnyOf[ApparentGender] = ABSENT
    headwear_states: AnyOf[PresenceState] = ABSENT
    backpack_states: AnyOf[PresenceState] = ABSENT
    sleeve_lengths: AnyOf[SleeveLength] = ABSENT
    upper_clothing_colors: AnyOf[Color] = ABSENT
    geo_position: GeoPosition = ABSENT
