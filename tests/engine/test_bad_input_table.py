"""Bad input of linker, gc, reporter, exporter and cross match: what a POST refuses, and what ends as stored errors.

A refusal leaves no task behind and sends no message. What goes wrong later leaves no artefact but the result, and
the same service goes on to do a good task.
"""

from uuid import UUID, uuid4

import numpy as np
import pytest

from lunatasks.errors import LunaError
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.ports import NewFace
from tasks_app import artefacts, services
from tasks_app.models import Task
from tasks_app.states import Status, Step, TaskType
from tests.conftest import OTHER_ACCOUNT
from tests.engine.types import archive_of, create, ended, errors_of, jpeg

pytestmark = pytest.mark.django_db(transaction=True)
LINKER, GC, REPORTER, EXPORTER = TaskType.LINKER, TaskType.GC, TaskType.REPORTER, TaskType.EXPORTER
MATCH = TaskType.CROSS_MATCH
THEIRS = UUID(int=77)
"""A list of the other account."""
CLUSTERING = {"objects_type": "faces", "filters": {}, "descriptor": {"type": "face"}}
OF_EVENTS = CLUSTERING | {"objects_type": "events"}

FACES, EVENTS = {"objects_type": "faces"}, {"objects_type": "events"}
FOREIGN = {"filters": {"account_id": str(OTHER_ACCOUNT)}}
SIDES = {"reference_type": "faces", "candidate_type": "faces"}

REFUSED = [
    ("unknown column of faces", EXPORTER, {**FACES, "columns": ["age"]}, 12022, "columns.0"),
    ("unknown column of events", EXPORTER, {**EVENTS, "columns": ["lists"]}, 12022, "columns.0"),
    ("column that is nowhere", EXPORTER, {**FACES, "columns": ["user_data", "x"]}, 12022, "columns.1"),
    ("column of the wrong kind", EXPORTER, {**FACES, "columns": [1]}, 12022, "columns.0"),
    ("columns that are no array", EXPORTER, {**FACES, "columns": "user_data"}, 12022, "columns"),
    ("column twice", EXPORTER, {**FACES, "columns": ["avatar", "avatar"]}, 12022, "columns"),
    ("delimiter of two characters", EXPORTER, {**FACES, "csv_delimiter": ";;"}, 12022, "csv_delimiter"),
    ("no delimiter", EXPORTER, {**FACES, "csv_delimiter": ""}, 12022, "csv_delimiter"),
    *(
        (f"delimiter {bad!r}", EXPORTER, {**FACES, "csv_delimiter": bad}, 12022, "csv_delimiter")
        for bad in ('"', "\r", "\n", "\0", 1, None)
    ),
    ("images by true", EXPORTER, {**FACES, "save_images": True}, 12022, "save_images"),
    ("body of a face", EXPORTER, {**FACES, "descriptor": {"type": "body"}}, 12022, "descriptor"),
    ("another account", EXPORTER, {**FACES, **FOREIGN}, 12022, "filters.account_id"),
    ("no objects_type", EXPORTER, {}, 12022, "objects_type"),
    ("empty array", EXPORTER, {**FACES, "filters": {"face_ids": []}}, 12022, "filters.face_ids"),
    ("no list", LINKER, FACES, 12022, "list_id"),
    ("absent list", LINKER, {**FACES, "list_id": str(UUID(int=5))}, 22003, str(UUID(int=5))),
    ("list of another account", LINKER, {**FACES, "list_id": str(THEIRS)}, 22003, str(THEIRS)),
    ("create_list by true", LINKER, {**FACES, "create_list": True}, 12022, "create_list"),
    ("another account's faces", LINKER, {**FACES, "create_list": 1, **FOREIGN}, 12022, "filters.account_id"),
    ("unknown objects", LINKER, {"objects_type": "people", "create_list": 1}, 12022, "objects_type"),
    ("long user_data", LINKER, {**FACES, "create_list": 1, "user_data": "x" * 129}, 12022, "user_data"),
    ("no target", GC, {}, 12022, "target"),
    ("unknown target", GC, {"target": "lists"}, 12022, "target"),
    ("descriptors of no version", GC, {"target": "face_descriptors", "filters": {}}, 12022, "descriptor_version"),
    ("descriptors without filters", GC, {"target": "event_descriptors"}, 12022, "filters"),
    ("version by text", GC, {"target": "face_descriptors", "filters": {"descriptor_version": "1"}}, 12022, "version"),
    ("empty array of gc", GC, {"target": "faces", "filters": {"face_ids": []}}, 12022, "filters.face_ids"),
    ("null of gc", GC, {"target": "faces", "filters": {"user_data": None}}, 12022, "filters.user_data"),
    ("gc of another account", GC, {"target": "events", **FOREIGN}, 12022, "filters.account_id"),
    ("dry_run by 1", GC, {"target": "faces", "dry_run": 1}, 12022, "dry_run"),
    ("filter of events over faces", GC, {"target": "faces", "filters": {"tags": ["a"]}}, 12022, "filters.tags"),
    ("no task", REPORTER, {"filters": {}}, 12022, "task_id"),
    ("no filters", REPORTER, {}, 12022, "filters"),
    ("task that is absent", REPORTER, {"filters": {"task_id": 10**9}}, 28001, "1000000000"),
    ("task by text", REPORTER, {"filters": {"task_id": "1"}}, 12022, "task_id"),
    ("report of another account", REPORTER, {"filters": {"task_id": 1, **FOREIGN["filters"]}}, 12022, "account_id"),
    ("match without a side", MATCH, {"filters": {"reference_type": "faces"}}, 12022, "candidate_type"),
    ("match of unknown objects", MATCH, {"filters": SIDES | {"candidate_type": "x"}}, 12022, "candidate_type"),
    ("bodies of faces", MATCH, {"filters": SIDES | {"descriptor": {"type": "body"}}}, 12022, "descriptor"),
    ("match of another account", MATCH, {"filters": SIDES | FOREIGN["filters"]}, 12022, "filters.account_id"),
    (
        "references of another account",
        MATCH,
        {"filters": SIDES | {"reference_filters": FOREIGN["filters"]}},
        12022,
        "reference_filters.account_id",
    ),
    ("threshold beyond 1", MATCH, {"filters": SIDES, "threshold": 1.1}, 12022, "threshold"),
    ("no candidates wanted", MATCH, {"filters": SIDES, "limit": 0}, 12022, "limit"),
]


def tasks_and_messages(sent):
    return Task.objects.count(), len(sent)


@pytest.mark.parametrize(
    ("task_type", "content", "code", "named"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_post_of_bad_input_is_refused(account, sent, task_type, content, code, named):
    registry.faces().ensure_list(OTHER_ACCOUNT, THEIRS)

    with pytest.raises(LunaError) as caught:
        create(account, task_type, content)

    assert caught.value.code == code
    assert named in caught.value.detail
    assert tasks_and_messages(sent) == (0, 0)


REPORTED = [
    ("another account", {"account_id": OTHER_ACCOUNT}, {}, 28001),
    ("another type", {"task_type": TaskType.GC}, {}, 28106),
    ("column of events", {}, {"columns": ["user_data", "age"]}, 12022),
    ("column of faces", {"content": OF_EVENTS}, {"columns": ["lists"]}, 12022),
]


@pytest.mark.parametrize(("fields", "content", "code"), [row[1:] for row in REPORTED], ids=[row[0] for row in REPORTED])
def test_a_report_that_does_not_fit_its_task_is_refused(finished_task, account, sent, fields, content, code):
    clustering = finished_task([], **{"content": CLUSTERING} | fields)

    with pytest.raises(LunaError) as caught:
        create(account, REPORTER, {"filters": {"task_id": clustering.pk}, **content})

    assert caught.value.code == code
    assert tasks_and_messages(sent) == (1, 0)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.DONE}), ids=lambda status: status.label)
def test_a_report_of_a_task_that_is_not_done_is_refused(make_task, account, sent, status):
    clustering = make_task(task_status=status, content=CLUSTERING)

    with pytest.raises(LunaError) as caught:
        create(account, REPORTER, {"filters": {"task_id": clustering.pk}})

    assert (caught.value.code, caught.value.detail) == (
        28015,
        f"Tasks with status '{int(status)}' does not support a build report",
    )


def test_a_report_without_a_result_and_on_one_that_is_gone_is_refused(make_task, finished_task, account, sent):
    without, gone = make_task(task_status=Status.DONE, content=CLUSTERING), finished_task([], content=CLUSTERING)
    artefacts.storage().delete(gone.result_path)

    codes = []
    for clustering in (without, gone):
        with pytest.raises(LunaError) as caught:
            create(account, REPORTER, {"filters": {"task_id": clustering.pk}})
        codes.append((caught.value.code, caught.value.status))

    assert codes == [(28016, 400), (28017, 404)]


# -- later -------------------------------------------------------------------------------------------


def people_with_samples(account):
    faces = [
        NewFace(UUID(int=at * 2**100), descriptors={SFACE.number: vector(at)}, sample=jpeg(at)) for at in range(1, 8)
    ]
    registry.faces().add_faces(account, faces)
    return [face.face_id for face in faces]


def vector(at):
    return np.random.default_rng(at).normal(size=SFACE.dimension)


def nothing(account, ids, task):
    pass


def delete_all(account, ids, task):
    registry.faces().delete_faces(account, ids)


def delete_one(account, ids, task):
    registry.faces().delete_faces(account, ids[:1])


def replace_one(account, ids, task):
    """Another face under the same id."""
    delete_one(account, ids, task)
    registry.faces().add_faces(account, [NewFace(ids[0], user_data="other", descriptors={SFACE.number: vector(9)})])


def drop_descriptors(account, ids, task):
    registry.faces().delete_descriptors(account, ids, version=SFACE.number)


def drop_list(account, ids, task):
    registry.faces().delete_lists(account, [UUID(task.content["list_id"])])


def drop_samples(account, ids, task):
    store, bucket = registry.image_store(), registry.buckets().face_samples
    samples = [card.sample_ids[0] for card in registry.faces().get_faces(account, ids[:1])]
    store.delete_images(account, bucket, samples)


def drop_inputs(account, ids, task):
    task.refresh_from_db()
    planned = task.inputs.get("ids") or task.inputs["reference_ids"]
    artefacts.storage().delete(planned["path"])


ALL_GONE = {"filters": {"user_data": "nobody"}}
NO_REFERENCES = SIDES | {"reference_filters": ALL_GONE["filters"]}
NO_CANDIDATES = SIDES | {"candidate_filters": ALL_GONE["filters"]}
LATER = [
    ("gc of nothing", GC, {"target": "faces", **ALL_GONE}, nothing, Status.DONE, set()),
    ("gc of what is gone", GC, {"target": "faces"}, delete_all, Status.DONE, set()),
    ("export of nothing", EXPORTER, {**FACES, **ALL_GONE}, nothing, Status.DONE, set()),
    ("export of what is gone", EXPORTER, FACES, delete_all, Status.DONE, {22004}),
    ("export of one that is gone", EXPORTER, FACES, delete_one, Status.DONE, {22004}),
    ("export without an image", EXPORTER, {**FACES, "save_images": 1}, drop_samples, Status.DONE, {13003}),
    ("export whose plan is gone", EXPORTER, FACES, drop_inputs, Status.FAILED, {28115, 28113}),
    ("link of nothing", LINKER, {**FACES, "create_list": 1, **ALL_GONE}, nothing, Status.DONE, set()),
    ("link of one that is gone", LINKER, {**FACES, "create_list": 1}, delete_one, Status.DONE, {22004}),
    ("link of what is gone", LINKER, {**FACES, "create_list": 1}, delete_all, Status.DONE, {22004}),
    ("link to a list that is gone", LINKER, {**FACES, "create_list": 1}, drop_list, Status.FAILED, {22003, 28113}),
    ("gc whose plan is gone", GC, {"target": "faces"}, drop_inputs, Status.FAILED, {28115, 28113}),
    ("gc of one that is another", GC, {"target": "faces"}, replace_one, Status.DONE, set()),
    ("export of one that is another", EXPORTER, FACES, replace_one, Status.DONE, set()),
    ("link of one that is another", LINKER, {**FACES, "create_list": 1}, replace_one, Status.DONE, set()),
    ("report of one that is another", REPORTER, {}, replace_one, Status.DONE, set()),
    ("report of one that is gone", REPORTER, {}, delete_one, Status.DONE, {22004}),
    ("report of what is gone", REPORTER, {}, delete_all, Status.DONE, {22004}),
    ("report without an image", REPORTER, {"save_images": 1}, drop_samples, Status.DONE, {13003}),
    ("report whose plan is gone", REPORTER, {}, drop_inputs, Status.FAILED, {28115, 28113}),
    ("match of one that is gone", MATCH, {"filters": SIDES}, delete_one, Status.DONE, set()),
    ("match of one that is another", MATCH, {"filters": SIDES}, replace_one, Status.DONE, set()),
    ("match without descriptors", MATCH, {"filters": SIDES}, drop_descriptors, Status.DONE, set()),
    ("match whose plan is gone", MATCH, {"filters": SIDES}, drop_inputs, Status.FAILED, {28115, 28113}),
    ("match without references", MATCH, {"filters": NO_REFERENCES}, nothing, Status.FAILED, {28022}),
    ("match without candidates", MATCH, {"filters": NO_CANDIDATES}, nothing, Status.FAILED, {28022}),
]


@pytest.mark.parametrize(
    ("task_type", "content", "change", "status", "codes"), [row[1:] for row in LATER], ids=[row[0] for row in LATER]
)
def test_what_goes_wrong_behind_the_split_is_stored(
    account, sent, work, settings, finished_task, task_type, content, change, status, codes
):
    settings.LUNATASKS_PART_SIZE = settings.LUNATASKS_GC_PART_SIZE = settings.LUNATASKS_TILE_ROWS = 3
    ids = people_with_samples(account)
    if task_type == REPORTER:
        clustering = finished_task([[str(face_id) for face_id in ids]], content=CLUSTERING)
        content = {**content, "filters": {"task_id": clustering.pk}}
    task = create(account, task_type, content)
    work(1)
    change(account, ids, task)

    work()

    ended(task, status)
    assert {code for code, _ in errors_of(task)} == codes
    left = list(artefacts.walk(artefacts.folder_of_task(task.pk)))
    assert status == Status.FAILED or left == [task.result_path]
    assert archive_of(good_task(account, work)).rows[0] == ["face_id"]


def good_task(account, work) -> Task:
    """The service is unharmed."""
    task = create(account, EXPORTER, FACES)
    work()
    return ended(task)


@pytest.mark.parametrize("task_type", [LINKER, GC, REPORTER, EXPORTER], ids=lambda task_type: task_type.label)
def test_a_cancel_between_the_parts_leaves_no_result(account, sent, work, settings, task_type, finished_task):
    settings.LUNATASKS_PART_SIZE = settings.LUNATASKS_GC_PART_SIZE = 3
    ids = people_with_samples(account)
    clustering = finished_task([[str(face_id) for face_id in ids]], content=CLUSTERING)
    contents = {
        LINKER: {**FACES, "create_list": 1},
        GC: {"target": "faces"},
        REPORTER: {"filters": {"task_id": clustering.pk}},
        EXPORTER: FACES,
    }
    task = create(account, task_type, contents[task_type])
    work(2)

    services.cancel_task(task_id=task.pk)
    work()

    task = ended(task, Status.CANCELLED)
    assert (task.result_path, task.step) == ("", Step.PARTS)
    assert errors_of(task) == [(28025, None)]


def test_an_object_that_is_made_meanwhile_is_not_in_the_export(account, sent, work):
    people_with_samples(account)
    task = create(account, EXPORTER, FACES)
    registry.faces().add_faces(account, [NewFace(uuid4())])

    work()

    assert len(archive_of(ended(task)).rows) == 8
