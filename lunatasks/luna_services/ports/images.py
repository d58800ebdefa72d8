"""The image store: images and objects in buckets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Buckets:
    """Names of the buckets the service works with."""

    face_samples: str
    body_samples: str
    image_origins: str
    objects: str
    task_results: str


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object without its bytes."""

    object_id: UUID
    content_type: str
    size: int


class ImageStore(Protocol):
    """Images (JPEG) and objects (any type) by id, always within one account: another account's are not there.

    Every call raises BucketNotFound for a bucket that does not exist; those of `Buckets` always do.
    """

    def create_bucket(self, bucket: str) -> None:
        """Make a bucket. Raises BucketExists, BadValue."""
        ...

    def put_image(self, account_id: UUID, bucket: str, image_id: UUID, data: bytes) -> None:
        """Store a JPEG under the id; one that is there is replaced. The same call twice is the call once.

        Raises BadImage.
        """
        ...

    def get_image(self, account_id: UUID, bucket: str, image_id: UUID) -> bytes:
        """The JPEG. Raises ImageNotFound."""
        ...

    def has_image(self, account_id: UUID, bucket: str, image_id: UUID) -> bool:
        """Whether the image is there."""
        ...

    def delete_images(self, account_id: UUID, bucket: str, image_ids: Sequence[UUID]) -> list[UUID]:
        """Delete images, at most 1000 a call; returns the ids that existed."""
        ...

    def iterate_images(self, account_id: UUID, bucket: str, *, chunk: int = 1000) -> Iterator[list[UUID]]:
        """Ids of the account's images in the bucket, ascending, in chunks."""
        ...

    def put_object(
        self, account_id: UUID, bucket: str, object_id: UUID, data: bytes | BinaryIO, *, content_type: str
    ) -> None:
        """Store an object under the id; one that is there is replaced. Raises BadValue."""
        ...

    def open_object(self, account_id: UUID, bucket: str, object_id: UUID) -> BinaryIO:
        """The bytes of an object as a stream that can seek; the caller closes it. Raises ObjectNotFound."""
        ...

    def find_object(self, account_id: UUID, bucket: str, object_id: UUID) -> ObjectInfo | None:
        """Type and size of an object, or None."""
        ...

    def delete_objects(self, account_id: UUID, bucket: str, object_ids: Sequence[UUID]) -> list[UUID]:
        """Delete objects, at most 1000 a call; returns the ids that existed."""
        ...

    def iterate_objects(self, account_id: UUID, bucket: str, *, chunk: int = 1000) -> Iterator[list[ObjectInfo]]:
        """The account's objects in the bucket, ids ascending, in chunks."""
        ...

    def iterate_orphans(self) -> Iterator[list[str]]:
        """Files that no image or object names, of all accounts, folder by folder: some may be about to be named."""
        ...

    def remove_orphans(self, names: Sequence[str]) -> int:
        """Remove those of the files, all of one folder, that still are orphans; their number."""
        ...
