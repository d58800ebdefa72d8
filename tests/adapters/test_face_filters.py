"""The face filters as SQL equal an obvious Python filter."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunatasks.luna_services.ports import FaceCard, FaceFilters, NewFace

ACCOUNTS = [UUID(int=1), UUID(int=2)]
TIMES = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=step) for step in range(6)]
IDS = [UUID(int=(step * 0x11111111111111111111111111111111) % 2**128) for step in range(1, 15)]
TEXTS = ["", "a", "A", "ab", "aB", "Straße", "STRASSE", "100%", "a_b", "axb", "\\", "' or 1=1 --", "日本"]
LISTS = [UUID(int=10), UUID(int=11), UUID(int=12)]
OWNERS = dict(zip(LISTS, (ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[1]), strict=True))


def obvious(card: FaceCard, filters: FaceFilters) -> bool:
    """Whether a face matches, spelled out."""
    conditions = [
        card.account_id == filters.account_id,
        filters.face_ids is None or card.face_id in filters.face_ids,
        filters.external_ids is None or card.external_id in filters.external_ids,
        filters.user_data is None or filters.user_data in card.user_data,
        filters.create_time__gte is None or card.create_time >= filters.create_time__gte,
        filters.create_time__lt is None or card.create_time < filters.create_time__lt,
        filters.face_id__gte is None or card.face_id.bytes >= filters.face_id__gte.bytes,
        filters.face_id__lt is None or card.face_id.bytes < filters.face_id__lt.bytes,
        filters.list_id is None or filters.list_id in card.lists,
    ]
    return all(conditions)


@pytest.fixture
def cards(faces, make_face) -> list[FaceCard]:
    """Random faces of two accounts in three lists, one of them of the second account."""
    dice = random.Random(4)
    for list_id, owner in OWNERS.items():
        faces.ensure_list(owner, list_id)
    members: dict[UUID, list[UUID]] = {list_id: [] for list_id in LISTS}
    new: dict[UUID, list[NewFace]] = {owner: [] for owner in ACCOUNTS}
    for face_id in [*IDS, *(uuid4() for _ in range(60))]:
        owner = dice.choice(ACCOUNTS)
        own_lists = LISTS[:2] if owner == ACCOUNTS[0] else LISTS[2:]
        texts = {"external_id": dice.choice(TEXTS), "user_data": dice.choice(TEXTS)}
        new[owner].append(make_face(face_id=face_id, create_time=dice.choice(TIMES), **texts))
        for list_id in dice.sample(own_lists, dice.randint(0, len(own_lists))):
            members[list_id].append(face_id)
    for owner in ACCOUNTS:
        faces.add_faces(owner, new[owner])
    for list_id, owner in OWNERS.items():
        faces.link_faces(owner, list_id, members[list_id])
    return [card for owner in ACCOUNTS for card in faces.get_faces(owner, [face.face_id for face in new[owner]])]


def maybe(strategy):
    return st.none() | strategy


any_filters = st.builds(
    FaceFilters,
    account_id=st.sampled_from(ACCOUNTS),
    face_ids=maybe(st.lists(st.sampled_from(IDS), min_size=1, max_size=8)),
    external_ids=maybe(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4)),
    user_data=maybe(st.sampled_from([*TEXTS, "s", "S", "%", "_", "b"])),
    create_time__gte=maybe(st.sampled_from(TIMES)),
    create_time__lt=maybe(st.sampled_from(TIMES)),
    face_id__gte=maybe(st.sampled_from(IDS)),
    face_id__lt=maybe(st.sampled_from(IDS)),
    list_id=maybe(st.sampled_from([*LISTS, UUID(int=99)])),
)


def test_every_filter_equals_the_obvious_one(faces, cards):
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(any_filters)
    def check(filters: FaceFilters) -> None:
        expected = sorted((card.face_id for card in cards if obvious(card, filters)), key=lambda one: one.bytes)

        found = [face_id for page in faces.iterate_ids(filters, chunk=9) for face_id in page]

        assert found == expected
        assert faces.count_faces(filters) == len(expected)

    check()


@pytest.mark.parametrize("part", TEXTS)
def test_user_data_is_a_substring_in_which_case_matters(faces, cards, part):
    for account_id in ACCOUNTS:
        filters = FaceFilters(account_id, user_data=part)
        expected = sum(obvious(card, filters) for card in cards)

        assert faces.count_faces(filters) == expected


def test_an_empty_range_matches_nothing(faces, cards):
    filters = FaceFilters(ACCOUNTS[0], create_time__gte=TIMES[3], create_time__lt=TIMES[3])

    assert faces.count_faces(filters) == 0
