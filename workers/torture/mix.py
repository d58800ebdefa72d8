"""The tasks that are tortured. A task type joins by a line here, with a check of what it has done."""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from lunatasks.luna_services.descriptors import SFACE_MIRRORED
from tasks_app.states import Status
from workers.torture.ground import (
    ARCHIVE,
    BARES,
    BROKEN,
    PEOPLE,
    PERSON,
    PHOTOS,
    PICTURED,
    PICTURED_NAME,
    PORTRAITS,
    bare_faces,
    people,
    victim_batch,
)

PARTS = {
    "LUNATASKS_TILE_ROWS": "20",
    "LUNATASKS_PART_SIZE": "20",
    "LUNATASKS_GC_PART_SIZE": "3",
    "LUNATASKS_ROC_TILE_ROWS": "60",
    "LUNATASKS_IMAGES_PER_PART": "2",
}
"""Settings by which few objects make many parts: 21 of a clustering."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a POST may depend on: how many of its scenario there were before, and a clustering that stays."""

    number: int
    clustering_id: int


Effects = Iterable[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of task: where and what is posted, how it must end, what its result must look like.

    `check` gets the result's bytes and returns what is wrong with them, or nothing; `check_first` the same of a task
    that was never run again. `code`: the one stored error.
    `effects`: queries for one number each, and what it must be when the task is done. `essence`: what of a
    result must repeat; nothing when this result has nothing that could. `weight`: how often it is chosen, beside
    the others.
    """

    name: str
    path: str
    content: Mapping[str, Any] | Callable[[Turn], Mapping[str, Any]]
    expected: Status = Status.DONE
    check: Callable[[bytes], str] = field(default=lambda result: "")
    check_first: Callable[[bytes], str] = field(default=lambda result: "")
    code: int = 0
    sha256: str = ""
    """Of the answer's bytes, on every back end; empty: those of the calm run count."""

    effects: Callable[[Turn], Effects] = field(default=lambda turn: ())
    essence: Callable[[bytes], bytes] = field(default=lambda result: result)
    weight: int = 4

    def body(self, turn: Turn) -> dict[str, Any]:
        content = self.content(turn) if callable(self.content) else self.content
        return {"content": dict(content), "description": self.name}


FACES = people()[0]
PERSONS = {"objects_type": "faces", "filters": {"external_ids": [PERSON]}}


def _result(answer: bytes) -> Any:
    return orjson.loads(answer)["result"]


# -- clustering --------------------------------------------------------------------------------------

CLUSTERS = "e0a5a801ff642a5771d6e2ae6713886a1deb485f0530953d3f29cabf24747794"
"""Of the people's clusters as the API answers them; written down, so that all back ends are held to the same bytes."""
NEAREST_CLUSTERS = 26
"""Two people's nearest neighbours do not hang together."""
NOBODY = {"list_id": "00000000-0000-4000-8000-000000000000"}


def _every_face_once(answer: bytes) -> str:
    found = sorted(face_id for cluster in _result(answer) for face_id in cluster)
    return "" if found == sorted(FACES) else f"{len(found)} faces in the clusters, {PEOPLE * PHOTOS} expected"


def _every_person_is_a_cluster(answer: bytes) -> str:
    sizes = [len(cluster) for cluster in _result(answer)]
    if sizes != [PHOTOS] * PEOPLE:
        return f"clusters of {sorted(set(sizes))} faces, {PEOPLE} of {PHOTOS} expected"
    return _every_face_once(answer)


def _nearest_neighbours(answer: bytes) -> str:
    count = len(_result(answer))
    return _every_face_once(answer) if count == NEAREST_CLUSTERS else f"{count} clusters of nearest neighbours"


# -- linker, gc --------------------------------------------------------------------------------------


def _list_id(turn: Turn) -> UUID:
    return UUID(int=2**127 + turn.number)


def _new_list(turn: Turn) -> dict[str, Any]:
    return {**PERSONS, "create_list": 1, "list_id": str(_list_id(turn))}


def _every_face_linked(answer: bytes) -> str:
    found = _result(answer)
    return "" if found == sorted(FACES) else f"{len(found)} faces linked, {PEOPLE * PHOTOS} expected"


def _list_is_full(turn: Turn) -> Effects:
    """One list, and every person in it once."""
    hexadecimal = _list_id(turn).hex
    yield f"SELECT COUNT(*) FROM embedded_facelist WHERE list_id = '{hexadecimal}'", 1  # noqa: S608  of our making
    yield f"SELECT COUNT(*) FROM embedded_facelink WHERE face_list_id = '{hexadecimal}'", PEOPLE * PHOTOS  # noqa: S608


def _victims(turn: Turn) -> dict[str, Any]:
    return {"target": "faces", "filters": {"external_ids": [victim_batch(turn.number)]}}


def _nothing_wrong(answer: bytes) -> str:
    found = orjson.loads(answer)
    return "" if found == {"result": [], "errors": []} else f"{len(found['errors'])} errors of gc"


def _victims_are_gone(turn: Turn) -> Effects:
    """None of the batch is left, and nobody else has gone."""
    yield f"SELECT COUNT(*) FROM embedded_face WHERE external_id = '{victim_batch(turn.number)}'", 0  # noqa: S608
    yield f"SELECT COUNT(*) FROM embedded_face WHERE external_id = '{PERSON}'", PEOPLE * PHOTOS  # noqa: S608


# -- tables ------------------------------------------------------------------------------------------


def _table(answer: bytes) -> bytes:
    """The csv file of a zip; its name holds the number of the task."""
    with zipfile.ZipFile(io.BytesIO(answer)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".csv")))


def _column(answer: bytes, at: int) -> list[str]:
    return [row.split(b",")[at].decode() for row in _table(answer).splitlines()[1:]]


def _every_face_a_row(answer: bytes) -> str:
    ids = _column(answer, 0)
    return "" if ids == sorted(FACES) else f"{len(ids)} rows, {PEOPLE * PHOTOS} expected"


def _report(turn: Turn) -> dict[str, Any]:
    columns = ["external_id", "user_data", "avatar", "event_id", "lists"]
    return {"filters": {"task_id": turn.clustering_id}, "columns": columns}


def _every_cluster_reported(answer: bytes) -> str:
    clusters, ids = _column(answer, 0), _column(answer, 1)
    if sorted(ids) != sorted(FACES):
        return f"{len(ids)} rows of a report, {PEOPLE * PHOTOS} expected"
    expected = [str(at // PHOTOS) for at in range(PEOPLE * PHOTOS)]
    return "" if clusters == expected else f"clusters {sorted(set(clusters))} in a report"


def _members(answer: bytes) -> dict[str, bytes]:
    """Every file of a zip, without the number of the task in the name of the table and in the manifest."""
    with zipfile.ZipFile(io.BytesIO(answer)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return {_TASK.sub("task", name): _TASK_IN_MANIFEST.sub(b'"task.csv"', data) for name, data in files.items()}


def _all_files(answer: bytes) -> bytes:
    return b"\n".join(name.encode() + b"\n" + data for name, data in _members(answer).items())


def _all_files_without_lists(answer: bytes) -> bytes:
    """Linkers fill lists, the last column, meanwhile: of the manifest only the facts before the digests repeat."""
    members = _members(answer)
    rows = [row[:-1] for row in csv.reader(members["task.csv"].decode().splitlines())]
    members["task.csv"] = orjson.dumps(rows)
    members["manifest.json"] = members["manifest.json"].partition(b'"files"')[0]
    return b"\n".join(name.encode() + b"\n" + data for name, data in members.items())


def _every_picture_exported(answer: bytes) -> str:
    ids = sorted(str(face_id) for face_id in PICTURED)
    pictures = sorted(name for name in _members(answer) if name.startswith("images/"))
    if _column(answer, 0) != ids:
        return f"{len(_column(answer, 0))} rows, {len(ids)} expected"
    return "" if pictures == [f"images/{face_id}.jpg" for face_id in ids] else f"images {pictures}"


# -- matching ----------------------------------------------------------------------------------------

MATCHED = 2 * PHOTOS
"""The faces of two people are matched with everybody."""
MATCHING = {
    "filters": {
        "reference_type": "faces",
        "candidate_type": "faces",
        "reference_filters": {"face_ids": FACES[:MATCHED]},
        "candidate_filters": {"external_ids": [PERSON]},
    },
    "limit": PHOTOS - 1,
}
MARKUP = {"markup": [{"face_id": face_id, "label": at // PHOTOS} for at, face_id in enumerate(FACES)]}


def _every_mate_found(answer: bytes) -> str:
    persons = {face_id: at // PHOTOS for at, face_id in enumerate(FACES)}
    rows = _result(answer)
    for row in rows:
        mates = {each["candidate_id"] for each in row["candidates"]}
        own = persons[row["reference_id"]]
        if len(mates) != PHOTOS - 1 or row["reference_id"] in mates or {persons[mate] for mate in mates} != {own}:
            return "a face without its mates"
    return "" if len(rows) == MATCHED else f"{len(rows)} references, {MATCHED} expected"


def _all_pairs_counted(answer: bytes) -> str:
    result, count = _result(answer), PEOPLE * PHOTOS
    mated = count * (PHOTOS - 1) // 2
    found = result["counts"]["mated"], result["counts"]["nonmated"]
    if found != (mated, count * (count - 1) // 2 - mated):
        return f"{found} pairs of a ROC"
    return "" if result["AUC"] == 1.0 else f"AUC {result['AUC']}"


# -- face models -------------------------------------------------------------------------------------

VERSION = SFACE_MIRRORED.number
NOT_A_PHOTO = 28121
_IDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMES = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?")
_TASK = re.compile(r"task_\d+")
_TASK_IN_MANIFEST = re.compile(rb'"task_\d+\.csv"')
_TURNS = re.compile(rb"turn \d+")


def _extraction(turn: Turn) -> dict[str, Any]:
    ids = bare_faces(turn.number)
    return {
        "extraction_target": "face_descriptor",
        "options": {"descriptor_version": VERSION},
        "filters": {
            "objects_type": "faces",
            "face_id__gte": str(ids[0]),
            "face_id__lt": str(UUID(int=ids[-1].int + 1)),
        },
    }


def _extracted_once(answer: bytes) -> str:
    """Faces of the batch in their first generation; a run finds no face that the run before it has done."""
    rows = _result(answer)
    if {row["generation"] for row in rows} <= {1} and len({row["object_id"] for row in rows}) == len(rows) <= BARES:
        return ""
    return "a face was extracted twice"


def _all_extracted(answer: bytes) -> str:
    count = len(_result(answer))
    return "" if count == BARES else f"{count} faces extracted, {BARES} expected"


def _extracted_rows(answer: bytes) -> bytes:
    """Nothing of a run that found faces done."""
    return b"" if _all_extracted(answer) else _without_names(answer)


def _descriptors_are_there(turn: Turn) -> Effects:
    """One of each face, of the first generation; equal samples gave equal vectors."""
    ids = ", ".join(f"'{face_id.hex}'" for face_id in bare_faces(turn.number))
    where = f"FROM embedded_facedescriptor WHERE version = {VERSION} AND face_id IN ({ids})"
    yield f"SELECT COUNT(*) {where}", BARES
    yield f"SELECT SUM(generation) {where}", BARES
    yield f"SELECT COUNT(DISTINCT vector) {where}", len(PORTRAITS)


def _tag(turn: Turn) -> str:
    return f"turn {turn.number}"


def _estimation(turn: Turn) -> dict[str, Any]:
    return {
        "source": {"source_type": "zip", "reference": ARCHIVE},
        "handler": {
            "policies": {
                "conditional_tags_policy": [{"tag": _tag(turn)}],
                "storage_policy": {"face_policy": {"store_face": 1}},
            }
        },
    }


def _every_photo_estimated(answer: bytes) -> str:
    found = {row["filename"]: len(row["events"]) for row in _result(answer)}
    expected = {name.partition("/")[2]: 1 for name in PORTRAITS} | {BROKEN: 0}
    return "" if found == expected else f"events of {len(found)} files: {sorted(found.values())}"


def _events_are_there(turn: Turn) -> Effects:
    """One event of each photo, with a descriptor, and one face with a sample."""
    events = f"SELECT event_id FROM embedded_eventtag WHERE value = '{_tag(turn)}'"  # noqa: S608  of our making
    faces = f"SELECT face_id FROM embedded_face WHERE event_id IN ({events})"  # noqa: S608
    for table, name, of in (
        ("embedded_event", "event_id", events),
        ("embedded_eventdescriptor", "event_id", events),
        ("embedded_face", "face_id", faces),
        ("embedded_facesample", "face_id", faces),
        ("embedded_facedescriptor", "face_id", faces),
    ):
        yield f"SELECT COUNT(*) FROM {table} WHERE {name} IN ({of})", len(PORTRAITS)  # noqa: S608


def _without_names(answer: bytes) -> bytes:
    """Ids by the order in which they appear, without times and turns."""
    order: dict[bytes, int] = {}
    rows = orjson.dumps(_result(answer))  # its errors have ids too
    numbered = _IDS.sub(lambda found: b"#%d" % order.setdefault(found[0], len(order)), rows)
    return _TURNS.sub(b"turn", _TIMES.sub(b"time", numbered))


SCENARIOS = (
    Scenario("clustering", "/1/tasks/clustering", PERSONS, check=_every_person_is_a_cluster, sha256=CLUSTERS),
    Scenario("clustering with limit", "/1/tasks/clustering", {**PERSONS, "limit": 1}, check=_nearest_neighbours),
    Scenario(
        "clustering of nothing",
        "/1/tasks/clustering",
        {**PERSONS, "filters": NOBODY},
        expected=Status.FAILED,
        code=28010,
    ),
    Scenario("linker", "/1/tasks/linker", _new_list, check=_every_face_linked, effects=_list_is_full),
    Scenario("gc", "/1/tasks/gc", _victims, check=_nothing_wrong, effects=_victims_are_gone),
    Scenario(
        "exporter",
        "/1/tasks/exporter",
        {**PERSONS, "columns": ["external_id", "user_data", "avatar", "event_id"]},
        check=_every_face_a_row,
        essence=_all_files,
    ),
    Scenario(
        "exporter with images",
        "/1/tasks/exporter",
        {
            "objects_type": "faces",
            "filters": {"external_ids": [PICTURED_NAME]},
            "columns": ["external_id"],
            "save_images": 1,
        },
        check=_every_picture_exported,
        essence=_all_files,
        weight=2,
    ),
    Scenario("reporter", "/1/tasks/reporter", _report, check=_every_cluster_reported, essence=_all_files_without_lists),
    Scenario("cross match", "/1/tasks/cross_match", MATCHING, check=_every_mate_found),
    Scenario("ROC", "/1/tasks/roc", MARKUP, check=_all_pairs_counted, weight=2),
    Scenario(
        "additional extraction",
        "/1/tasks/additional_extract",
        _extraction,
        check=_extracted_once,
        check_first=_all_extracted,
        effects=_descriptors_are_there,
        essence=_extracted_rows,
        weight=1,
    ),
    Scenario(
        "estimator",
        "/1/tasks/estimator",
        _estimation,
        check=_every_photo_estimated,
        code=NOT_A_PHOTO,
        effects=_events_are_there,
        essence=_without_names,
        weight=1,
    ),
)
