"""The tasks that are tortured. A task type joins by a line here, with a check of what it has done."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from lunatasks.luna_services.descriptors import SFACE, normalise
from tasks_app.states import Status

PEOPLE, PHOTOS = 24, 5
TILE_ROWS = 20
"""Of so many faces a clustering has 21 parts."""

Check = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of task: where and what is posted, how it must end, what its result must look like.

    `check` gets the result's bytes and returns what is wrong with them, or nothing. `code`: the stored error of
    a task that must fail.
    """

    name: str
    path: str
    content: Mapping[str, Any]
    expected: Status = Status.DONE
    check: Check = field(default=lambda result: "")
    code: int = 0
    sha256: str = ""
    """Of the answer's bytes, on every back end; empty: those of the calm run count."""

    def body(self) -> dict[str, Any]:
        return {"content": dict(self.content), "description": self.name}


def faces() -> tuple[list[str], Any]:
    """Ids and vectors of the people that every stack is filled with."""
    chance = np.random.default_rng(1)
    centres = chance.normal(size=(PEOPLE, 1, SFACE.dimension))
    vectors = normalise((centres + 0.2 * chance.normal(size=(PEOPLE, PHOTOS, SFACE.dimension))).reshape(-1, 128))
    return [str(UUID(bytes=chance.bytes(16))) for _ in range(len(vectors))], vectors


def write_faces(path: Path) -> None:
    """The people as a file for `importdescriptors`."""
    ids, vectors = faces()
    stream = io.BytesIO()
    np.savez(stream, face_id=np.array(ids), descriptor=vectors)
    path.write_bytes(stream.getvalue())


def _every_face_once(result: bytes) -> str:
    found = sorted(face_id for cluster in orjson.loads(result)["result"] for face_id in cluster)
    return "" if found == sorted(faces()[0]) else f"{len(found)} faces in the clusters, {PEOPLE * PHOTOS} expected"


def _every_person_is_a_cluster(result: bytes) -> str:
    sizes = [len(cluster) for cluster in orjson.loads(result)["result"]]
    if sizes != [PHOTOS] * PEOPLE:
        return f"clusters of {sorted(set(sizes))} faces, {PEOPLE} of {PHOTOS} expected"
    return _every_face_once(result)


OBJECTS = {"objects_type": "faces", "filters": {}}
NOBODY = {"list_id": "00000000-0000-4000-8000-000000000000"}

SCENARIOS = (
    Scenario("clustering", "/1/tasks/clustering", OBJECTS, check=_every_person_is_a_cluster),
    Scenario("clustering with limit", "/1/tasks/clustering", {**OBJECTS, "limit": 2}, check=_every_face_once),
    Scenario(
        "clustering of nothing",
        "/1/tasks/clustering",
        {**OBJECTS, "filters": NOBODY},
        expected=Status.FAILED,
        code=28010,
    ),
)
