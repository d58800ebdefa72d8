"""Signed-in clients of every role, and faces with samples."""

from collections.abc import Callable
from io import BytesIO
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from PIL import Image

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import BasicAttributes, Detection, NewEvent, NewFace, Rect


@pytest.fixture(autouse=True)
def empty_cache():
    """Summaries of results are kept by result id; no test may see another one's."""
    cache.clear()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(staff) -> Client:
    """The superuser."""
    return signed_in(staff)


@pytest.fixture
def sign_in(db) -> Callable[..., Client]:
    """A new staff user in the named groups."""

    def make(*groups: str) -> Client:
        user = User.objects.create_user(f"user-{uuid4()}", password="a-long-password", is_staff=True)
        user.groups.set(Group.objects.filter(name__in=groups))
        return signed_in(user)

    return make


@pytest.fixture
def operator(sign_in) -> Client:
    return sign_in("operators")


@pytest.fixture
def analyst(sign_in) -> Client:
    return sign_in("analysts")


@pytest.fixture
def jpeg() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (16, 16), (200, 150, 100)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def make_face(db, account, jpeg) -> Callable[..., UUID]:
    """A face with a sample in the account; any member by name."""

    def make(**members) -> UUID:
        members.setdefault("face_id", uuid4())
        members.setdefault("sample", jpeg)
        members.setdefault("attributes", BasicAttributes(age=33, gender=0))
        registry.faces().add_faces(account, [NewFace(**members)])
        return members["face_id"]

    return make


@pytest.fixture
def sample_of(account) -> Callable[[UUID], str]:
    """Address of a face's image."""

    def address(face_id: UUID) -> str:
        (card,) = registry.faces().get_faces(account, [face_id])
        return f"/admin/samples/{account}/{card.sample_ids[0]}.jpg"

    return address


@pytest.fixture
def make_event(db, account, jpeg) -> Callable[..., UUID]:
    """An event with images of face, body and source in the account; any member by name."""

    def make(**members) -> UUID:
        event_id, owner = members.setdefault("event_id", uuid4()), members.pop("account_id", account)
        face, body, origin = uuid4(), uuid4(), uuid4()
        store, buckets = registry.image_store(), registry.buckets()
        for bucket, image_id in (
            (buckets.face_samples, face), (buckets.body_samples, body), (buckets.image_origins, origin)
        ):  # fmt: skip
            store.put_image(owner, bucket, image_id, jpeg)
        rect = Rect(1, 2, 30, 40)
        members.setdefault("face_detections", (Detection(sample_id=face, rect=rect, image_origin=str(origin)),))
        members.setdefault("body_detections", (Detection(sample_id=body, rect=rect, image_origin=str(origin)),))
        registry.events().add_events(owner, [NewEvent(**members)])
        return event_id

    return make


@pytest.fixture
def images_of_event(account) -> Callable[[UUID], dict[str, str]]:
    """Addresses of the images of an event, by kind."""

    def addresses(event_id: UUID) -> dict[str, str]:
        (card,) = registry.events().get_events(account, [event_id])
        face, body = card.face_detections[0], card.body_detections[0]
        named = {"face": face.sample_id, "body": body.sample_id, "origin": face.image_origin}
        return {kind: f"/admin/event-images/{account}/{event_id}/{kind}/{one}.jpg" for kind, one in named.items()}

    return addresses
