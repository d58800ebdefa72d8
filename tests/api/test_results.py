"""Downloads of results."""

import threading

import orjson
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.signals import request_finished
from django.db import close_old_connections

from lunatasks.api import downloads
from tasks_app.api import results
from tasks_app.states import Status
from tests.api.conftest import error_of

pytestmark = pytest.mark.django_db


def body_of(response) -> bytes:
    return b"".join(response.streaming_content)


def test_a_json_result_is_the_stored_bytes_with_the_errors_appended(api, finished_task, make_error):
    stored = b'[["b","a"],\n ["c"]]'
    task = finished_task(stored=stored)
    error = make_error(task, additional_info="x")

    response = api.get(f"/tasks/{task.pk}/result")

    body = body_of(response)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Content-Disposition"] == f"attachment; filename=task_{task.pk}.json"
    assert response["Cache-Control"] == "no-store"
    assert body.startswith(b'{"result": ' + stored)
    assert orjson.loads(body)["errors"] == [api.get(f"/tasks/errors/{error.pk}").json()]


def test_a_result_without_errors_is_whole_json(api, finished_task):
    task = finished_task([["a"]])

    assert orjson.loads(body_of(api.get(f"/tasks/{task.pk}/result"))) == {"result": [["a"]], "errors": []}


def test_errors_beyond_one_batch_are_all_there_newest_first(api, finished_task, make_error, monkeypatch):
    monkeypatch.setattr(results, "ERRORS_AT_ONCE", 3)
    task = finished_task()
    ids = [make_error(task).pk for _ in range(7)]

    errors = orjson.loads(body_of(api.get(f"/tasks/{task.pk}/result")))["errors"]

    assert [error["error_id"] for error in errors] == ids[::-1]


def test_a_zip_is_sent_as_it_lies(api, finished_task):
    task = finished_task(stored=b"PK" * 300_000, suffix="zip")

    response = api.get(f"/tasks/{task.pk}/result")

    assert body_of(response) == b"PK" * 300_000
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Length"] == "600000"
    assert response["Content-Disposition"] == f"attachment; filename=task_{task.pk}.zip"


def test_a_large_result_is_sent_in_chunks(api, finished_task):
    task = finished_task(stored=b"1" * (3 * downloads.CHUNK), suffix="zip")

    chunks = list(api.get(f"/tasks/{task.pk}/result").streaming_content)

    assert max(map(len, chunks)) <= downloads.CHUNK


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.FAILED])
def test_a_cancelled_or_failed_task_has_no_result(api, make_task, status):
    task = make_task(task_status=status)

    response = api.get(f"/tasks/{task.pk}/result")

    assert error_of(response) == (400, 28020)
    assert response.json()["detail"] == f"Impossible get a result of task {task.pk} with status {int(status)}"


@pytest.mark.parametrize("status", [Status.PENDING, Status.IN_PROGRESS, Status.COLLECT_RESULTS])
def test_a_task_that_runs_has_no_result_yet(api, make_task, status):
    task = make_task(task_status=status)

    assert error_of(api.get(f"/tasks/{task.pk}/result")) == (404, 28018)


@pytest.mark.parametrize("path", ["tasks/1/1/gone.json", ""])
def test_a_result_whose_file_is_gone_is_not_found(api, make_task, path):
    storages["results"].save("tasks/2/1/other.json", ContentFile(b"[]"))
    task = make_task(task_status=Status.DONE, result_path=path)

    assert error_of(api.get(f"/tasks/{task.pk}/result")) == (404, 28017)


@pytest.fixture
def one_slot(monkeypatch):
    monkeypatch.setattr(downloads, "_slots", threading.BoundedSemaphore(1))


def hang_up(response) -> None:
    """Close as a server does, but leave the connection to the test's transaction."""
    request_finished.disconnect(close_old_connections)
    response.close()
    request_finished.connect(close_old_connections)


def test_one_download_too_many_is_told_to_come_again(api, finished_task, one_slot):
    path = f"/tasks/{finished_task().pk}/result"
    first = api.get(path)

    refused = api.get(path)
    hang_up(first)
    later = api.get(path)

    assert error_of(refused) == (503, 28109)
    assert refused["Retry-After"] == "1"
    assert later.status_code == 200
    hang_up(later)


def test_a_download_that_ends_frees_its_slot_whether_read_or_not(api, finished_task, one_slot):
    path = f"/tasks/{finished_task().pk}/result"

    for _ in range(3):
        response = api.get(path)
        assert body_of(response)
        hang_up(response)
    for _ in range(3):
        response = api.send("HEAD", path)
        assert response.status_code == 200
        hang_up(response)


@pytest.mark.django_db(transaction=True)
def test_no_database_connection_is_held_while_streaming(api, finished_task, make_error):
    from django.db import connection

    task = finished_task([1])
    make_error(task)

    response = api.get(f"/tasks/{task.pk}/result")
    held_before = connection.connection is not None
    body = body_of(response)

    assert not held_before
    assert connection.connection is None
    assert orjson.loads(body)["errors"]
