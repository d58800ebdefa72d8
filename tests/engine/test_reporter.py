"""A report on a clustering from request to zip, in this process."""

import hashlib
import io
from uuid import UUID, uuid4

import orjson
import pytest

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.ports import NewFace
from tasks_app import artefacts, services
from tasks_app.states import Status, TaskType
from tasks_app.transitions import Artefact
from tests.engine.conftest import people
from tests.engine.types import archive_of, create, ended, errors_of, jpeg, result_of, stored
from workers.files import clusters


@pytest.fixture(autouse=True)
def small_parts(settings):
    settings.LUNATASKS_PART_SIZE = 3


@pytest.fixture
def make_clustered(transactional_db, account, make_clustering, work):
    """A finished clustering of three people, and the names of their faces."""

    def make():
        ids, vectors = people(3, 3)
        registry.faces().add_faces(
            account,
            [
                NewFace(face_id, user_data=f"={at}", descriptors={SFACE.number: vector}, sample=jpeg(at))
                for at, (face_id, vector) in enumerate(zip(ids, vectors, strict=True))
            ],
        )
        task = make_clustering()
        work()
        return ended(task), {str(face_id): f"'={at}" for at, face_id in enumerate(ids)}

    return make


@pytest.fixture
def report(account, sent, work):
    """A finished report."""

    def run(clustering, status=Status.DONE, **content):
        task = create(account, TaskType.REPORTER, {"filters": {"task_id": clustering.pk}, **content})
        work()
        return ended(task, status)

    return run


def obvious_rows(clustering, names) -> list[list[str]]:
    """Cluster after cluster from the whole result in memory."""
    return [
        [str(number), face_id, names[face_id]]
        for number, cluster in enumerate(result_of(clustering))
        for face_id in cluster
    ]


@pytest.mark.parametrize("delimiter", [",", "|", "1"])
def test_every_object_has_a_row_in_the_order_of_the_clusters(make_clustered, report, delimiter):
    clustering, names = make_clustered()

    task = report(clustering, columns=["user_data"], csv_delimiter=delimiter)

    archive = archive_of(task, delimiter)
    assert archive.rows == [["cluster", "face_id", "user_data"], *obvious_rows(clustering, names)]
    assert task.count_task_parts_all == 3


def test_without_columns_there_are_cluster_and_id(make_clustered, report):
    clustering, names = make_clustered()

    archive = archive_of(report(clustering))

    assert archive.rows[1:] == [row[:2] for row in obvious_rows(clustering, names)]
    assert archive.images == {}


def test_images_are_those_of_the_objects(make_clustered, report):
    clustering, names = make_clustered()

    archive = archive_of(report(clustering, save_images=1))

    wanted = {f"images/{face_id}.jpg": jpeg(at) for at, face_id in enumerate(names)}
    assert archive.images == wanted
    assert archive.names[1:-1] == [f"images/{face_id}.jpg" for _, face_id, _ in obvious_rows(clustering, names)]


def test_two_reports_and_a_rerun_are_alike(make_clustered, report, work):
    clustering, _ = make_clustered()
    first = report(clustering, columns=["user_data"], save_images=1)
    before = stored(first)

    services.rerun_task(task_id=first.pk)
    work()
    second = report(clustering, columns=["user_data"], save_images=1)

    assert stored(ended(first)) == before
    assert archive_of(second).table == archive_of(first).table


def test_a_face_that_is_gone_keeps_its_first_two_cells(make_clustered, report, account):
    clustering, names = make_clustered()
    [gone, *_] = sorted(names)
    registry.faces().delete_faces(account, [UUID(gone)])

    task = report(clustering, columns=["user_data", "external_id"], save_images=1)

    [row] = [row for row in archive_of(task).rows if row[1] == gone]
    assert row[0].isdigit()
    assert row[2:] == ["", ""]
    assert errors_of(task) == [(22004, gone)]


def test_the_report_goes_on_when_the_clustering_is_deleted_behind_the_split(make_clustered, account, work, sent):
    clustering, names = make_clustered()
    wanted = obvious_rows(clustering, names)
    task = create(account, TaskType.REPORTER, {"filters": {"task_id": clustering.pk}, "columns": ["user_data"]})
    work(1)
    services.delete_task(task_id=clustering.pk)

    work()

    assert archive_of(ended(task)).rows[1:] == wanted


def deleted(clustering):
    services.delete_task(task_id=clustering.pk)


def started_again(clustering):
    services.rerun_task(task_id=clustering.pk)


def result_removed(clustering):
    artefacts.storage().delete(clustering.result_path)


def result_shortened(clustering):
    with open(artefacts.storage().path(clustering.result_path), "r+b") as stream:  # noqa: PTH123
        stream.truncate(200)


def result_changed(clustering):
    with open(artefacts.storage().path(clustering.result_path), "r+b") as stream:  # noqa: PTH123
        data = stream.read().replace(b"0", b"1")
        stream.seek(0)
        stream.write(data)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (deleted, 28001),
        (started_again, 28015),
        (result_removed, 28017),
        (result_shortened, 28115),
        (result_changed, 28115),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_clustering_that_changes_before_the_split_fails_the_report(make_clustered, account, sent, work, change, code):
    clustering, _ = make_clustered()
    task = create(account, TaskType.REPORTER, {"filters": {"task_id": clustering.pk}})
    [message] = sent
    change(clustering)
    sent[:] = [message]

    work()

    ended(task, Status.FAILED)
    assert errors_of(task) == [(code, None)]


def test_a_report_on_nothing_is_a_header_row(transactional_db, finished_task, report):
    clustering = finished_task([], content={"objects_type": "faces", "filters": {}, "descriptor": {"type": "face"}})

    assert archive_of(report(clustering)).rows == [["cluster", "face_id"]]


@pytest.mark.parametrize("size", [1, 7, 37, 38, 39, 200, 2**20])
def test_reading_clusters_block_by_block_equals_reading_them_at_once(monkeypatch, size):
    monkeypatch.setattr(clusters, "READ_BYTES", size)
    value = [[str(uuid4()) for _ in range(count)] for count in (3, 2, 1, 1)]
    found = []

    for ids, numbers in read(orjson.dumps(value)):
        found += [(number, str(UUID(bytes=bytes(ids[16 * at : 16 * at + 16])))) for at, number in enumerate(numbers)]

    assert found == [(number, face_id) for number, cluster in enumerate(value) for face_id in cluster]


@pytest.mark.parametrize("data", [b"[", b"[[]", b'[["x"]]', b"no json", b'{"result": []}', b"[]]", b"x" * 100])
def test_what_is_no_list_of_clusters_is_damaged(data):
    with pytest.raises(errors.ArtefactDamaged):
        list(read(data))


def read(data: bytes):
    stored_as = Artefact("clusters.json", len(data), hashlib.sha256(data).hexdigest())
    return clusters.read_clusters(io.BytesIO(data), stored_as, task_id=1)
