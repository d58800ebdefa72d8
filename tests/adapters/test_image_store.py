"""The contract of the image store, over every adapter."""

import io
from uuid import UUID, uuid4

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.models import StoredFile
from lunatasks.luna_services.ports import (
    BadImage,
    BadValue,
    BucketExists,
    BucketNotFound,
    ImageNotFound,
    NewFace,
    ObjectInfo,
    ObjectNotFound,
)
from tests.adapters.conftest import JPEG
from tests.photos import encoded

OTHER_JPEG = encoded(Image.new("RGB", (20, 10), (1, 2, 3)))


@pytest.fixture
def bucket() -> str:
    return registry.buckets().image_origins


def files(folder: str) -> list[str]:
    """Names of all files below a folder of the storage."""
    if not default_storage.exists(folder):
        return []
    folders, names = default_storage.listdir(folder)
    return [name for one in folders for name in files(f"{folder}/{one}")] + names


def test_the_buckets_have_the_platforms_names():
    buckets = registry.buckets()

    assert (buckets.face_samples, buckets.body_samples) == ("visionlabs-samples", "visionlabs-bodies-samples")
    assert (buckets.image_origins, buckets.objects) == ("visionlabs-image-origin", "visionlabs-objects")
    assert buckets.task_results == "task-result"


def test_an_image_is_read_as_it_was_put(image_store, account, bucket):
    image_id = uuid4()

    image_store.put_image(account, bucket, image_id, JPEG)

    assert image_store.get_image(account, bucket, image_id) == JPEG
    assert image_store.has_image(account, bucket, image_id)
    assert list(image_store.iterate_images(account, bucket)) == [[image_id]]


@pytest.mark.django_db(transaction=True)
def test_an_image_put_again_is_replaced_and_leaves_one_file(image_store, account, bucket):
    image_id = uuid4()
    for data in (JPEG, JPEG, OTHER_JPEG):
        image_store.put_image(account, bucket, image_id, data)

    assert image_store.get_image(account, bucket, image_id) == OTHER_JPEG
    assert len(files(bucket)) == StoredFile.objects.count() == 1


def test_each_account_has_images_of_its_own(image_store, account, other_account, bucket):
    image_id = uuid4()
    image_store.put_image(account, bucket, image_id, JPEG)

    assert not image_store.has_image(other_account, bucket, image_id)
    assert image_store.delete_images(other_account, bucket, [image_id]) == []
    with pytest.raises(ImageNotFound) as caught:
        image_store.get_image(other_account, bucket, image_id)
    image_store.put_image(other_account, bucket, image_id, OTHER_JPEG)

    assert caught.value.code == 13003
    assert image_store.get_image(account, bucket, image_id) == JPEG


def test_a_bucket_does_not_show_what_is_in_another_one(image_store, account, bucket):
    image_id = uuid4()
    image_store.put_image(account, bucket, image_id, JPEG)

    assert not image_store.has_image(account, registry.buckets().face_samples, image_id)


def test_samples_of_faces_are_images_of_their_bucket(image_store, faces, account, bucket):
    face_id, sample_id = uuid4(), uuid4()
    faces.add_faces(account, [NewFace(face_id, sample=JPEG, sample_id=sample_id)])
    samples = registry.buckets().face_samples

    assert image_store.get_image(account, samples, sample_id) == faces.open_sample(account, sample_id) == JPEG
    faces.delete_faces(account, [face_id])
    assert not image_store.has_image(account, samples, sample_id)


def bomb() -> bytes:
    """A JPEG that says it is 65 000 pixels a side."""
    data = bytearray(JPEG)
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = (65_000).to_bytes(2, "big") * 2
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", JPEG[: len(JPEG) // 2], b"\xff\xd8\xff", encoded(Image.new("RGB", (9, 9)), "PNG"), bomb()],
    ids=["empty", "text", "half", "start", "png", "bomb"],
)
@pytest.mark.django_db(transaction=True)
def test_what_is_no_jpeg_is_refused_and_the_old_one_stays(image_store, account, bucket, data):
    image_id = uuid4()
    image_store.put_image(account, bucket, image_id, JPEG)

    with pytest.raises(BadImage) as caught:
        image_store.put_image(account, bucket, image_id, data)

    assert caught.value.code == 12022
    assert image_store.get_image(account, bucket, image_id) == JPEG
    assert len(files(bucket)) == 1


@pytest.mark.django_db(transaction=True)
def test_deleting_tells_what_existed_and_removes_files(image_store, account, bucket):
    ids = sorted(uuid4() for _ in range(3))
    for image_id in ids:
        image_store.put_image(account, bucket, image_id, JPEG)

    assert image_store.delete_images(account, bucket, [ids[2], ids[0], uuid4()]) == [ids[0], ids[2]]
    assert image_store.delete_images(account, bucket, ids[:1]) == []

    assert list(image_store.iterate_images(account, bucket)) == [[ids[1]]]
    assert len(files(bucket)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_row_that_cannot_be_written_leaves_no_file(image_store, account, bucket, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError("refused")

    monkeypatch.setattr(StoredFile.objects, "bulk_create", refuse)
    with pytest.raises(OSError, match="refused"):
        image_store.put_image(account, bucket, uuid4(), JPEG)

    assert files(bucket) == []


def test_pages_are_ascending_and_whole(image_store, account, bucket):
    ids = [uuid4() for _ in range(5)]
    for image_id in ids:
        image_store.put_image(account, bucket, image_id, JPEG)

    pages = list(image_store.iterate_images(account, bucket, chunk=2))

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == sorted(ids, key=lambda one: one.bytes)


@pytest.mark.parametrize("data", [b"some text", io.BytesIO(b"some text")], ids=["bytes", "stream"])
def test_an_object_keeps_its_bytes_and_type(image_store, account, data):
    object_id, bucket = uuid4(), registry.buckets().objects

    image_store.put_object(account, bucket, object_id, data, content_type="text/plain; charset=utf-8")

    with image_store.open_object(account, bucket, object_id) as stream:
        stream.seek(5)
        assert stream.read() == b"text"
    expected = ObjectInfo(object_id, "text/plain; charset=utf-8", 9)
    assert image_store.find_object(account, bucket, object_id) == expected
    assert list(image_store.iterate_objects(account, bucket)) == [[expected]]
    assert list(image_store.iterate_images(account, bucket)) == []


def test_an_object_is_no_image_and_an_image_no_object(image_store, account):
    bucket, first, second = registry.buckets().objects, uuid4(), uuid4()
    image_store.put_object(account, bucket, first, JPEG, content_type="image/jpeg")
    image_store.put_image(account, bucket, second, JPEG)

    assert not image_store.has_image(account, bucket, first)
    assert image_store.find_object(account, bucket, second) is None
    assert image_store.delete_images(account, bucket, [first]) == []
    assert image_store.delete_objects(account, bucket, [first, second]) == [first]


def test_absent_objects_are_not_found(image_store, account, other_account):
    bucket, object_id = registry.buckets().objects, uuid4()
    image_store.put_object(other_account, bucket, object_id, b"x", content_type="text/plain")

    with pytest.raises(ObjectNotFound) as caught:
        image_store.open_object(account, bucket, object_id)

    assert caught.value.code == 13007
    assert image_store.find_object(account, bucket, object_id) is None


@pytest.mark.parametrize("content_type", ["", "text", "text/plain\r\nX: y", "a/" + "b" * 200, "text/plain\x00"])
def test_a_bad_content_type_is_refused(image_store, account, content_type):
    with pytest.raises(BadValue):
        image_store.put_object(account, registry.buckets().objects, uuid4(), b"x", content_type=content_type)


def test_more_than_a_thousand_are_refused(image_store, account, bucket):
    with pytest.raises(BadValue):
        image_store.delete_images(account, bucket, [UUID(int=number) for number in range(1001)])


def test_buckets_are_made_once(image_store, account):
    with pytest.raises(BucketNotFound) as absent:
        image_store.put_image(account, "my-bucket", uuid4(), JPEG)
    image_store.create_bucket("my-bucket")
    image_store.put_image(account, "my-bucket", uuid4(), JPEG)

    with pytest.raises(BucketExists) as there:
        image_store.create_bucket("my-bucket")
    with pytest.raises(BucketExists):
        image_store.create_bucket(registry.buckets().objects)
    assert (absent.value.code, there.value.code) == (13005, 13006)


@pytest.mark.parametrize("name", ["", "a", "../up", "a/b", "a..b", "UPPER", "x" * 64, "-a-", "a\n"])
def test_a_bucket_that_is_no_name_is_refused(image_store, name):
    with pytest.raises(BadValue):
        image_store.create_bucket(name)
