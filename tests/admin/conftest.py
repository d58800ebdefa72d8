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
from lunatasks.luna_services.ports import BasicAttributes, NewFace


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
