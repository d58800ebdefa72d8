"""Archives and images of strangers: each is a clear error or is read, the service goes on, memory stays bounded."""

import io
import tracemalloc
import zlib
from uuid import uuid4

import numpy as np
import pytest
import pyzipper
from PIL import Image

from errors_app.models import TaskError
from lunatasks import errors
from lunatasks.luna_services import registry
from tasks_app.states import Status, TaskType
from tests.engine.types import create, ended, errors_of, result_of
from tests.engine.zips import Record, deflated, zip_of
from tests.photos import encoded, extractor, opened, photo
from workers.files.archives import Archive, EntryRefused, Limits

JPEG = photo("obama/obama.jpg").read_bytes()
SMALL = encoded(Image.new("RGB", (64, 64), "blue"))
NOTHING = {"storage_policy": {"face_sample_policy": {"store_sample": 0}, "event_policy": {"store_event": 0}}}
ZEROS = deflated(bytes(4_000_000))


@pytest.fixture
def estimate(transactional_db, account, sent, work):
    """The ended task over these bytes."""
    extractor()

    def run(data, status=Status.DONE, policies=NOTHING, **source):
        object_id, bucket = uuid4(), registry.buckets().objects
        registry.image_store().put_object(account, bucket, object_id, data, content_type="application/zip")
        source = {"source_type": "zip", "reference": str(object_id), "recursive": True, **source}
        task = create(account, TaskType.ESTIMATOR, {"handler": {"policies": policies}, "source": source})
        work()
        return ended(task, status)

    return run


def of_library(files, **options):
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


WHOLE = of_library({"a.jpg": SMALL, "b.jpg": JPEG})

REFUSED_WHOLE = {
    "no zip": (b"this is a text", "no zip"),
    "nothing": (b" ", "no zip"),
    "a photo": (JPEG, "no zip"),
    "cut at the end": (WHOLE[:-30], "no zip"),
    "cut in the middle": (WHOLE[: len(WHOLE) // 2], "no zip"),
    "its beginning is missing": (WHOLE[-500:], "damaged|overlap|no zip"),
    "garbage in the directory": (WHOLE.replace(b"PK\1\2", b"XX\1\2"), "damaged"),
    "several volumes": (WHOLE[:-18] + b"\1\0" + WHOLE[-16:], "volumes"),
    "entries that share their bytes": (
        zip_of(Record("a.jpg", JPEG), *(Record(f"{n}.jpg", SMALL, offset=0) for n in range(50))),
        "overlap",
    ),
    "an entry that reaches into the directory": (
        zip_of(Record("a.jpg", SMALL, packed_size=len(SMALL) + 60, size=len(SMALL) + 60)),
        "overlap",
    ),
    "an entry that begins after the end": (zip_of(Record("a.jpg", SMALL, offset=10**6)), "overlap"),
    "more than may be unpacked": (
        zip_of(*(Record(f"{n}.bmp", SMALL, size=2**32 - 2, method=8) for n in range(60))),
        "unpack to more",
    ),
    "a directory that claims to be huge": (
        WHOLE[:-22] + b"PK\5\6" + bytes(4) + b"\2\0\2\0" + (2**32 - 2).to_bytes(4, "little") + bytes(6),
        "directory is damaged",
    ),
}


@pytest.mark.parametrize("name", REFUSED_WHOLE)
def test_an_archive_that_is_refused_as_a_whole(estimate, name):
    data, words = REFUSED_WHOLE[name]

    task = estimate(data, Status.FAILED)

    assert errors_of(task) == [(errors.ArchiveRefused.code, None)]
    detail = TaskError.objects.get(task=task).detail
    assert any(word in detail for word in words.split("|"))


def test_more_entries_than_allowed_are_refused(estimate, settings):
    settings.LUNATASKS_ARCHIVE_ENTRIES = 3

    task = estimate(zip_of(*(Record(f"{n}.jpg", SMALL) for n in range(4))), Status.FAILED)

    assert errors_of(task) == [(errors.ArchiveRefused.code, None)]


def test_more_bytes_than_allowed_are_refused_before_they_are_unpacked(estimate, settings):
    settings.LUNATASKS_ARCHIVE_UNPACKED_MB = 1

    task = estimate(zip_of(Record("a.bmp", SMALL, size=2**20, method=8), Record("b.jpg", SMALL)), Status.FAILED)

    assert errors_of(task) == [(errors.ArchiveRefused.code, None)]


@pytest.mark.parametrize(("ratio", "words"), [(10, "10 times"), (10**6, "cannot be decoded")])
def test_the_ratio_of_a_bomb_is_a_setting(estimate, settings, ratio, words):
    settings.LUNATASKS_ARCHIVE_RATIO = ratio

    [row] = result_of(estimate(zip_of(REFUSED_ENTRIES["bomb by ratio"][0])))

    assert words in row["error"]["detail"]


def test_a_count_that_lies_is_counted_again(estimate, settings):
    settings.LUNATASKS_ARCHIVE_ENTRIES = 3

    task = estimate(zip_of(*(Record(f"{n}.jpg", SMALL) for n in range(4)), count=1), Status.FAILED)

    assert errors_of(task) == [(errors.ArchiveRefused.code, None)]


REFUSED_ENTRIES = {
    "slip": (Record("../../etc/cron.d/x.jpg", SMALL), "leads out"),
    "slip inside": (Record("a/../../x.jpg", SMALL), "leads out"),
    "slip of Windows": (Record("..\\x.jpg", SMALL), "leads out"),
    "absolute": (Record("/etc/x.jpg", SMALL), "absolute"),
    "absolute of Windows": (Record("C:\\x.jpg", SMALL), "absolute"),
    "share of Windows": (Record("\\\\host\\x.jpg", SMALL), "absolute"),
    "symbolic link": (Record("link.jpg", b"/etc/passwd", mode=0o120777), "symbolic link"),
    "device": (Record("device.jpg", SMALL, mode=0o060644), "not a regular file"),
    "pipe": (Record("pipe.jpg", SMALL, mode=0o010644), "not a regular file"),
    "bomb by ratio": (
        Record("bomb.jpg", ZEROS, method=8, crc=zlib.crc32(bytes(4_000_000)), size=4_000_000),
        "200 times",
    ),
    "larger than an image": (Record("large.jpg", SMALL, method=8, size=101 * 2**20), "larger than"),
    "wrong checksum": (Record("a.jpg", SMALL, crc=1), "damaged"),
    "size too small": (Record("a.jpg", deflated(SMALL), method=8, crc=zlib.crc32(SMALL), size=10), "damaged"),
    "size too large": (Record("a.jpg", deflated(SMALL), method=8, crc=zlib.crc32(SMALL), size=10_000), "damaged"),
    "broken stream": (Record("a.jpg", b"\xff" * 500, method=8, size=600), "damaged"),
    "cut stream": (Record("a.jpg", deflated(JPEG)[:-900], method=8, crc=zlib.crc32(JPEG), size=len(JPEG)), "damaged"),
    "another name before the data": (Record("a.jpg", SMALL, local_name="b.jpg"), "damaged"),
    "lzma": (Record("a.jpg", b"\x09\x04\x05\x00\x5d\xff\xff\xff\xff" + SMALL, method=14), "method 14"),
    "bzip2": (Record("a.jpg", SMALL, method=12), "method 12"),
    "an unknown method": (Record("a.jpg", SMALL, method=97), "method 97"),
    "strong encryption": (Record("a.jpg", SMALL, flags=0x841), "encrypted in a way"),
    "archive in the archive": (Record("in.zip", WHOLE), "cannot be decoded"),
    "a text": (Record("a.jpg", b"hello"), "cannot be decoded"),
    "empty": (Record("a.jpg", b""), "cannot be decoded"),
}


@pytest.mark.parametrize("name", REFUSED_ENTRIES)
def test_an_entry_that_is_refused_and_the_others_are_read(estimate, name):
    record, words = REFUSED_ENTRIES[name]
    given = {"authorization": {"password": "x"}} if name == "strong encryption" else {}

    task = estimate(zip_of(Record("first.jpg", SMALL), record, Record("last.jpg", SMALL)), **given)

    rows = result_of(task)
    assert [row["status"] for row in rows] == [1, 0, 1]
    assert words in rows[1]["error"]["detail"]
    assert [code for code, _ in errors_of(task)] == [errors.ImageRefused.code]


def test_a_name_that_stands_twice_is_read_once(estimate):
    task = estimate(zip_of(Record("a.jpg", SMALL), Record("a.jpg", JPEG)))

    assert [row["status"] for row in result_of(task)] == [1, 0]
    assert "twice" in result_of(task)[1]["error"]["detail"]


def test_hidden_files_and_folders_are_no_images(estimate):
    names = [".x.jpg", "__MACOSX/._a.jpg", "a/.b/c.jpg", "Thumbs.db"]

    assert result_of(estimate(zip_of(*(Record(name, SMALL) for name in names), Record("folder/")))) == []


def test_one_encrypted_entry_among_others_needs_the_password(estimate):
    mixed = zip_of(Record("a.jpg", SMALL), Record("b.jpg", b"x" * 50, flags=0x801))

    assert errors_of(estimate(mixed, Status.FAILED)) == [(errors.ArchiveRefused.code, None)]


def test_an_entry_under_another_password_is_an_error_of_that_entry(estimate):
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", encryption=pyzipper.WZ_AES) as archive:
        for name, password in {"a.jpg": b"first", "b.jpg": b"second", "c.jpg": b"first"}.items():
            archive.setpassword(password)
            archive.writestr(name, SMALL)

    task = estimate(out.getvalue(), authorization={"password": "first"})

    assert [row["status"] for row in result_of(task)] == [1, 0, 1]
    assert "password" in result_of(task)[1]["error"]["detail"]
    assert errors_of(task) == [(errors.ImageRefused.code, "b.jpg")]


def test_a_comment_that_looks_like_an_end_leads_nowhere(estimate):
    data = zip_of(Record("a.jpg", SMALL), comment=b"PK\5\6 is not the end")

    task = estimate(data, Status.FAILED)

    assert errors_of(task) == [(errors.ArchiveRefused.code, None)]


def test_a_hundred_thousand_entries_are_listed(estimate):
    records = [Record(f"{n:06}.txt", b"x") for n in range(100_000)]

    task = estimate(zip_of(*records[:50_000], Record("a.jpg", SMALL), *records[50_000:], count=0xFFFE), postfix=".jpg")

    assert [row["filename"] for row in result_of(task)] == ["a.jpg"]


def test_a_hundred_thousand_images_are_planned_in_few_parts(estimate, sent, work, account):
    from tasks_app.models import Subtask

    files = {f"{n:06}.jpg": b"x" for n in range(100_000)}
    object_id, bucket = uuid4(), registry.buckets().objects
    data = of_library(files)  # more than 65 535: the records of large archives
    registry.image_store().put_object(account, bucket, object_id, data, content_type="application/zip")
    source = {"source_type": "zip", "reference": str(object_id)}
    task = create(account, TaskType.ESTIMATOR, {"handler": {"policies": NOTHING}, "source": source})

    work(1)

    assert Subtask.objects.filter(task=task).count() == 200


def test_a_bomb_never_stands_in_memory(tmp_path):
    size = 90 * 2**20
    bomb = Record("b.bmp", deflated(bytes(size)), method=8, crc=zlib.crc32(bytes(size)), size=size)
    lie = Record("c.bmp", deflated(bytes(size)), method=8, crc=0, size=2**20)
    path = tmp_path / "bomb.zip"
    path.write_bytes(zip_of(bomb, lie))
    limits = Limits(unpacked=2**40, entry=100 * 2**20, entries=1000, ratio=200)

    tracemalloc.start()
    with Archive(path, password=None, limits=limits) as archive:
        for number in range(2):
            with pytest.raises(EntryRefused):
                archive.read(number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 20 * 2**20


# -- images --------------------------------------------------------------------------------------------


def _png_bomb() -> bytes:
    return encoded(Image.new("1", (30_000, 30_000)), "PNG")


def _animated() -> bytes:
    out = io.BytesIO()
    frames = [opened("obama/obama.jpg").resize((455, 569)), Image.new("RGB", (455, 569), "red")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def _sixteen_bit() -> bytes:
    grey = np.asarray(opened("obama/obama.jpg").convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(opened("obama/obama.jpg").rotate(90, expand=True), exif=exif.tobytes(), quality=95)


IMAGES = {
    "image bomb": (_png_bomb, 0, 0),
    "cut photo": (lambda: JPEG[: len(JPEG) // 2], 0, 0),
    "photo and zip in one": (lambda: JPEG + WHOLE, 1, 1),
    "photo and script in one": (lambda: JPEG + b"<script>alert(1)</script>", 1, 1),
    "40 megapixels": (lambda: encoded(opened("obama/obama.jpg").resize((5600, 7000))), 1, 1),
    "1x1": (lambda: encoded(Image.new("RGB", (1, 1))), 1, 0),
    "CMYK": (lambda: encoded(opened("obama/obama.jpg").convert("CMYK")), 1, 1),
    "16 bit": (_sixteen_bit, 1, 1),
    "animated": (_animated, 1, 1),
    "EXIF-rotated": (_turned, 1, 1),
    "svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', 0, 0),
    "pdf": (lambda: b"%PDF-1.4\n", 0, 0),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_all_kinds(estimate, name):
    make, status, events = IMAGES[name]

    [row] = result_of(estimate(zip_of(Record("image.jpg", make()))))

    assert (row["status"], len(row["events"])) == (status, events)


def test_what_was_hidden_in_a_photo_is_not_stored(estimate, account):
    storage = {"storage_policy": {"image_origin_policy": {"store_image": 1}}}

    estimate(zip_of(Record("a.jpg", JPEG + WHOLE)), policies=storage)

    images, bucket = registry.image_store(), registry.buckets().image_origins
    [page] = images.iterate_images(account, bucket)
    assert b"PK\5\6" not in images.get_image(account, bucket, page[0])
