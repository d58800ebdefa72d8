"""What the tests of task types share: objects with images, tasks from content to result, zips taken apart."""

import csv
import hashlib
import io
import zipfile
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import orjson
from django.db import connection

from errors_app.models import TaskError
from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.images import encode_jpeg
from tasks_app import services
from tasks_app.models import Task
from tasks_app.states import Status


def create(account: UUID, task_type: int, content: object) -> Task:
    """A task as a POST makes it."""
    return services.create_task(account_id=account, task_type=task_type, content=content)


def ended(task: Task, status: Status = Status.DONE) -> Task:
    """The task's row, which must have that status."""
    task.refresh_from_db()
    assert task.task_status == status, errors_of(task)
    return task


def stored(task: Task) -> bytes:
    """The bytes of the result."""
    with services.open_result(task_id=task.pk).stream as stream:
        return stream.read()


def result_of(task: Task) -> list:
    """The value of a JSON result."""
    return orjson.loads(stored(task))


def errors_of(task: Task) -> list[tuple[int, str | None]]:
    """(code, additional_info) of the stored errors."""
    return sorted(TaskError.objects.filter(task=task).values_list("error_code", "additional_info"), key=str)


@dataclass(frozen=True)
class Archive:
    """A report taken apart by the library's own reader."""

    names: list[str]
    rows: list[list[str]]
    images: dict[str, bytes]
    manifest: dict
    table: bytes


def archive_of(task: Task, delimiter: str = ",") -> Archive:
    """The zip of the task; sizes, digests and dates are checked on the way."""
    with zipfile.ZipFile(io.BytesIO(stored(task))) as archive:
        assert archive.testzip() is None
        files = {info.filename: archive.read(info) for info in archive.infolist()}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    manifest, table = orjson.loads(files["manifest.json"]), files[f"task_{task.pk}.csv"]
    listed = {entry["name"]: (entry["size"], entry["sha256"]) for entry in manifest["files"]}
    assert listed == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items() if name != "manifest.json"
    }
    rows = list(csv.reader(io.StringIO(table.decode(), newline=""), delimiter=delimiter))
    images = {name: data for name, data in files.items() if name.startswith("images/")}
    assert (manifest["rows"], manifest["images"]) == (len(rows) - 1, len(images))
    return Archive(list(files), rows, images, manifest, table)


def jpeg(seed: int) -> bytes:
    """A small picture that is no other one's."""
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return encode_jpeg(pixels)


def drop_image(account: UUID, bucket: str, image_id: UUID) -> None:
    """Take an image out of the store behind everybody's back."""
    assert registry.image_store().delete_images(account, bucket, [image_id]) == [image_id]


def is_postgres() -> bool:
    return connection.vendor == "postgresql"
