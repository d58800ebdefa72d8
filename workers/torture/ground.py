"""What every stack is filled with before its first task: people, faces to be deleted, samples and photos to be read."""

import io
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from PIL import Image

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, SFACE_MIRRORED, normalise
from lunatasks.luna_services.embedded.face_models.extractor import default_extractor
from lunatasks.luna_services.embedded.sample_photos import samples_folder
from lunatasks.luna_services.ports import NewFace
from workers.torture.stack import ACCOUNT, Stack, StackError

PEOPLE, PHOTOS = 24, 5
PERSON = "person"
"""The external_id of the people's faces: what tasks make meanwhile is told from them."""
VICTIM_BATCHES, VICTIMS = 400, 12
"""Faces to be deleted, so many for each gc; they have a descriptor that no clustering compares."""
BARE_BATCHES, BARES = 200, 4
"""Faces that have a sample and nothing else, so many for each additional extraction."""
PICTURED_NAME, PICTURED = "pictured", [UUID(int=2**65 + at) for at in range(6)]
"""Faces that have a sample which is exported, and that nothing else is done with."""
PORTRAITS = ("obama/obama.jpg", "biden/biden.jpg")
BROKEN = "broken.jpg"
ARCHIVE = "photos.zip"
SIDE = 320


def fill(stack: Stack) -> None:
    """Give a stack whose tables exist all of it. Raises StackError when the sample photos are missing."""
    for name, write in (("people", write_people), ("victims", write_victims)):
        write(stack.home / f"{name}.npz")
        stack.command("importdescriptors", str(stack.home / f"{name}.npz"))
    archive = import_root(stack) / ACCOUNT / ARCHIVE
    archive.parent.mkdir(parents=True)
    write_archive(archive)
    stack.command("shell", "-v", "0", "-c", "from workers.torture import ground; ground.add_bare_faces()")


def import_root(stack: Stack) -> Path:
    """Where the stack's estimators may read archives."""
    return stack.home / "imports"


def people() -> tuple[list[str], Any]:
    """Ids and vectors of the people's faces, PHOTOS of each, one person after the other."""
    chance = np.random.default_rng(1)
    centres = chance.normal(size=(PEOPLE, 1, SFACE.dimension))
    vectors = normalise((centres + 0.2 * chance.normal(size=(PEOPLE, PHOTOS, SFACE.dimension))).reshape(-1, 128))
    return [str(UUID(bytes=chance.bytes(16))) for _ in range(len(vectors))], vectors


def write_people(path: Path) -> None:
    """The people as a file for `importdescriptors`."""
    ids, vectors = people()
    _write_arrays(path, face_id=np.array(ids), descriptor=vectors, external_id=np.array([PERSON] * len(ids)))


def write_victims(path: Path) -> None:
    """The faces to be deleted, likewise; their external_id is that of their batch."""
    chance, count = np.random.default_rng(2), VICTIM_BATCHES * VICTIMS
    _write_arrays(
        path,
        face_id=np.array([str(UUID(bytes=chance.bytes(16))) for _ in range(count)]),
        descriptor=chance.normal(size=(count, SFACE_MIRRORED.dimension)),
        external_id=np.array([victim_batch(at // VICTIMS) for at in range(count)]),
        version=np.array(SFACE_MIRRORED.number),
    )


def _write_arrays(path: Path, **arrays: Any) -> None:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    path.write_bytes(stream.getvalue())


def victim_batch(number: int) -> str:
    """The external_id of the victims of the gc of that number. Raises ValueError when there are not so many."""
    if number >= VICTIM_BATCHES:
        raise ValueError(f"there are victims for {VICTIM_BATCHES} tasks only")
    return f"victim {number}"


def bare_faces(number: int) -> list[UUID]:
    """Ids of the faces of the additional extraction of that number: consecutive, ascending. Raises ValueError."""
    if number >= BARE_BATCHES:
        raise ValueError(f"there are bare faces for {BARE_BATCHES} tasks only")
    first = 2**64 + number * BARES
    return [UUID(int=first + at) for at in range(BARES)]


def write_archive(path: Path) -> None:
    """Small copies of the portraits, and a file that is no photo. Raises StackError."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in PORTRAITS:
            photo = samples_folder() / name
            if not photo.is_file():
                raise StackError(f"sample photo {name} is missing: run `manage.py fetchsamples`")
            archive.writestr(Path(name).name, _small(photo))
        archive.writestr(BROKEN, b"no photo")


def _small(path: Path) -> bytes:
    stream = io.BytesIO()
    with Image.open(path) as image:
        image.thumbnail((SIDE, SIDE))
        image.convert("RGB").save(stream, "JPEG", quality=90)
    return stream.getvalue()


def add_bare_faces() -> None:
    """All batches and the pictured ones, with the archive's portraits by turns. Runs in the stack's environment."""
    [root] = settings.LUNATASKS_IMPORT_ROOTS
    with zipfile.ZipFile(Path(root) / ACCOUNT / ARCHIVE) as archive:
        photos = [archive.read(name) for name in archive.namelist() if name != BROKEN]
    samples = [found.sample for photo in photos for found in default_extractor().extract(photo)]
    ids = [face_id for batch in range(BARE_BATCHES) for face_id in bare_faces(batch)]
    faces = [
        NewFace(face_id=face_id, external_id=name, sample=samples[at % len(samples)])
        for name, of_name in (("bare", ids), (PICTURED_NAME, PICTURED))
        for at, face_id in enumerate(of_name)
    ]
    registry.faces().add_faces(UUID(ACCOUNT), faces)
