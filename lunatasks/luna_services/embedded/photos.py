"""A folder of photos into faces, once: ids come from the account, the file's content and the face's number."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.embedded.face_models.extractor import FaceEstimate
from lunatasks.luna_services.embedded.face_models.files import FileFaces, extraction, file_digest, problem_of
from lunatasks.luna_services.embedded.import_summary import Summary
from lunatasks.luna_services.embedded.models import TEXT_LENGTH, ImportedPhoto
from lunatasks.luna_services.embedded.progress import Progress
from lunatasks.luna_services.ports import BadImage, Faces, NewFace

ENDINGS = frozenset({
    ".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif",
})  # fmt: skip
"""Names of files that are tried; others are counted only."""

BATCH_PHOTOS = 64
BATCH_FACES = 500  # with link, descriptor and sample: 2000 rows a transaction

Extract = Callable[[Iterable[Path]], Iterable[FileFaces]]


@dataclass
class ImportSummary(Summary):
    """What an import did. Counts are of photos but for the faces."""

    new_faces: int = 0
    known_photos: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class PhotoImport:
    """Where photos come from and where their faces go."""

    root: Path
    account_id: UUID
    faces: Faces
    models_dir: Path
    list_id: UUID | None = None
    jobs: int = 1
    version: int = SFACE.number


def import_photos(job: PhotoImport) -> ImportSummary:
    """Import every photo under the folder; what is there already is left alone and linked to the list.

    Raises ModelsMissing, PortError, OSError of the storage, BrokenProcessPool.
    """
    started = time.monotonic()
    photos, other_files = find_photos(job.root)
    summary = ImportSummary(photos=len(photos), other_files=other_files)
    seen: set[str] = set()
    with (
        extraction(job.models_dir, jobs=job.jobs, version=job.version) as extract,
        Progress(len(photos), "photo") as progress,
    ):
        for start in range(0, len(photos), BATCH_PHOTOS):
            batch = photos[start : start + BATCH_PHOTOS]
            _import_batch(job, _unseen(job, batch, seen, summary), extract, summary, progress)
    summary.seconds = time.monotonic() - started
    return summary


def face_id_of(account_id: UUID, digest: str, number: int) -> UUID:
    """The id of the n-th face (from 0, larger ones first) of the photo with this SHA-256."""
    return uuid5(account_id, f"{digest}:{number}")


def external_id_of(root: Path, path: Path) -> str:
    """The name of the photo's folder, empty for photos directly under the root."""
    return "" if path.parent == root else storable(path.parent.name)[:TEXT_LENGTH]


def find_photos(root: Path) -> tuple[list[Path], int]:
    """Files under the folder that may be photos, by name, and how many others there are; hidden ones are neither."""
    photos, others = [], 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = [name for name in sorted(names) if not name.startswith(".")]
        chosen = [Path(folder, name) for name in visible if Path(name).suffix.lower() in ENDINGS]
        others += len(visible) - len(chosen)
        photos += chosen
    return photos, others


def _unseen(
    job: PhotoImport, photos: list[Path], seen: set[str], summary: ImportSummary
) -> Iterator[tuple[Path, str | None]]:
    """(path, digest) of photos to look at; digest None when the photo is settled without looking."""
    digests = {path: _digest(job, path, summary) for path in photos}
    settled = _settled(job, [digest for digest in digests.values() if digest])
    for path, digest in digests.items():
        if digest in seen:
            summary.duplicates += 1
        elif digest in settled:
            summary.known_photos += 1
        yield path, None if digest is None or digest in seen or digest in settled else digest
        if digest is not None:
            seen.add(digest)


def _digest(job: PhotoImport, path: Path, summary: ImportSummary) -> str | None:
    try:
        return file_digest(path)
    except (BadImage, OSError) as error:
        _note_broken(job, path, problem_of(error), summary)
        return None


def _settled(job: PhotoImport, digests: list[str]) -> set[str]:
    """Digests of photos seen before whose faces all still exist; these are linked to the list."""
    known = ImportedPhoto.objects.filter(account_id=job.account_id, version=job.version, digest__in=digests)
    ids = {
        photo.digest: [face_id_of(job.account_id, photo.digest, number) for number in range(photo.faces)]
        for photo in known
    }
    wanted = [face_id for face_ids in ids.values() for face_id in face_ids]
    existing = job.faces.existing_ids(job.account_id, wanted) if wanted else set()
    if job.list_id is not None and existing:
        for part in _slices(sorted(existing), BATCH_FACES):
            job.faces.link_faces(job.account_id, job.list_id, part)
    return {digest for digest, face_ids in ids.items() if existing.issuperset(face_ids)}


def _import_batch(
    job: PhotoImport,
    batch: Iterable[tuple[Path, str | None]],
    extract: Extract,
    summary: ImportSummary,
    progress: Progress,
) -> None:
    items = list(batch)
    todo = [path for path, digest in items if digest]
    progress.advance(len(items) - len(todo))
    new: list[NewFace] = []
    looked_at: dict[str, int] = {}
    for path, found in zip(todo, extract(todo), strict=True):
        progress.advance()
        if found.problem:
            _note_broken(job, path, found.problem, summary)
            continue
        looked_at[found.digest] = len(found.faces)
        summary.without_face += not found.faces
        summary.several_faces += len(found.faces) > 1
        new += [_new_face(job, path, found.digest, number, face) for number, face in enumerate(found.faces)]
    for part in _slices(new, BATCH_FACES):
        summary.new_faces += len(job.faces.add_faces(job.account_id, part, list_id=job.list_id))
    _remember(job, looked_at)


def _new_face(job: PhotoImport, path: Path, digest: str, number: int, face: FaceEstimate) -> NewFace:
    return NewFace(
        face_id=face_id_of(job.account_id, digest, number),
        external_id=external_id_of(job.root, path),
        user_data=storable(str(path.relative_to(job.root)))[-TEXT_LENGTH:],
        attributes=face.attributes,
        descriptors={} if face.descriptor is None else {job.version: face.descriptor},
        sample=face.sample,
    )


def _remember(job: PhotoImport, looked_at: dict[str, int]) -> None:
    ImportedPhoto.objects.bulk_create(
        [
            ImportedPhoto(account_id=job.account_id, version=job.version, digest=digest, faces=count)
            for digest, count in looked_at.items()
        ],
        update_conflicts=True,
        unique_fields=["account_id", "version", "digest"],
        update_fields=["faces"],
    )


def _note_broken(job: PhotoImport, path: Path, reason: str, summary: ImportSummary) -> None:
    summary.broken.append({"file": storable(str(path.relative_to(job.root))), "reason": reason})


def storable(name: str) -> str:
    """The name of a file as text that a database takes."""
    # names of files are bytes: those that are no UTF-8 come as lone surrogates, which no database takes
    return os.fsencode(name).decode("utf-8", "replace")


def _slices(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
