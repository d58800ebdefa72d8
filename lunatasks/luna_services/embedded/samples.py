"""Files of the image store: written before the rows that name them, removed after the rows are gone."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Self
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q, QuerySet

from lunatasks.luna_services.embedded.models import StoredFile

JPEG = "image/jpeg"
_NAMES = 500


@dataclass
class WrittenFiles:
    """Files of a transaction that is not committed yet: `with` removes them when it fails.

    Each attempt writes names of its own, so that the loser of two transactions over one id never removes
    the files of the winner.
    """

    names: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            remove(self.names)

    def write_image(self, account_id: UUID, bucket: str, image_id: UUID, data: bytes) -> StoredFile:
        """Store a checked JPEG; the row is returned unsaved."""
        return self._write(account_id, bucket, image_id, ContentFile(data), ".jpg", content_type=JPEG, is_image=True)

    def write_object(
        self, account_id: UUID, bucket: str, object_id: UUID, data: bytes | BinaryIO, *, content_type: str
    ) -> StoredFile:
        """Store any bytes; the row is returned unsaved."""
        content = ContentFile(data) if isinstance(data, bytes) else File(data)
        return self._write(account_id, bucket, object_id, content, "", content_type=content_type, is_image=False)

    def _write(
        self, account_id: UUID, bucket: str, file_id: UUID, content: "File[Any]", suffix: str, **fields: Any
    ) -> StoredFile:
        # at most 256 folders per account and bucket
        name = f"{bucket}/{account_id}/{file_id.hex[:2]}/{file_id}-{secrets.token_hex(4)}{suffix}"
        saved = default_storage.save(name, content)
        self.names.append(saved)
        size = default_storage.size(saved)
        return StoredFile(account_id=account_id, bucket=bucket, file_id=file_id, name=saved, size=size, **fields)


def save_rows(rows: Sequence[StoredFile]) -> None:
    """Save rows of one account and bucket, inside a transaction; the files of rows that they replace go after it."""
    if not rows:
        return
    replaced = stored_files(rows[0].account_id, rows[0].bucket, [row.file_id for row in rows])
    remove_after_commit(list(replaced.select_for_update().order_by("file_id").values_list("name", flat=True)))
    StoredFile.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["account_id", "bucket", "file_id"],
        update_fields=["is_image", "content_type", "size", "name", "create_time"],
    )


def delete_rows(files: QuerySet[StoredFile]) -> list[UUID]:
    """Delete rows, inside a transaction; their files go after it. Returns the ids that existed, ascending."""
    found = sorted(files.select_for_update().order_by("file_id").values_list("pk", "file_id", "name"), key=_by_id)
    if found:
        StoredFile.objects.filter(pk__in=[pk for pk, _, _ in found]).delete()
        remove_after_commit([name for _, _, name in found])
    return [file_id for _, file_id, _ in found]


def stored_files(account_id: UUID, bucket: str, file_ids: Sequence[UUID] | None = None) -> QuerySet[StoredFile]:
    """Rows of a bucket that belong to the account: all, or those of the ids."""
    wanted = Q() if file_ids is None else Q(file_id__in=list(file_ids))
    return StoredFile.objects.filter(wanted, account_id=account_id, bucket=bucket)


def bucket_name(role: str) -> str:
    """The name that the settings give to one of our own buckets, such as `face_samples`."""
    return str(settings.LUNATASKS_BUCKETS[role])


def remove_after_commit(names: Iterable[str]) -> None:
    """Remove files when the current transaction is committed."""
    gone = list(names)
    transaction.on_commit(lambda: remove(gone), robust=True)


def read(name: str) -> bytes | None:
    """The bytes of a stored file, or None when it is gone."""
    try:
        with default_storage.open(name, "rb") as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return None


def folders(bucket: str) -> Iterator[str]:
    """Folders of a bucket that hold files, of all accounts."""
    for account in _listed(bucket)[0]:
        if _uuid(account):
            yield from (f"{bucket}/{account}/{part}" for part in _listed(f"{bucket}/{account}")[0])


def without_row(names: Sequence[str]) -> list[str]:
    """Those files of one folder that no row names."""
    found: set[str] = set()
    for start in range(0, len(names), _NAMES):
        bucket, account, _, _ = names[start].split("/")
        file_ids = [file_id for name in names[start : start + _NAMES] if (file_id := _uuid(_leaf(name)))]
        found.update(stored_files(UUID(account), bucket, file_ids).values_list("name", flat=True))
    return [name for name in names if name not in found]


def files_of(folder: str) -> list[str]:
    """Full names of the files in a folder."""
    return [f"{folder}/{name}" for name in _listed(folder)[1]]


def _leaf(name: str) -> str:
    return name.rpartition("/")[2][:36]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:  # a file or folder that is not ours, or never was finished
        return None


def _listed(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _by_id(row: tuple[int, UUID, str]) -> bytes:
    return row[1].bytes


def remove(names: Iterable[str]) -> None:
    """Remove files; those that are gone do no harm."""
    for name in names:
        default_storage.delete(name)
