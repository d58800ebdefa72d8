"""The estimator from request to result: zips and folders of photos through handlers."""

import io
import zipfile
from uuid import uuid4

import pytest
import pyzipper
from PIL import Image

from errors_app.models import TaskError
from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import EventFilters, FaceFilters, NewHandler
from tasks_app import artefacts, services
from tasks_app.models import Task
from tasks_app.states import Status, TaskType
from tests.engine.types import create, ended, errors_of, result_of, stored
from tests.photos import encoded, extractor, opened, photo

OBAMA, BIDEN = photo("obama/obama.jpg").read_bytes, photo("biden/biden.jpg").read_bytes
FACES = {"storage_policy": {"face_policy": {"store_face": 1}}}
PASSWORD = "s3cret-of-the-zip"


def zipped(files: dict[str, bytes], *, password: str | None = None, encryption: int | None = None) -> bytes:
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", compression=pyzipper.ZIP_DEFLATED, encryption=encryption) as archive:
        if password is not None:
            archive.setpassword(password.encode())
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture(autouse=True)
def models(transactional_db):
    extractor()


@pytest.fixture
def roots(settings, tmp_path, account):
    """The account's folder under an import root."""
    settings.LUNATASKS_IMPORT_ROOTS = [str(tmp_path / "imports")]
    folder = tmp_path / "imports" / str(account)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def keep(account):
    """Store an archive in the image store; its id as a reference."""

    def store(data: bytes) -> str:
        object_id, bucket = uuid4(), registry.buckets().objects
        registry.image_store().put_object(account, bucket, object_id, data, content_type="application/zip")
        return str(object_id)

    return store


@pytest.fixture
def estimate(account, sent, work):
    """The ended task over that source."""

    def run(source, handler=None, status=Status.DONE):
        task = create(account, TaskType.ESTIMATOR, {"handler": handler or {"policies": FACES}, "source": source})
        work()
        return ended(task, status)

    return run


@pytest.fixture
def estimate_zip(estimate, keep):
    """The ended task over a zip of these files, or of these bytes."""

    def run(files, status=Status.DONE, handler=None, **source):
        data = files if isinstance(files, bytes) else zipped(files)
        return estimate({"source_type": "zip", "reference": keep(data), **source}, handler, status)

    return run


def counts(account):
    return (
        registry.events().count_events(EventFilters(account_id=account)),
        registry.faces().count_faces(FaceFilters(account)),
    )


def summary(task) -> dict[str, tuple[int, int]]:
    return {row["filename"]: (row["status"], len(row["events"])) for row in result_of(task)}


# -- what it does --------------------------------------------------------------------------------------


def test_every_image_of_a_zip_becomes_a_row_and_its_events(estimate_zip, account):
    nobody = encoded(Image.new("RGB", (200, 200), "green"))

    task = estimate_zip({"a.jpg": OBAMA(), "b.jpg": BIDEN(), "nobody.jpg": nobody})

    assert summary(task) == {"a.jpg": (1, 1), "b.jpg": (1, 1), "nobody.jpg": (1, 0)}
    assert {row["error"] for row in result_of(task)} == {None}
    assert counts(account) == (2, 2)
    assert errors_of(task) == []


def test_a_bad_image_is_an_error_of_that_image_only(estimate_zip, account):
    task = estimate_zip({"a.jpg": OBAMA(), "bad.jpg": b"no image"})

    assert summary(task) == {"a.jpg": (1, 1), "bad.jpg": (0, 0)}
    [_, bad] = result_of(task)
    assert bad["error"]["error_code"] == errors.ImageRefused.code
    assert set(bad["error"]) == {"error_code", "desc", "detail", "link"}
    assert errors_of(task) == [(errors.ImageRefused.code, "bad.jpg")]
    assert counts(account) == (1, 1)


def test_an_empty_zip_is_done(estimate_zip):
    task = estimate_zip({})

    assert (result_of(task), task.count_task_parts_all) == ([], 0)


def test_the_result_does_not_depend_on_the_parts(estimate_zip, settings):
    files = {"a.jpg": OBAMA(), "b.jpg": BIDEN(), "c.txt": b"text", "d.jpg": OBAMA()}
    whole = summary(estimate_zip(files))
    settings.LUNATASKS_IMAGES_PER_PART = 1

    task = estimate_zip(files)

    assert task.count_task_parts_all == 4
    assert summary(task) == whole
    assert [row["filename"] for row in result_of(task)] == list(files)


def test_a_rerun_gives_the_same_bytes_and_makes_nothing_twice(estimate_zip, account, sent, work):
    task = estimate_zip({"a.jpg": OBAMA(), "b.jpg": BIDEN()})
    first, before = stored(task), counts(account)

    services.rerun_task(task_id=task.pk)
    work()

    assert stored(ended(task)) == first
    assert counts(account) == before


def test_another_task_over_the_same_files_makes_nothing_twice(estimate_zip, account):
    first = estimate_zip({"a.jpg": OBAMA()})
    again = estimate_zip({"copy.jpg": OBAMA()})

    ids = [row["events"][0]["event_id"] for task in (first, again) for row in result_of(task)]
    assert len(set(ids)) == 1
    assert counts(account) == (1, 1)


def test_only_the_result_stays(estimate_zip):
    task = estimate_zip({"a.jpg": OBAMA()})

    assert list(artefacts.walk(artefacts.folder_of_task(task.pk))) == [task.result_path]


def test_a_stored_handler_runs_as_it_is_stored(estimate_zip, account):
    policies = {"storage_policy": {"event_policy": {"store_event": 0}}}
    handler_id, _ = registry.handlers().add_handler(account, NewHandler(policies=policies))

    task = estimate_zip({"a.jpg": OBAMA()}, handler={"handler_id": str(handler_id)})

    [row] = result_of(task)
    assert row["events"][0]["handler_id"] == str(handler_id)
    assert not row["events"][0]["is_stored"]
    assert counts(account) == (0, 0)


def test_face_warps_are_taken_as_they_are(estimate_zip):
    [face] = extractor().extract(OBAMA())

    task = estimate_zip({"warp.jpg": face.sample, "photo.jpg": OBAMA()}, image_type=1)

    assert summary(task) == {"warp.jpg": (1, 1), "photo.jpg": (0, 0)}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, {"a.jpg", "b.png"}),
        ({"recursive": True}, {"a.jpg", "b.png", "deep/c.jpg", "deep/er/d.jpg"}),
        ({"postfix": ".jpg"}, {"a.jpg"}),
        ({"prefix": "deep/"}, {"deep/c.jpg"}),
        ({"prefix": "deep/", "recursive": True, "postfix": "d.jpg"}, {"deep/er/d.jpg"}),
        ({"prefix": "b"}, {"b.png"}),
        ({"prefix": "absent"}, set()),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "network_disk"])
def test_prefix_postfix_and_recursive_choose_the_images(estimate, keep, roots, kind, asked, names):
    files = ["a.jpg", "b.png", "deep/c.jpg", "deep/er/d.jpg", ".hidden.jpg", "__MACOSX/a.jpg"]
    small = encoded(Image.new("RGB", (40, 40)))
    for name in files:
        (roots / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (roots / "in" / name).write_bytes(small)
    data = zipped(dict.fromkeys(files, small))
    place = {"reference": keep(data)} if kind == "zip" else {"path": "in"}

    task = estimate({"source_type": kind, **place, **asked})

    assert set(summary(task)) == names


# -- passwords -----------------------------------------------------------------------------------------


def crypted(files: dict[str, bytes], password: str) -> bytes:
    """A zip in the old encryption, which no library writes any more: made byte by byte (APPNOTE 6.1)."""
    from tests.engine.zips import zipcrypto

    return zipcrypto(files, password.encode())


@pytest.mark.parametrize("make", ["aes", "zipcrypto"])
@pytest.mark.parametrize("password", [PASSWORD, 20261123])
def test_encrypted_zips_open_with_their_password(estimate_zip, make, password):
    files = {"a.jpg": OBAMA(), "b.jpg": BIDEN()}
    aes = {"password": str(password), "encryption": pyzipper.WZ_AES}
    data = zipped(files, **aes) if make == "aes" else crypted(files, str(password))

    task = estimate_zip(data, authorization={"password": password})

    assert summary(task) == {"a.jpg": (1, 1), "b.jpg": (1, 1)}
    assert task.content["source"]["authorization"] == {"password": "********"}


@pytest.mark.parametrize("make", ["aes", "zipcrypto"])
@pytest.mark.parametrize("password", ["another", None])
def test_a_wrong_or_missing_password_fails_the_task_clearly(estimate_zip, make, password):
    files = {f"{number}.jpg": OBAMA() for number in range(3)}
    data = zipped(files, password=PASSWORD, encryption=pyzipper.WZ_AES) if make == "aes" else crypted(files, PASSWORD)
    given = {} if password is None else {"authorization": {"password": password}}

    task = estimate_zip(data, Status.FAILED, **given)

    assert errors_of(task) == [(errors.ArchiveRefused.code, None)]
    assert "password" in TaskError.objects.get(task=task).detail


def test_the_password_is_nowhere_in_the_clear(estimate_zip, caplog):
    data = zipped({"a.jpg": OBAMA()}, password=PASSWORD, encryption=pyzipper.WZ_AES)

    task = estimate_zip(data, authorization={"password": PASSWORD})

    [row] = Task.objects.filter(pk=task.pk).values()
    assert PASSWORD not in str(row)
    assert PASSWORD not in caplog.text
    assert PASSWORD not in stored(task).decode()


# -- where archives and folders come from --------------------------------------------------------------


def test_a_zip_under_the_import_root_is_read(estimate, roots):
    (roots / "photos").mkdir()
    (roots / "photos" / "a.zip").write_bytes(zipped({"a.jpg": OBAMA()}))

    relative = estimate({"source_type": "zip", "reference": "photos/a.zip"})
    absolute = estimate({"source_type": "zip", "reference": str(roots / "photos" / "a.zip")})

    assert summary(relative) == summary(absolute) == {"a.jpg": (1, 1)}


@pytest.mark.parametrize("kind", ["zip", "network_disk"])
@pytest.mark.parametrize(
    "reference",
    ["../{other}/a.zip", "/etc/passwd", "link.zip", "absent.zip", "..", "a\x01b", "x" * 5000, "photos/../../.."],
)
def test_nothing_outside_of_the_accounts_folder_can_be_named(estimate, roots, other_account, kind, reference):
    foreign = roots.parent / str(other_account)
    foreign.mkdir()
    (foreign / "a.zip").write_bytes(zipped({"a.jpg": OBAMA()}))
    (roots / "photos").mkdir()
    (roots / "link.zip").symlink_to(foreign / "a.zip" if kind == "zip" else foreign)
    place = {"reference" if kind == "zip" else "path": reference.format(other=other_account)}

    task = estimate({"source_type": kind, **place}, status=Status.FAILED)

    assert errors_of(task) == [(errors.SourceRefused.code, None)]
    detail = TaskError.objects.get(task=task).detail
    assert "there is no such file or folder" in detail
    assert str(roots) not in detail


def test_without_import_roots_no_path_can_be_named(estimate, settings):
    settings.LUNATASKS_IMPORT_ROOTS = []

    task = estimate({"source_type": "network_disk", "path": "/"}, status=Status.FAILED)

    assert errors_of(task) == [(errors.SourceRefused.code, None)]


def test_a_folder_is_read_and_its_bad_files_are_told(estimate, roots, account):
    (roots / "a.jpg").write_bytes(OBAMA())
    (roots / "note.txt").write_text("no photo")
    (roots / "empty.jpg").touch()

    task = estimate({"source_type": "network_disk", "path": str(roots)})

    assert summary(task) == {"a.jpg": (1, 1), "empty.jpg": (0, 0), "note.txt": (0, 0)}
    assert counts(account) == (1, 1)


def test_links_are_followed_when_asked_but_never_out_of_the_folder(estimate, roots, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(BIDEN())
    (roots / "real").mkdir()
    (roots / "real" / "a.jpg").write_bytes(OBAMA())
    (roots / "in").mkdir()
    (roots / "in" / "link.jpg").symlink_to(roots / "real" / "a.jpg")
    (roots / "in" / "out.jpg").symlink_to(outside / "secret.jpg")
    (roots / "in" / "folder").symlink_to(roots / "real")
    (roots / "in" / "away").symlink_to(outside)
    (roots / "in" / "circle").symlink_to(roots / "in")

    plain = estimate({"source_type": "network_disk", "path": "in", "recursive": True})
    followed = estimate({"source_type": "network_disk", "path": "in", "recursive": True, "follow_links": True})

    assert summary(plain) == {}
    seen = summary(followed)
    assert seen["link.jpg"] == seen["folder/a.jpg"] == (1, 1)
    assert seen["out.jpg"] == (0, 0)
    assert not any("secret" in name for name in seen)


def test_what_is_no_regular_file_never_blocks_a_worker(estimate, roots):
    import os

    os.mkfifo(roots / "pipe.jpg")

    assert summary(estimate({"source_type": "network_disk", "path": str(roots)})) == {"pipe.jpg": (0, 0)}


def test_a_name_that_is_no_utf8_is_told(estimate, roots):
    import os

    with open(os.fsencode(roots) + b"/\xff.jpg", "wb") as stream:  # noqa: PTH123  a name of bytes
        stream.write(OBAMA())

    [row] = result_of(estimate({"source_type": "network_disk", "path": str(roots)}))
    assert (row["status"], row["filename"]) == (0, "�.jpg")


def test_an_object_that_is_not_there_fails_the_task(estimate):
    object_id = str(uuid4())

    task = estimate({"source_type": "zip", "reference": object_id}, status=Status.FAILED)

    assert errors_of(task) == [(errors.StoredObjectNotFound.code, None)]


def test_an_object_of_another_account_is_not_there(estimate, other_account):
    object_id, bucket = uuid4(), registry.buckets().objects
    data = zipped({"a.jpg": OBAMA()})
    registry.image_store().put_object(other_account, bucket, object_id, data, content_type="application/zip")

    task = estimate({"source_type": "zip", "reference": str(object_id)}, status=Status.FAILED)

    assert errors_of(task) == [(errors.StoredObjectNotFound.code, None)]


def test_an_archive_larger_than_allowed_fails_the_task(estimate_zip, settings):
    settings.LUNATASKS_ARCHIVE_MB = 1
    noise = {f"{number}.jpg": OBAMA() for number in range(1)} | {"big.bin": b"\0" * 10}
    data = zipped(noise) + b"\0" * 2**20

    task = estimate_zip(data, Status.FAILED)

    assert errors_of(task) == [(errors.ArchiveRefused.code, None)]


# -- handlers and models that are not there ------------------------------------------------------------


def test_a_handler_that_vanished_fails_the_task(account, keep, sent, work):
    handler_id, _ = registry.handlers().add_handler(account, NewHandler(policies={}))
    source = {"source_type": "zip", "reference": keep(zipped({"a.jpg": OBAMA()}))}
    task = create(account, TaskType.ESTIMATOR, {"handler": {"handler_id": str(handler_id)}, "source": source})
    registry.handlers().delete_handlers(account, [handler_id])

    work()

    assert errors_of(ended(task, Status.FAILED)) == [(errors.HandlerNotFound.code, None)]


def test_body_warps_fail_clearly(account, keep, sent, work):
    source = {"source_type": "zip", "reference": keep(zipped({"a.jpg": OBAMA()})), "image_type": 2}

    with pytest.raises(errors.NotAvailable, match="body model"):
        create(account, TaskType.ESTIMATOR, {"handler": {"policies": {}}, "source": source})


@pytest.mark.parametrize(
    "source",
    [
        {"source_type": "s3", "bucket": "b"},
        {"source_type": "ftp", "host": "h"},
        {"source_type": "samba", "host": "h", "share": "s"},
    ],
)
def test_other_sources_are_not_available(account, db, source):
    with pytest.raises(errors.NotAvailable):
        create(account, TaskType.ESTIMATOR, {"handler": {"policies": {}}, "source": source})


def test_a_list_removed_while_the_task_runs_is_an_error_of_the_part(account, keep, sent, work):
    list_id = uuid4()
    registry.faces().ensure_list(account, list_id)
    face_policy = {"store_face": 1, "link_to_lists_policy": [{"list_id": str(list_id)}]}
    source = {"source_type": "zip", "reference": keep(zipped({"a.jpg": OBAMA()}))}
    content = {"handler": {"policies": {"storage_policy": {"face_policy": face_policy}}}, "source": source}
    task = create(account, TaskType.ESTIMATOR, content)
    work(1)
    registry.faces().delete_lists(account, [list_id])

    work()

    assert errors.ListNotFound.code in {code for code, _ in errors_of(ended(task, Status.FAILED))}
    assert counts(account) == (0, 0)


def test_a_zip_is_read_entry_by_entry(estimate_zip, monkeypatch):
    opened_names: list[str] = []
    original = pyzipper.AESZipFile.open

    def spy(self, info, *arguments, **options):
        opened_names.append(getattr(info, "filename", info))
        return original(self, info, *arguments, **options)

    monkeypatch.setattr(pyzipper.AESZipFile, "open", spy)
    monkeypatch.setattr(pyzipper.AESZipFile, "extractall", None)
    monkeypatch.setattr(pyzipper.AESZipFile, "extract", None)

    estimate_zip({"a.jpg": OBAMA(), "b.jpg": BIDEN()})

    assert list(dict.fromkeys(opened_names)) == ["a.jpg", "b.jpg"]


def test_the_sample_of_an_event_is_a_warp(estimate_zip, account):
    estimate_zip({"a.jpg": encoded(opened("obama/obama.jpg"))})

    images, bucket = registry.image_store(), registry.buckets().face_samples
    [page] = images.iterate_images(account, bucket)
    assert {Image.open(io.BytesIO(images.get_image(account, bucket, one))).size for one in page} == {(250, 250)}


def test_the_archive_may_have_been_made_by_the_standard_library(estimate_zip):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("a.jpg", OBAMA())

    assert summary(estimate_zip(out.getvalue())) == {"a.jpg": (1, 1)}
