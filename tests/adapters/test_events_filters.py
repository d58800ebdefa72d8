"""The event filters as SQL equal an obvious Python filter."""

import random
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunatasks.luna_services.ports import EventCard, EventFilters, GeoRectangle, NewEvent, NewFace, TopMatch

ACCOUNTS = [UUID(int=1), UUID(int=2)]
TIMES = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=step) for step in range(6)]
IDS = [UUID(int=(step * 0x11111111111111111111111111111111) % 2**128) for step in range(1, 15)]
TEXTS = ["a", "A", "ab", "aB", "Straße", "STRASSE", "100%", "a_b", "axb", "\\", "' or 1=1 --", "日本"]
LISTS = [UUID(int=10), UUID(int=11), UUID(int=12)]
LONGITUDES = [-180.0, -179.75, -90.5, -0.25, 0.0, 0.25, 90.0, 179.75, 180.0]
LATITUDES = [-90.0, -89.75, -1.0, 0.0, 0.25, 89.75, 90.0]
SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]
COLORS = ["black", "grey", "gray", "red", "undefined"]
SLEEVES = ["short", "long", "undefined"]

WORDS = {
    "source": "sources",
    "city": "cities",
    "area": "areas",
    "district": "districts",
    "street": "streets",
    "house_number": "house_numbers",
    "track_id": "track_ids",
    "external_id": "external_ids",
}
CODES = {
    "emotion": ("emotions", range(1, 8)),
    "ethnic_group": ("ethnic_groups", range(1, 5)),
    "mask": ("masks", range(1, 4)),
    "liveness": ("liveness", range(3)),
    "apparent_gender": ("apparent_gender", range(3)),
    "headwear_state": ("headwear_states", range(3)),
    "backpack_state": ("backpack_states", range(3)),
    "sleeve_length": ("sleeve_lengths", SLEEVES),
}
IDENTITIES = {"event_id": "event_ids", "handler_id": "handler_ids", "face_id": "face_ids"}
RANGES = ["create_time", "end_time", "event_id", "face_id", "age", "apparent_age"]


def in_range(value: Any, low: Any, high: Any) -> bool:
    if value is None:
        return low is None and high is None
    if isinstance(value, UUID):
        value, low, high = value.bytes, low and low.bytes, high and high.bytes
    return (low is None or value >= low) and (high is None or value < high)


def any_of(value: Any, wanted: Any) -> bool:
    return wanted is None or (value is not None and value in wanted)


def shared(values: tuple[str, ...], wanted: Any) -> bool:
    return wanted is None or bool({value.replace("gray", "grey") for value in wanted} & set(values))


def near(card: EventCard, place: GeoRectangle | None) -> bool:
    if place is None:
        return True
    if card.longitude is None or card.latitude is None:
        return False
    apart = abs(card.longitude - place.origin_longitude) % 360
    along = min(apart, 360 - apart)
    return along <= place.longitude_delta and abs(card.latitude - place.origin_latitude) <= place.latitude_delta


def obvious(card: EventCard, filters: EventFilters, lists: dict[UUID, set[UUID]]) -> bool:
    """Whether an event matches, spelled out. `lists`: of each face."""
    top = card.top_match or TopMatch("face", UUID(int=0), -1.0)
    no_top = card.top_match is None
    conditions = [
        card.account_id == filters.account_id,
        *(any_of(getattr(card, name) or None, getattr(filters, many)) for name, many in WORDS.items()),
        *(any_of(getattr(card, name), getattr(filters, many)) for name, (many, _) in CODES.items()),
        *(any_of(getattr(card, name), getattr(filters, many)) for name, many in IDENTITIES.items()),
        *(
            in_range(getattr(card, name), getattr(filters, f"{name}__gte"), getattr(filters, f"{name}__lt"))
            for name in RANGES
        ),
        any_of(card.gender, None if filters.gender is None else [filters.gender]),
        filters.user_data is None or filters.user_data in card.user_data,
        any_of(None if no_top else top.object_id, filters.top_similar_object_ids),
        any_of(None if no_top else top.external_id or None, filters.top_similar_external_ids),
        filters.top_matching_candidates_label is None or top.label == filters.top_matching_candidates_label,
        in_range(
            None if no_top else top.similarity,
            filters.top_similar_object_similarity__gte,
            filters.top_similar_object_similarity__lt,
        ),
        shared(card.tags, filters.tags),
        shared(card.upper_clothing_colors, filters.upper_clothing_colors),
        near(card, filters.geo_position),
        filters.list_id is None or filters.list_id in lists.get(card.face_id or UUID(int=0), set()),
    ]
    return all(conditions)


def random_event(dice: random.Random, event_id: UUID, own_faces: list[UUID]) -> NewEvent:
    def perhaps(values: Any) -> Any:
        return dice.choice([None, *values])

    members: dict[str, Any] = {name: perhaps(TEXTS) for name in WORDS}
    members |= {name: perhaps(values) for name, (_, values) in CODES.items()}
    members["external_id"] = members["external_id"] or ""
    if dice.random() < 0.7:
        members |= {"longitude": dice.choice(LONGITUDES), "latitude": dice.choice(LATITUDES)}
    if dice.random() < 0.7:
        members["top_match"] = TopMatch(
            dice.choice(["face", "event"]),
            dice.choice(IDS),
            dice.choice(SHARES),
            dice.choice(["", *TEXTS]),
            dice.choice(["", *TEXTS]),
        )
    return NewEvent(
        event_id=event_id,
        handler_id=perhaps(IDS),
        face_id=perhaps(own_faces),
        user_data=dice.choice(["", *TEXTS]),
        create_time=dice.choice(TIMES),
        end_time=perhaps(TIMES),
        gender=perhaps([0, 1]),
        age=perhaps(range(4)),
        apparent_age=perhaps(range(4)),
        tags=tuple(dice.sample(TEXTS, dice.randint(0, 3))),
        upper_clothing_colors=tuple(dice.sample(COLORS, dice.randint(0, 3))),
        **members,
    )


@pytest.fixture
def faces_of_accounts(faces) -> dict[UUID, list[UUID]]:
    """Five faces in each account; some are in lists."""
    dice = random.Random(3)
    for list_id, owner in zip(LISTS, (ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[1]), strict=True):
        faces.ensure_list(owner, list_id)
    made = {ACCOUNTS[0]: IDS[:5], ACCOUNTS[1]: IDS[5:10]}
    for owner, face_ids in made.items():
        faces.add_faces(owner, [NewFace(face_id) for face_id in face_ids])
        for list_id in LISTS[:2] if owner == ACCOUNTS[0] else LISTS[2:]:
            faces.link_faces(owner, list_id, dice.sample(face_ids, 3))
    return made


@pytest.fixture
def lists(faces, faces_of_accounts) -> dict[UUID, set[UUID]]:
    """The lists of each face."""
    cards = [card for owner, face_ids in faces_of_accounts.items() for card in faces.get_faces(owner, face_ids)]
    return {card.face_id: set(card.lists) for card in cards}


@pytest.fixture
def cards(events, faces_of_accounts) -> list[EventCard]:
    """Random events of two accounts."""
    dice = random.Random(4)
    new: dict[UUID, list[NewEvent]] = {owner: [] for owner in ACCOUNTS}
    for event_id in [*IDS, *(uuid4() for _ in range(70))]:
        owner = dice.choice(ACCOUNTS)
        new[owner].append(random_event(dice, event_id, faces_of_accounts[owner]))
    for owner in ACCOUNTS:
        events.add_events(owner, new[owner])
    return [card for owner in ACCOUNTS for card in events.get_events(owner, [event.event_id for event in new[owner]])]


def some(values: Any, most: int = 6) -> Any:
    return st.lists(st.sampled_from(list(values)), min_size=1, max_size=most)


RECTANGLES = st.builds(
    GeoRectangle,
    st.sampled_from(LONGITUDES),
    st.sampled_from(LATITUDES),
    st.sampled_from([0.0, 0.25, 1.0, 90.0, 180.0, 400.0]),
    st.sampled_from([0.0, 0.25, 1.0, 90.0, 400.0]),
)
BOUNDS: dict[str, Any] = {
    **dict.fromkeys(("create_time", "end_time"), st.sampled_from(TIMES)),
    **dict.fromkeys(("event_id", "face_id"), st.sampled_from(IDS)),
    **dict.fromkeys(("age", "apparent_age"), st.integers(0, 4) | st.just(2**63 - 1)),
    "top_similar_object_similarity": st.sampled_from(SHARES),
}
MEMBERS: dict[str, Any] = {
    **{many: some(TEXTS) for many in WORDS.values()},
    **{many: some(values) for many, values in CODES.values()},
    **{many: some(IDS) for many in IDENTITIES.values()},
    **{f"{name}__{end}": bound for name, bound in BOUNDS.items() for end in ("gte", "lt")},
    "gender": st.integers(0, 1),
    "user_data": st.sampled_from([*TEXTS, "s", "S", "%", "_"]),
    "top_similar_object_ids": some(IDS),
    "top_similar_external_ids": some(TEXTS),
    "top_matching_candidates_label": st.sampled_from(TEXTS),
    "tags": some(TEXTS),
    "upper_clothing_colors": some(COLORS),
    "geo_position": RECTANGLES,
    "list_id": st.sampled_from([*LISTS, UUID(int=99)]),
}


@st.composite
def any_filters(draw: Any) -> EventFilters:
    names = draw(st.lists(st.sampled_from(sorted(MEMBERS)), unique=True, max_size=4))
    return EventFilters(
        account_id=draw(st.sampled_from(ACCOUNTS)), **{name: draw(MEMBERS[name]) for name in sorted(names)}
    )


def test_the_strategy_knows_every_filter():
    assert {field.name for field in fields(EventFilters)} == {*MEMBERS, "account_id"}


def ids_of(events, filters: EventFilters) -> list[UUID]:
    return [event_id for page in events.iterate_ids(filters, chunk=9) for event_id in page]


def expected_ids(cards, filters, lists) -> list[UUID]:
    return sorted((card.event_id for card in cards if obvious(card, filters, lists)), key=lambda one: one.bytes)


def test_combined_filters_equal_the_obvious_one(events, cards, lists):
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(any_filters())
    def check(filters: EventFilters) -> None:
        expected = expected_ids(cards, filters, lists)

        assert ids_of(events, filters) == expected
        assert events.count_events(filters) == len(expected)

    check()


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_each_filter_alone_equals_the_obvious_one(events, cards, lists, name):
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(ACCOUNTS), MEMBERS[name])
    def check(account_id: UUID, value: Any) -> None:
        filters = EventFilters(account_id=account_id, **{name: value})

        assert ids_of(events, filters) == expected_ids(cards, filters, lists)

    check()


@pytest.mark.parametrize(
    ("origin", "delta", "inside", "outside"),
    [
        (179.995, 0.01, [179.99, 180.0, -180.0, -179.996], [179.98, -179.99, 0.0]),
        (-179.995, 0.01, [-179.99, 180.0, -180.0, 179.996], [-179.98, 179.99, 0.0]),
        (180.0, 0.0, [180.0, -180.0], [179.999]),
        (0.0, 180.0, [-180.0, 0.0, 180.0], []),
        (10.0, 400.0, [-180.0, 0.0, 180.0], []),
    ],
)
def test_a_rectangle_wraps_at_the_date_line(events, account, make_event, origin, delta, inside, outside):
    made = {value: make_event(longitude=value, latitude=0.0) for value in inside + outside}
    events.add_events(account, list(made.values()))

    found = ids_of(events, EventFilters(account_id=account, geo_position=GeoRectangle(origin, 0.0, delta)))

    assert set(found) == {made[value].event_id for value in inside}
