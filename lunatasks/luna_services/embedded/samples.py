"""Samples as files: written before the rows that name them, removed after the rows are gone."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import UUID, uuid5

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from lunatasks.luna_services.embedded.models import FaceSample
from lunatasks.luna_services.ports import NewFace


@dataclass
class WrittenFiles:
    """Files of a transaction that is not committed yet: `with` removes them when it fails.

    Each attempt writes names of its own, so that the loser of two transactions over one face never removes
    the files of the winner.
    """

    names: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            _remove(self.names)

    def write(self, account_id: UUID, face: NewFace) -> FaceSample:
        """Store the sample of a face; the row is returned unsaved."""
        sample_id = uuid5(face.face_id, "sample")
        name = f"{FaceSample.folder(account_id, sample_id)}/{sample_id}-{secrets.token_hex(4)}.jpg"
        saved = default_storage.save(name, ContentFile(face.sample or b""))
        self.names.append(saved)
        return FaceSample(sample_id=sample_id, name=saved, face_id=face.face_id)


def remove_after_commit(names: Iterable[str]) -> None:
    """Remove files when the current transaction is committed."""
    gone = list(names)
    transaction.on_commit(lambda: _remove(gone), robust=True)


def read(name: str) -> bytes | None:
    """The bytes of a stored sample, or None when the file is gone."""
    try:
        with default_storage.open(name, "rb") as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return None


def _remove(names: Iterable[str]) -> None:
    for name in names:
        default_storage.delete(name)
