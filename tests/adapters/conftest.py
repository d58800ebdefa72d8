"""The adapters of each port: the contract suites run over all of them."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from PIL import Image

from lunatasks.luna_services.descriptors import SFACE, normalise
from lunatasks.luna_services.embedded.events import EmbeddedEvents
from lunatasks.luna_services.embedded.faces import EmbeddedFaces
from lunatasks.luna_services.embedded.image_store import EmbeddedImageStore
from lunatasks.luna_services.ports import Events, Faces, ImageStore, NewEvent, NewFace
from tests.photos import encoded

JPEG = encoded(Image.new("RGB", (250, 250), (90, 120, 60)))


@pytest.fixture(params=[EmbeddedFaces], ids=["embedded"])
def faces(request, db) -> Faces:
    """Each adapter of the port."""
    return request.param()


@pytest.fixture
def make_face() -> Callable[..., NewFace]:
    """A face with a descriptor; any member by name."""
    random = np.random.default_rng(7)

    def make(**members: Any) -> NewFace:
        vector = normalise(random.standard_normal((1, SFACE.dimension)))[0]
        members.setdefault("face_id", uuid4())
        members.setdefault("descriptors", {SFACE.number: vector})
        return NewFace(**members)

    return make


@pytest.fixture
def stored(faces, account, make_face) -> Callable[..., list[UUID]]:
    """Ids of so many faces, stored in the account; any member by name."""

    def store(count: int = 1, *, owner: UUID = account, list_id: UUID | None = None, **members: Any) -> list[UUID]:
        new: Sequence[NewFace] = [make_face(**members) for _ in range(count)]
        return faces.add_faces(owner, new, list_id=list_id)

    return store


@pytest.fixture
def made_list(faces, account) -> UUID:
    """The id of an empty list of the account."""
    list_id = uuid4()
    faces.ensure_list(account, list_id)
    return list_id


@pytest.fixture(params=[EmbeddedEvents], ids=["embedded"])
def events(request, db) -> Events:
    """Each adapter of the port."""
    return request.param()


@pytest.fixture(params=[EmbeddedImageStore], ids=["embedded"])
def image_store(request, db) -> ImageStore:
    """Each adapter of the port."""
    return request.param()


@pytest.fixture
def make_event() -> Callable[..., NewEvent]:
    """An event; any member by name."""

    def make(**members: Any) -> NewEvent:
        members.setdefault("event_id", uuid4())
        return NewEvent(**members)

    return make
