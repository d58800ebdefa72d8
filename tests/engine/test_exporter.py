"""An export from request to zip, in this process."""

import csv
import io
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.models import Face
from lunatasks.luna_services.ports import NewEvent, NewFace
from tasks_app import artefacts, services
from tasks_app.contents.columns import COLUMNS
from tasks_app.models import Subtask
from tasks_app.states import Status, TaskType
from tests.engine.types import (
    add_events,
    archive_of,
    body_id,
    create,
    drop_image,
    ended,
    errors_of,
    full_event,
    jpeg,
    origin_id,
    sample_id,
    stored,
)
from workers.task_types.columns import EVENT_COLUMNS, FACE_COLUMNS

FACE_NAMES = list(COLUMNS["faces"])
MANUAL_IDS = (
    "557d54ec-29ad-4f3c-93b4-c9092ef12515",
    "8950722f-3fd4-4223-b48f-03f95f0e8dfb",
    "8f4f0070-c464-460b-bf78-fac225df72e9",
)
EVIL = ["=1+1", "+1", "-1", "@a", "\ttab", "\rreturn", 'say "hi"', "a,b;c", "two\r\nlines", "ünï 中 🙂", "'", " =1", ""]


@pytest.fixture(autouse=True)
def small_parts(settings):
    settings.LUNATASKS_PART_SIZE = 3


@pytest.fixture
def make_exportable(transactional_db, account):
    """Faces with every column filled, some of them with images, linked to a list; ids ascending."""

    def make(texts=EVIL) -> list[UUID]:
        list_id = uuid4()
        registry.faces().ensure_list(account, list_id)
        faces = [
            NewFace(
                face_id=UUID(int=number * 2**100 + 1),
                user_data=text,
                external_id=text[::-1],
                avatar="" if number % 2 else f"/images/{number}",
                event_id=uuid4() if number % 3 else None,
                create_time=datetime(2025, 1, 2, 3, 4, 5, number, tzinfo=UTC),
                sample=jpeg(number) if number % 2 else None,
            )
            for number, text in enumerate(texts, 1)
        ]
        registry.faces().add_faces(account, faces, list_id=list_id)
        return [face.face_id for face in faces]

    return make


@pytest.fixture
def export(account, sent, work):
    """A finished export."""

    def run(status=Status.DONE, **content):
        task = create(account, TaskType.EXPORTER, {"objects_type": "faces", **content})
        work()
        return ended(task, status)

    return run


def disarmed(text: str) -> str:
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") and text else text


def obvious_table(names: list[str], delimiter: str) -> bytes:
    """Row after row from the tables of the embedded services."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(["face_id", *names])
    for face in Face.objects.order_by("face_id"):
        cells = {
            "user_data": disarmed(face.user_data),
            "create_time": face.create_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "lists": orjson.dumps(sorted(str(link.face_list_id) for link in face.links.all())).decode(),
            "external_id": disarmed(face.external_id),
            "avatar": face.avatar,
            "event_id": str(face.event_id or ""),
        }
        writer.writerow([str(face.face_id), *(cells[name] for name in names)])
    return stream.getvalue().encode()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " ", "a", "1", "=", "'", "é", "🙂"])
def test_the_table_equals_one_written_row_by_row(make_exportable, export, delimiter):
    make_exportable()

    task = export(columns=FACE_NAMES, csv_delimiter=delimiter)

    archive = archive_of(task, delimiter)
    assert archive.table == obvious_table(FACE_NAMES, delimiter)
    assert task.count_task_parts_all == 5
    assert archive.names == [f"task_{task.pk}.csv", "manifest.json"]


def test_the_example_of_the_manual_is_what_comes_out(transactional_db, account, export, settings):
    first, second, list_id = (UUID(text) for text in MANUAL_IDS)
    registry.faces().ensure_list(account, list_id)
    face = NewFace(first, external_id="gate 1", user_data="=door", sample=jpeg(1))
    registry.faces().add_faces(account, [face], list_id=list_id)
    registry.faces().add_faces(account, [NewFace(second, external_id="gate 1", user_data="visitor"), NewFace(uuid4())])

    task = export(filters={"external_ids": ["gate 1"]}, columns=["user_data", "lists"], save_images=1)

    archive, manual = archive_of(task), (settings.BASE_DIR / "docs/tasks/exporter.rst").read_text()
    lines = [line.strip() for line in manual.splitlines()]
    start = lines.index("face_id,user_data,lists")
    assert archive.table.decode().splitlines() == lines[start : start + 3]
    assert archive.manifest["files"][0]["sha256"] in manual
    facts = {name: value for name, value in archive.manifest.items() if name != "files"}
    assert orjson.dumps(facts)[:-1].decode() in " ".join(lines).replace(": ", ":").replace(", ", ",")


def test_columns_come_in_the_order_asked_for(make_exportable, export):
    make_exportable(["x"])

    task = export(columns=["external_id", "user_data"])

    assert archive_of(task).rows[0] == ["face_id", "external_id", "user_data"]


def test_images_come_in_the_order_of_rows(make_exportable, export):
    ids = make_exportable()

    archive = archive_of(export(save_images=1))

    wanted = {f"images/{face_id}.jpg": jpeg(number) for number, face_id in enumerate(ids, 1) if number % 2}
    assert archive.images == wanted
    assert archive.names[1:-1] == list(wanted)


def test_two_exports_and_a_rerun_have_the_same_table_and_images(make_exportable, export, work):
    make_exportable()
    first = export(columns=FACE_NAMES, save_images=1)
    before = stored(first)

    services.rerun_task(task_id=first.pk)
    work()
    second = export(columns=FACE_NAMES, save_images=1)

    assert stored(ended(first)) == before
    assert archive_of(second).table == archive_of(first).table
    assert archive_of(second).images == archive_of(first).images


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_table_and_images_do_not_depend_on_the_parts(make_exportable, export, settings, size):
    make_exportable()
    wanted = archive_of(export(columns=FACE_NAMES, save_images=1))
    settings.LUNATASKS_PART_SIZE = size

    found = archive_of(export(columns=FACE_NAMES, save_images=1))

    assert (found.table, found.images) == (wanted.table, wanted.images)


def test_nothing_to_export_is_a_header_row(transactional_db, export):
    task = export(columns=["user_data"])

    archive = archive_of(task)
    assert archive.rows == [["face_id", "user_data"]]
    assert errors_of(task) == []


def test_a_face_that_goes_keeps_its_id_and_is_an_error(make_exportable, account, sent, work):
    ids = make_exportable()
    task = create(account, TaskType.EXPORTER, {"objects_type": "faces", "columns": ["user_data"]})
    work(1)
    registry.faces().delete_faces(account, ids[4:5])

    work()

    archive = archive_of(ended(task))
    assert archive.rows[5] == [str(ids[4]), ""]
    assert len(archive.rows) == len(ids) + 1
    assert errors_of(task) == [(22004, str(ids[4]))]


def test_an_image_that_is_gone_is_an_error_and_the_row_stays(make_exportable, account, export):
    ids = make_exportable()
    [card] = registry.faces().get_faces(account, ids[:1])
    drop_image(account, registry.buckets().face_samples, card.sample_ids[0])

    task = export(save_images=1)

    archive = archive_of(task)
    assert len(archive.rows) == len(ids) + 1
    assert f"images/{ids[0]}.jpg" not in archive.names
    assert errors_of(task) == [(13003, str(card.sample_ids[0]))]


def test_another_account_and_its_faces_stay_outside(make_exportable, account, other_account, export):
    make_exportable(["mine"])
    registry.faces().add_faces(other_account, [NewFace(face_id=uuid4(), user_data="theirs")])

    assert [row[1] for row in archive_of(export(columns=["user_data"])).rows[1:]] == ["mine"]


def test_a_damaged_piece_fails_the_task(make_exportable, account, sent, work):
    make_exportable()
    task = create(account, TaskType.EXPORTER, {"objects_type": "faces", "columns": ["user_data"]})
    work(6)
    path = artefacts.storage().path(Subtask.objects.filter(task=task).earliest("number").result_path)
    with Path(path).open("r+b") as stream:
        stream.write(b"\xff\xff\xff")

    work()

    ended(task, Status.FAILED)
    assert errors_of(task) == [(28012, None)]


def test_a_storage_that_is_no_folder_holds_the_same_rows(make_exportable, export, settings, tmp_path):
    make_exportable()
    wanted = archive_of(export(columns=FACE_NAMES, save_images=1))
    remote = {"BACKEND": "tests.engine.types.RemoteStorage", "OPTIONS": {"location": str(tmp_path / "remote")}}
    settings.STORAGES = settings.STORAGES | {"results": remote}

    found = archive_of(export(columns=FACE_NAMES, save_images=1))

    assert (found.table, found.images) == (wanted.table, wanted.images)


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_a_spreadsheet_program_finds_text_numbers_and_no_formula(transactional_db, account, export, tmp_path):
    add_events(account, [full_event(number) for number in range(1, 4)], images=False)
    task = export(objects_type="events", columns=["user_data", "latitude", "age"], csv_delimiter=";")
    (tmp_path / "table.csv").write_bytes(archive_of(task, ";").table)
    command = ["soffice", "--headless", "--convert-to", "fods", "--infilter=CSV:59,34,76,1", "table.csv"]

    subprocess.run(command, cwd=tmp_path, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, check=True)

    sheet = (tmp_path / "table.fods").read_text()
    assert "table:formula" not in sheet
    assert ">'=data 1<" in sheet.replace("&apos;", "'")
    assert sheet.count('office:value="-20.25"') == 3


def test_every_column_of_the_contents_has_its_cell():
    assert set(FACE_COLUMNS) == set(COLUMNS["faces"])
    assert set(EVENT_COLUMNS) == set(COLUMNS["events"])


def event_cells(number: int) -> dict[str, str]:
    """The cells of `full_event(number)`, written by hand."""
    return {
        "create_time": f"2025-01-02T03:04:05.{number:06}Z",
        "end_time": f"2025-01-02T03:04:06.{number:06}Z",
        "external_id": f"'-{number}",
        "handler_id": str(UUID(int=800 + number)),
        "source": "door, left",
        "top_match": orjson.dumps(
            {"external_id": "@ext", "face_id": str(UUID(int=900 + number)), "label": "=boss", "similarity": 0.9}
        ).decode(),
        "match_result": '[{"candidates":[{"face":{"face_id":"00000000-0000-0000-0000-000000000001"},"similarity":0.9}],'
        '"label":"=boss"}]',
        "face_detections": orjson.dumps(
            [
                {
                    "detect_time": None,
                    "detect_ts": None,
                    "detection": {"rect": {"height": 40, "width": 30, "x": 1, "y": 2}},
                    "image_origin": str(origin_id(number)),
                    "sample_id": str(sample_id(number)),
                }
            ]
        ).decode(),
        "body_detections": orjson.dumps(
            [
                {
                    "detect_time": None,
                    "detect_ts": 1.5,
                    "detection": {"rect": {"height": 4, "width": 3, "x": -1, "y": 0}},
                    "image_origin": None,
                    "sample_id": str(body_id(number)),
                }
            ]
        ).decode(),
        "face_id": "",
        "attach_result": f'["{UUID(int=700)}"]',
        "gender": str(number % 2),
        "age": str(30 + number),
        "emotion": "4",
        "ethnic_group": "3",
        "tags": '["=a","b"]',
        "user_data": f"'=data {number}",
        "city": "c",
        "area": "'+a",
        "district": "d",
        "street": "s",
        "house_number": "1-2",
        "latitude": "-20.25",
        "longitude": "-10.5",
        "mask": "1",
        "track_id": f"track {number % 2}",
        "liveness": "2",
        "apparent_gender": "2",
        "apparent_age": "31",
        "headwear_state": "0",
        "sleeve_length": "long",
        "upper_clothing_color": '["black","red"]',
        "backpack_state": "1",
    }


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_every_column_of_events(transactional_db, account, export, delimiter):
    ids = add_events(account, [full_event(number) for number in range(1, 6)], images=False)
    names = list(COLUMNS["events"])

    task = export(objects_type="events", columns=names, csv_delimiter=delimiter)

    archive = archive_of(task, delimiter)
    assert archive.rows[0] == ["event_id", *names]
    for number, (event_id, row) in enumerate(zip(ids, archive.rows[1:], strict=True), 1):
        assert dict(zip(["event_id", *names], row, strict=True)) == {"event_id": str(event_id), **event_cells(number)}


def test_an_event_of_which_nothing_is_known_has_empty_cells(transactional_db, account, export):
    event_id = uuid4()
    registry.events().add_events(account, [NewEvent(event_id=event_id)])
    names = [name for name in COLUMNS["events"] if name != "create_time"]

    archive = archive_of(export(objects_type="events", columns=names))

    assert archive.rows[1] == [str(event_id), *[""] * len(names)]


@pytest.mark.parametrize(("kind", "first"), [("face", 0), ("body", 1000)])
def test_images_of_events_are_of_the_descriptor_that_is_meant(transactional_db, account, export, kind, first):
    ids = add_events(account, [full_event(number) for number in range(1, 5)])

    archive = archive_of(export(objects_type="events", save_images=1, descriptor={"type": kind}))

    assert archive.images == {f"images/{event_id}.jpg": jpeg(first + at) for at, event_id in enumerate(ids, 1)}


def test_events_that_go_keep_their_id_and_are_errors(transactional_db, account, sent, work):
    ids = add_events(account, [full_event(number) for number in range(1, 6)], images=False)
    task = create(account, TaskType.EXPORTER, {"objects_type": "events", "columns": ["age"]})
    work(1)
    registry.events().delete_events(account, ids[1:2])

    work()

    assert [row[1] for row in archive_of(ended(task)).rows[1:]] == ["31", "", "33", "34", "35"]
    assert errors_of(task) == [(23001, str(ids[1]))]


def test_filters_of_events_choose(transactional_db, account, export):
    ids = add_events(account, [full_event(number) for number in range(1, 6)], images=False)
    wanted = {"age__gte": 32, "age__lt": 35, "tags": ["=a"], "event_ids": [str(one) for one in ids]}
    area = {"origin_longitude": -10.5, "origin_latitude": -20.25}

    task = export(objects_type="events", filters={**wanted, "geo_position": area})

    assert [row[0] for row in archive_of(task).rows[1:]] == [str(event_id) for event_id in ids[1:4]]
