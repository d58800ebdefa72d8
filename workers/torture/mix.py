"""The tasks that are tortured. A task type joins by a line here, with a check of what it has done."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from lunatasks.luna_services.descriptors import SFACE, SFACE_MIRRORED, normalise
from tasks_app.states import Status

PEOPLE, PHOTOS = 24, 5
TILE_ROWS = 20
"""Of so many faces a clustering has 21 parts."""
PART_SIZE, GC_PART_SIZE = 20, 3
VICTIM_BATCHES, VICTIMS = 400, 12
"""Faces to be deleted, so many for each gc; they have a descriptor that no clustering compares."""

Check = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of task: where and what is posted, how it must end, what its result must look like.

    `check` gets the result's bytes and returns what is wrong with them, or nothing. `code`: the stored error of
    a task that must fail. A content may depend on how many tasks were posted before. `effects`, by the same number:
    queries for one number each, and what it must be when the task is done. `essence`: what of a result must repeat.
    """

    name: str
    path: str
    content: Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
    expected: Status = Status.DONE
    check: Check = field(default=lambda result: "")
    code: int = 0
    sha256: str = ""
    """Of the answer's bytes, on every back end; empty: those of the calm run count."""

    effects: Callable[[int], Iterable[tuple[str, int]]] = field(default=lambda number: ())
    essence: Callable[[bytes], bytes] = field(default=lambda result: result)

    def body(self, number: int) -> dict[str, Any]:
        content = self.content(number) if callable(self.content) else self.content
        return {"content": dict(content), "description": self.name}


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


def write_victims(path: Path) -> None:
    """The faces to be deleted, likewise; their external_id is that of their batch."""
    chance, count = np.random.default_rng(2), VICTIM_BATCHES * VICTIMS
    stream = io.BytesIO()
    np.savez(
        stream,
        face_id=np.array([str(UUID(bytes=chance.bytes(16))) for _ in range(count)]),
        descriptor=chance.normal(size=(count, SFACE_MIRRORED.dimension)),
        external_id=np.array([_batch(at // VICTIMS) for at in range(count)]),
        version=np.array(SFACE_MIRRORED.number),
    )
    path.write_bytes(stream.getvalue())


def _batch(number: int) -> str:
    return f"victim {number % VICTIM_BATCHES}"


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

PERSONS = {"objects_type": "faces", "filters": {"face_ids": faces()[0]}}


def _list_id(number: int) -> UUID:
    return UUID(int=2**127 + number)


def _new_list(number: int) -> dict[str, Any]:
    return {**PERSONS, "create_list": 1, "list_id": str(_list_id(number))}


def _list_is_full(number: int) -> Iterable[tuple[str, int]]:
    """One list, and every person in it once."""
    hexadecimal = _list_id(number).hex
    yield f"SELECT COUNT(*) FROM embedded_facelist WHERE list_id = '{hexadecimal}'", 1  # noqa: S608  of our making
    yield f"SELECT COUNT(*) FROM embedded_facelink WHERE face_list_id = '{hexadecimal}'", PEOPLE * PHOTOS  # noqa: S608


def _victims(number: int) -> dict[str, Any]:
    return {"target": "faces", "filters": {"external_ids": [_batch(number)]}}


def _victims_are_gone(number: int) -> Iterable[tuple[str, int]]:
    """None of the batch is left, and nobody else has gone."""
    yield f"SELECT COUNT(*) FROM embedded_face WHERE external_id = '{_batch(number)}'", 0  # noqa: S608  of our making
    yield "SELECT COUNT(*) FROM embedded_face WHERE external_id = ''", PEOPLE * PHOTOS


def _every_face_linked(result: bytes) -> str:
    found = orjson.loads(result)["result"]
    return "" if found == sorted(faces()[0]) else f"{len(found)} faces linked, {PEOPLE * PHOTOS} expected"


def _nothing_wrong(result: bytes) -> str:
    answer = orjson.loads(result)
    return "" if answer == {"result": [], "errors": []} else f"{len(answer['errors'])} errors of gc"


def _every_face_a_row(result: bytes) -> str:
    ids = [row.partition(b",")[0].decode() for row in _table(result).splitlines()[1:]]
    return "" if ids == sorted(faces()[0]) else f"{len(ids)} rows, {PEOPLE * PHOTOS} expected"


def _table(result: bytes) -> bytes:
    """The csv file of a zip; its name holds the number of the task."""
    with zipfile.ZipFile(io.BytesIO(result)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".csv")))


CLUSTERS = "e0a5a801ff642a5771d6e2ae6713886a1deb485f0530953d3f29cabf24747794"
"""Of the people's clusters as the API answers them; written down, so that all back ends are held to the same bytes."""

SCENARIOS = (
    Scenario("clustering", "/1/tasks/clustering", OBJECTS, check=_every_person_is_a_cluster, sha256=CLUSTERS),
    Scenario(
        "clustering with limit",
        "/1/tasks/clustering",
        {**OBJECTS, "limit": 2},
        check=_every_face_once,
        sha256=CLUSTERS,
    ),
    Scenario(
        "clustering of nothing",
        "/1/tasks/clustering",
        {**OBJECTS, "filters": NOBODY},
        expected=Status.FAILED,
        code=28010,
    ),
    Scenario("linker", "/1/tasks/linker", _new_list, check=_every_face_linked, effects=_list_is_full),
    Scenario("gc", "/1/tasks/gc", _victims, check=_nothing_wrong, effects=_victims_are_gone),
    Scenario(
        "exporter",
        "/1/tasks/exporter",
        {**PERSONS, "columns": ["external_id", "user_data", "avatar"]},
        check=_every_face_a_row,
        essence=_table,
    ),
)
