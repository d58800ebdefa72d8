"""The ImageStore port over our own tables and the default storage."""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction

from lunatasks.luna_services.embedded import samples
from lunatasks.luna_services.embedded.images import check_jpeg
from lunatasks.luna_services.embedded.models import Bucket, StoredFile
from lunatasks.luna_services.ports import (
    BadValue,
    BucketExists,
    BucketNotFound,
    ImageNotFound,
    ObjectInfo,
    ObjectNotFound,
)

MOST_FILES = 1000
MAX_SIDE = 32_768
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;[ -~]*)?", re.ASCII)


class EmbeddedImageStore:
    """Images and objects in this installation's storage."""

    def create_bucket(self, bucket: str) -> None:
        """See the port."""
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise BadValue("a bucket is named by 3 to 63 small letters, digits, dots and hyphens")
        if bucket in settings.LUNATASKS_BUCKETS.values():
            raise BucketExists(bucket)
        if not Bucket.objects.get_or_create(name=bucket)[1]:
            raise BucketExists(bucket)

    def put_image(self, account_id: UUID, bucket: str, image_id: UUID, data: bytes) -> None:
        """See the port."""
        _require(bucket)
        check_jpeg(data, max_side=MAX_SIDE)
        with samples.WrittenFiles() as files:
            row = files.write_image(account_id, bucket, image_id, data)
            with transaction.atomic():
                samples.save_rows([row])

    def get_image(self, account_id: UUID, bucket: str, image_id: UUID) -> bytes:
        """See the port."""
        row = _find(account_id, bucket, image_id, is_image=True)
        data = samples.read(row.name) if row else None
        if data is None:
            raise ImageNotFound(image_id)
        return data

    def has_image(self, account_id: UUID, bucket: str, image_id: UUID) -> bool:
        """See the port."""
        return _find(account_id, bucket, image_id, is_image=True) is not None

    def delete_images(self, account_id: UUID, bucket: str, image_ids: Sequence[UUID]) -> list[UUID]:
        """See the port. The files go after the commit."""
        return _delete(account_id, bucket, image_ids, is_image=True)

    def iterate_images(self, account_id: UUID, bucket: str, *, chunk: int = 1000) -> Iterator[list[UUID]]:
        """See the port."""
        for page in _pages(account_id, bucket, is_image=True, chunk=chunk):
            yield [row.file_id for row in page]

    def put_object(
        self, account_id: UUID, bucket: str, object_id: UUID, data: bytes | BinaryIO, *, content_type: str
    ) -> None:
        """See the port."""
        _require(bucket)
        if len(content_type) > 127 or not _TYPE.fullmatch(content_type):
            raise BadValue("a content type reads like text/plain")
        with samples.WrittenFiles() as files:
            row = files.write_object(account_id, bucket, object_id, data, content_type=content_type)
            with transaction.atomic():
                samples.save_rows([row])

    def open_object(self, account_id: UUID, bucket: str, object_id: UUID) -> BinaryIO:
        """See the port."""
        row = _find(account_id, bucket, object_id, is_image=False)
        if row is None:
            raise ObjectNotFound(object_id)
        try:
            return cast(BinaryIO, default_storage.open(row.name, "rb"))
        except FileNotFoundError:
            raise ObjectNotFound(object_id) from None

    def find_object(self, account_id: UUID, bucket: str, object_id: UUID) -> ObjectInfo | None:
        """See the port."""
        row = _find(account_id, bucket, object_id, is_image=False)
        return ObjectInfo(row.file_id, row.content_type, row.size) if row else None

    def delete_objects(self, account_id: UUID, bucket: str, object_ids: Sequence[UUID]) -> list[UUID]:
        """See the port. The files go after the commit."""
        return _delete(account_id, bucket, object_ids, is_image=False)

    def iterate_objects(self, account_id: UUID, bucket: str, *, chunk: int = 1000) -> Iterator[list[ObjectInfo]]:
        """See the port."""
        for page in _pages(account_id, bucket, is_image=False, chunk=chunk):
            yield [ObjectInfo(row.file_id, row.content_type, row.size) for row in page]

    def iterate_orphans(self) -> Iterator[list[str]]:
        """See the port."""
        own = Bucket.objects.values_list("name", flat=True)
        for bucket in sorted({*settings.LUNATASKS_BUCKETS.values(), *own}):
            for folder in samples.folders(bucket):
                yield samples.without_row(samples.files_of(folder))

    def remove_orphans(self, names: Sequence[str]) -> int:
        """See the port."""
        left = samples.without_row(names)
        samples.remove(left)
        return len(left)


def _require(bucket: str) -> None:
    if bucket not in settings.LUNATASKS_BUCKETS.values() and not Bucket.objects.filter(name=bucket).exists():
        raise BucketNotFound(bucket)


def _find(account_id: UUID, bucket: str, file_id: UUID, *, is_image: bool) -> StoredFile | None:
    _require(bucket)
    return samples.stored_files(account_id, bucket, [file_id]).filter(is_image=is_image).first()


@transaction.atomic
def _delete(account_id: UUID, bucket: str, file_ids: Sequence[UUID], *, is_image: bool) -> list[UUID]:
    if len(file_ids) > MOST_FILES:
        raise BadValue(f"more than {MOST_FILES} ids in one call")
    _require(bucket)
    return samples.delete_rows(samples.stored_files(account_id, bucket, file_ids).filter(is_image=is_image))


def _pages(account_id: UUID, bucket: str, *, is_image: bool, chunk: int) -> Iterator[list[StoredFile]]:
    _require(bucket)
    rows = samples.stored_files(account_id, bucket).filter(is_image=is_image).order_by("file_id")
    last: UUID | None = None
    while page := list((rows.filter(file_id__gt=last) if last else rows)[:chunk]):
        yield page
        last = page[-1].file_id
