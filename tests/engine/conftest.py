"""Fixtures of engine tests: faces with known clusters, and a queue that is worked off in this process."""

import os
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pytest

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, normalise
from lunatasks.luna_services.ports import NewFace
from tasks_app import services
from tasks_app.states import TaskType
from workers import jobs


class BackEnd(NamedTuple):
    """URLs of database and queue; empty for SQLite and our own queue."""

    database: str
    queue: str


def people(count: int, photos: int, *, seed: int = 1) -> tuple[list[UUID], np.ndarray]:
    """ids and vectors of `count` people with `photos` faces each: alike within a person, strangers otherwise."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(count, 1, SFACE.dimension))
    vectors = normalise((centres + 0.2 * random.normal(size=(count, photos, SFACE.dimension))).reshape(-1, 128))
    ids = [UUID(bytes=random.bytes(16)) for _ in range(count * photos)]
    return ids, vectors


@pytest.fixture
def make_faces(transactional_db, account) -> Callable[..., list[UUID]]:
    """Faces of people in the account; returns their ids, person after person."""

    def make(count: int = 4, photos: int = 3, *, seed: int = 1, **fields) -> list[UUID]:
        ids, vectors = people(count, photos, seed=seed)
        registry.faces().add_faces(
            account,
            [
                NewFace(face_id=face_id, descriptors={SFACE.number: vector}, **fields)
                for face_id, vector in zip(ids, vectors, strict=True)
            ],
        )
        return ids

    return make


@pytest.fixture
def make_clustering(transactional_db, account, sent):
    """A clustering task made by the service; its first message is in `sent`."""

    def make(**content):
        body = {"objects_type": "faces", "filters": {}, **content}
        return services.create_task(account_id=account, task_type=TaskType.CLUSTERING, content=body)

    return make


@pytest.fixture
def work(sent):
    """Work off the messages in `sent` in order, and those that follow from them; at most `most` of them."""

    def run(most: int = 10_000) -> int:
        count = 0
        while sent and count < most:
            message = sent.pop(0)
            getattr(jobs, message.entry)(**message.arguments)
            count += 1
        return count

    return run


@pytest.fixture(scope="session")
def back_end() -> BackEnd:
    """What the stacks of this test run stand on: SQLite and our own queue, unless the environment names others."""
    return BackEnd(database=os.environ.get("DATABASE_URL", ""), queue=os.environ.get("REDIS_URL", ""))
