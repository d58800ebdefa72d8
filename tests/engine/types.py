"""What the tests of task types share: objects with images, tasks from content to result, zips taken apart."""

import csv
import hashlib
import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import orjson
from django.core.files.storage import Storage

from errors_app.models import TaskError
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import BODY, SFACE
from lunatasks.luna_services.embedded.images import encode_jpeg
from lunatasks.luna_services.ports import Detection, NewEvent, Rect, TopMatch
from lunatasks.storage import AtomicFileSystemStorage
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


def full_event(number: int, **fields) -> NewEvent:
    """An event with every member given, its face sample and its descriptors; none is like another one."""
    random = np.random.default_rng(number)
    similar = TopMatch("face", UUID(int=900 + number), 0.9, label="=boss", external_id="@ext")
    given = {
        "event_id": UUID(int=number * 2**100 + 7),
        "handler_id": UUID(int=800 + number),
        "external_id": f"-{number}",
        "user_data": f"=data {number}",
        "source": "door, left",
        "track_id": f"track {number % 2}",
        "create_time": datetime(2025, 1, 2, 3, 4, 5, number, tzinfo=UTC),
        "end_time": datetime(2025, 1, 2, 3, 4, 6, number, tzinfo=UTC),
        "attach_result": (UUID(int=700),),
        "tags": ("b", "=a"),
        "face_detections": (Detection(sample_id(number), Rect(1, 2, 30, 40), image_origin=str(origin_id(number))),),
        "body_detections": (Detection(body_id(number), Rect(-1, 0, 3, 4), detect_ts=1.5),),
        "match_result": [
            {"label": "=boss", "candidates": [{"face": {"face_id": str(UUID(int=1))}, "similarity": 0.9}]}
        ],
        "top_match": similar,
        "city": "c",
        "area": "+a",
        "district": "d",
        "street": "s",
        "house_number": "1-2",
        "longitude": -10.5,
        "latitude": -20.25,
        "age": 30 + number,
        "gender": number % 2,
        "emotion": 4,
        "ethnic_group": 3,
        "mask": 1,
        "liveness": 2,
        "apparent_age": 31,
        "apparent_gender": 2,
        "headwear_state": 0,
        "sleeve_length": "long",
        "upper_clothing_colors": ("red", "black"),
        "backpack_state": 1,
        "face_descriptors": {SFACE.number: random.normal(size=SFACE.dimension)},
        "body_descriptors": {BODY.number: random.normal(size=BODY.dimension)},
    }
    return NewEvent(**given | fields)


def sample_id(number: int) -> UUID:
    return UUID(int=600_000 + number)


def body_id(number: int) -> UUID:
    return UUID(int=500_000 + number)


def origin_id(number: int) -> UUID:
    return UUID(int=400_000 + number)


def add_events(account: UUID, events: list[NewEvent], *, images: bool = True) -> list[UUID]:
    """Store events made by `full_event(1)`, `full_event(2)`, ... with their samples and source images."""
    buckets, store = registry.buckets(), registry.image_store()
    registry.events().add_events(account, events)
    for number in range(1, len(events) + 1) if images else ():
        store.put_image(account, buckets.face_samples, sample_id(number), jpeg(number))
        store.put_image(account, buckets.body_samples, body_id(number), jpeg(1000 + number))
        store.put_image(account, buckets.image_origins, origin_id(number), jpeg(2000 + number))
    return [event.event_id for event in events]


def jpeg(seed: int) -> bytes:
    """A small picture that is no other one's."""
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return encode_jpeg(pixels)


def drop_image(account: UUID, bucket: str, image_id: UUID) -> None:
    """Take an image out of the store behind everybody's back."""
    assert registry.image_store().delete_images(account, bucket, [image_id]) == [image_id]


class RemoteStorage(Storage):
    """Files that are no files of this machine, as far as the workers can tell."""

    def __init__(self, location: str) -> None:
        self._files = AtomicFileSystemStorage(location=location)

    def __getattribute__(self, name):
        delegated = ("_open", "_save", "exists", "listdir", "delete", "size", "get_available_name")
        return (
            getattr(object.__getattribute__(self, "_files"), name)
            if name in delegated
            else super().__getattribute__(name)
        )
