"""exportobjects and importobjects: all of an account comes back, once, and hostile archives do nothing."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import BODY, SFACE, normalise
from lunatasks.luna_services.embedded.handler_models import Handler
from lunatasks.luna_services.embedded.models import Event, Face, FaceList, StoredFile
from lunatasks.luna_services.ports import (
    BasicAttributes,
    Detection,
    EventFilters,
    FaceFilters,
    NewAttributes,
    NewEvent,
    NewFace,
    NewHandler,
    Rect,
    StoredDescriptor,
    TopMatch,
)
from tests.photos import encoded

pytestmark = pytest.mark.django_db
JPEG = encoded(Image.new("RGB", (250, 250), (90, 120, 60)))
MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
LIST = UUID("11111111-1111-4111-8111-111111111111")


def vectors(count: int, dimension: int) -> np.ndarray:
    return normalise(np.random.default_rng(dimension).standard_normal((count, dimension)))


@pytest.fixture
def filled(account) -> UUID:
    """An account with a list, three faces, two events, images and an object."""
    faces, events, images, buckets = registry.faces(), registry.events(), registry.image_store(), registry.buckets()
    face_ids = [uuid4() for _ in range(3)]
    rows, bodies = vectors(5, SFACE.dimension), vectors(2, BODY.dimension)
    faces.ensure_list(account, LIST, user_data="staff")
    faces.add_faces(
        account,
        [
            NewFace(face_ids[0], "person, 1", "note", avatar="a", create_time=MOMENT, sample=JPEG),
            NewFace(face_ids[1], attributes=BasicAttributes(30, 1, 4), descriptors={SFACE.number: rows[0]}),
            NewFace(face_ids[2]),
        ],
    )
    faces.link_faces(account, LIST, face_ids[:2])
    sample_id = faces.get_faces(account, face_ids[:1])[0].sample_ids[0]
    faces.put_descriptors(account, [StoredDescriptor(face_ids[0], SFACE.number, rows[1], [sample_id], 2)])
    faces.put_attributes(account, [NewAttributes(face_ids[0], BasicAttributes(20, 0, None), [sample_id], 3)])
    origin, body = uuid4(), uuid4()
    images.put_image(account, buckets.image_origins, origin, JPEG)
    images.put_image(account, buckets.body_samples, body, JPEG)
    images.put_object(account, buckets.objects, uuid4(), b"some text", content_type="text/plain")
    registry.handlers().add_handler(account, NewHandler(policies={}, description="door"))
    detection = Detection(sample_id, Rect(-1, 2, 3, 4), MOMENT, 1.5, str(origin))
    events.add_events(
        account,
        [
            NewEvent(
                event_id=uuid4(), handler_id=uuid4(), external_id="e", user_data="u", source="s", track_id="t",
                create_time=MOMENT, end_time=MOMENT, face_id=face_ids[0], attach_result=(LIST,), tags=("x", "y"),
                face_detections=(detection,), body_detections=(Detection(body),),
                match_result=({"label": "l", "candidates": [{"face": {}, "similarity": 0.5}]},),
                top_match=TopMatch("event", uuid4(), 0.75, "l", "x"), city="c", area="a", district="d", street="s",
                house_number="1", longitude=30.5, latitude=-60.25, age=1, gender=0, emotion=1, ethnic_group=1, mask=1,
                liveness=0, apparent_age=2, apparent_gender=2, headwear_state=0, sleeve_length="short",
                upper_clothing_colors=("black", "grey"), backpack_state=2,
                face_descriptors={SFACE.number: rows[2]}, body_descriptors={BODY.number: bodies[0]},
            ),
            NewEvent(event_id=uuid4(), create_time=MOMENT, face_descriptors={SFACE.number: rows[3]}),
        ],
    )  # fmt: skip
    return account


def everything(account_id: UUID) -> dict[str, Any]:
    """All objects of an account as the ports give them, but for the times of lists."""
    faces, events, images = registry.faces(), registry.events(), registry.image_store()
    face_ids = [one for page in faces.iterate_ids(FaceFilters(account_id)) for one in page]
    event_ids = [one for page in events.iterate_ids(EventFilters(account_id=account_id)) for one in page]
    stored = [
        *faces.get_descriptors(account_id, face_ids, version=SFACE.number),
        *events.get_descriptors(account_id, event_ids, kind="face", version=SFACE.number),
        *events.get_descriptors(account_id, event_ids, kind="body", version=BODY.number),
    ]
    buckets = list(StoredFile.objects.order_by("file_id").values_list("bucket", "file_id", "is_image", "content_type"))
    return {
        "lists": [
            (one.list_id, one.user_data, one.face_count) for page in faces.iterate_lists(account_id) for one in page
        ],
        "handlers": [
            (card.handler_id, card.description, card.policies)
            for page in registry.handlers().iterate_handlers(account_id)
            for card in page
        ],
        "faces": sorted(faces.get_faces(account_id, face_ids), key=lambda card: card.face_id),
        "events": events.get_events(account_id, event_ids),
        "descriptors": [(one.object_id, one.vector.tobytes(), one.generation, one.sample_ids) for one in stored],
        "buckets": buckets,
        "images": [images.get_image(account_id, bucket, one) for bucket, one, is_image, _ in buckets if is_image],
    }


def empty(account_id: UUID) -> None:
    """Delete all objects of the account."""
    for model in (Event, Face, FaceList, StoredFile, Handler):
        model.objects.filter(account_id=account_id).delete()


def exported(path: Path, *arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("exportobjects", str(path), "--json", *arguments, stdout=out)
    return json.loads(out.getvalue())


def imported(path: Path, *arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("importobjects", str(path), "--json", *arguments, stdout=out)
    return {name: count for name, count in json.loads(out.getvalue()).items() if name != "seconds"}


def test_all_comes_back_as_it_was(filled, tmp_path):
    before = everything(filled)
    counts = exported(tmp_path / "a.zip")
    empty(filled)

    new = imported(tmp_path / "a.zip")

    assert (counts["faces"], counts["events"], counts["descriptors"], counts["images"]) == (3, 2, 5, 3)
    assert everything(filled) == before
    assert new == {
        "lists": 1, "faces": 3, "events": 2, "images": 2, "objects": 1, "handlers": 1, "skipped_handlers": 0,
    }  # fmt: skip


def test_a_second_import_changes_nothing(filled, tmp_path):
    exported(tmp_path / "a.zip")
    before = everything(filled)

    new = imported(tmp_path / "a.zip")

    assert set(new.values()) == {0}
    assert everything(filled) == before


def test_the_same_objects_give_the_same_bytes(filled, tmp_path):
    exported(tmp_path / "a.zip")
    exported(tmp_path / "b.zip")

    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_an_import_that_was_stopped_is_finished_by_the_next(filled, tmp_path, monkeypatch):
    before = everything(filled)
    exported(tmp_path / "a.zip")
    empty(filled)
    store = registry.image_store()
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "put_image", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(CommandError, match="run it again"):
            imported(tmp_path / "a.zip")

    imported(tmp_path / "a.zip")

    assert everything(filled) == before


def test_another_account_is_neither_exported_nor_overwritten(filled, other_account, tmp_path):
    exported(tmp_path / "a.zip", "--account", str(other_account))
    assert imported(tmp_path / "a.zip")["faces"] == 0
    exported(tmp_path / "b.zip")
    before = everything(filled)

    with pytest.raises(CommandError, match="NotFound"):
        imported(tmp_path / "b.zip", "--account", str(other_account))

    assert everything(filled) == before


def test_a_handler_of_a_list_that_is_gone_is_left_out(filled, tmp_path):
    policies = {"storage_policy": {"face_policy": {"store_face": 1, "link_to_lists_policy": [{"list_id": str(LIST)}]}}}
    registry.handlers().add_handler(filled, NewHandler(policies=policies))
    registry.faces().delete_lists(filled, [LIST])
    exported(tmp_path / "a.zip")
    empty(filled)

    new = imported(tmp_path / "a.zip")

    assert (new["handlers"], new["skipped_handlers"], new["faces"]) == (1, 1, 3)


def test_an_existing_file_is_replaced_only_when_asked(filled, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")

    with pytest.raises(CommandError, match="--force"):
        exported(tmp_path / "a.zip")

    assert exported(tmp_path / "a.zip", "--force")["faces"] == 3


def test_a_folder_that_does_not_exist_is_an_error_without_leftovers(filled, tmp_path):
    with pytest.raises(CommandError, match="could not be written"):
        exported(tmp_path / "absent" / "a.zip")

    assert not (tmp_path / "absent").exists()


@pytest.fixture
def changed(filled, tmp_path):
    """An archive of the account, which is empty then, with entries replaced, added or (None) left out."""
    exported(tmp_path / "good.zip")
    empty(filled)

    def change(**entries: Any) -> Path:
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(tmp_path / "good.zip") as good, zipfile.ZipFile(path, "w") as bad:
            names = {name: good.read(name) for name in good.namelist()}
            for name, value in entries.items():
                found = [one for one in names if one.startswith(name)] or [name]
                for one in found:
                    names[one] = value(names[one]) if callable(value) else value
            for name, data in names.items():
                if data is not None:
                    bad.writestr(name, data)
        return path

    return change


def lines_with(**members: Any):
    def change(data: bytes) -> bytes:
        return b"".join(json.dumps(json.loads(line) | members).encode() + b"\n" for line in data.splitlines())

    return change


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"../../etc/passwd": b"x"}, "has a name that no archive"),
        ({"/etc/passwd": b"x"}, "has a name that no archive"),
        ({"faces/../lists.ndjson": b"x"}, "has a name that no archive"),
        ({"images/face_samples/../../x.jpg": b"x"}, "has a name that no archive"),
        ({"images/unknown_role/11111111-1111-4111-8111-111111111111.jpg": b"x"}, "has a name that no archive"),
        ({"manifest.json": None}, "no manifest"),
        ({"manifest.json": b"[]"}, "no JSON object"),
        ({"manifest.json": b"{"}, "no JSON"),
        ({"manifest.json": b'{"format": "other"}'}, "not of this format"),
        ({"manifest.json": b" " * (2**20 + 1)}, "larger than"),
        ({"faces/00000000.ndjson": None}, "0 faces, where"),
        ({"handlers.ndjson": lines_with(policies=[])}, "line 0 of handlers.ndjson has not the form"),
        ({"faces/00000000.ndjson": b"1\n"}, "no JSON object"),
        ({"faces/00000000.ndjson": b"\xff\n"}, "no JSON"),
        ({"faces/00000000.ndjson": lines_with(face_id="x")}, r"line \d of faces/00000000.ndjson has not the form"),
        ({"faces/00000000.ndjson": lines_with(lists=["x"])}, "has not the form"),
        ({"faces/00000000.ndjson": lines_with(external_id=5)}, "has not the form"),
        ({"faces/00000000.ndjson": lines_with(descriptors=None)}, "has not the form"),
        ({"events/00000000.ndjson": lines_with(location=None)}, "has not the form"),
        ({"events/00000000.ndjson": lines_with(create_time="yesterday")}, "has not the form"),
        ({"events/00000000.face-1001.npy": None}, "there is no events"),
        ({"events/00000000.face-1001.npy": b"no array"}, "is no array"),
        ({"events/00000000.face-1001.npy": npy(np.ones((2, 3), np.float32))}, "is not of float32 rows"),
        ({"events/00000000.face-1001.npy": npy(np.ones((2, 128), np.float64))}, "is not of float32 rows"),
        ({"events/00000000.face-1001.npy": npy(np.full((2, 128), np.nan, np.float32))}, "not finite"),
        ({"events/00000000.face-1001.npy": npy(np.zeros((2, 128), np.float32))}, "length zero"),
        ({"events/00000000.face-1001.npy": npy(np.ones((1, 128), np.float32))}, "more descriptors than are there"),
        ({"events/00000000.face-1001.npy": npy(np.ones((3, 128), np.float32))}, "fewer descriptors than are there"),
    ],
)  # fmt: skip
def test_a_hostile_archive_is_refused_before_anything_is_written(changed, entries, message):
    path = changed(**entries)

    with pytest.raises(CommandError, match=message):
        imported(path)

    assert [model.objects.count() for model in (Face, Event, FaceList, StoredFile, Handler)] == [0] * 5


def test_pickled_arrays_are_never_loaded(changed):
    out = io.BytesIO()
    np.save(out, np.array([object()], dtype=object), allow_pickle=True)

    with pytest.raises(CommandError, match="is no array"):
        imported(changed(**{"events/00000000.face-1001.npy": out.getvalue()}))


def test_an_image_that_is_none_ends_the_import_with_its_name(changed):
    with pytest.raises(CommandError, match=r"images/image_origins/.* is no JPEG"):
        imported(changed(**{"images/image_origins": b"not an image"}))


def test_what_unpacks_to_too_much_is_refused(changed):
    with pytest.raises(CommandError, match="bytes in all"):
        imported(changed(), "--max-gib", "0")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_what_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)

    with pytest.raises(CommandError, match="cannot be read as a zip"):
        imported(tmp_path / "a.zip")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="no such file"):
        imported(tmp_path / "absent.zip")


def test_a_damaged_entry_is_named(changed):
    path = changed()
    data = bytearray(path.read_bytes())
    at = data.find(b'"event_id"')
    data[at + 30] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(CommandError, match=r"is damaged|no JSON"):
        imported(path)
