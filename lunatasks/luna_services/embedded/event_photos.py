"""A folder of photos through a handler into events."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from lunatasks.luna_services.embedded.face_models.files import problem_of
from lunatasks.luna_services.embedded.images import MAX_BYTES
from lunatasks.luna_services.embedded.import_summary import Summary
from lunatasks.luna_services.embedded.models import TEXT_LENGTH
from lunatasks.luna_services.embedded.photos import external_id_of, find_photos, storable
from lunatasks.luna_services.embedded.progress import Progress
from lunatasks.luna_services.ports import BadImage, HandlerRun, SourceImage


@dataclass
class EventSummary(Summary):
    """What an import did. Counts are of photos but for the events."""

    new_events: int = 0
    known_events: int = 0


def policies_of_import(list_id: UUID | None) -> Mapping[str, Any]:
    """What is done with photos when no handler is named: an event of each face, and a face of it for a list."""
    faces = {"store_face": 1, "link_to_lists_policy": [{"list_id": str(list_id)}]} if list_id else {}
    return {
        "extract_policy": {"extract_basic_attributes": 1},
        "storage_policy": {"image_origin_policy": {"store_image": 1}, "face_policy": faces},
    }


def import_event_photos(root: Path, run: HandlerRun, *, tracks: bool = False) -> EventSummary:
    """Every photo under the folder into events; what is there already stays as it is.

    The source of an event is the folder, its time that of the photo by EXIF when known; with `tracks` the photos of
    one folder are one track. Raises PortError but for bad images, ModelsMissing, OSError of the storage.
    """
    started = time.monotonic()
    photos, other_files = find_photos(root)
    summary = EventSummary(photos=len(photos), other_files=other_files)
    with Progress(len(photos), "photo") as progress:
        for path in photos:
            progress.advance()
            try:
                made = run.process(_image(root, path, tracks=tracks))
            except BadImage as error:
                name = storable(str(path.relative_to(root)))
                summary.broken.append({"file": name, "reason": problem_of(error)})
                continue
            new = sum(event.is_new for event in made)
            summary.new_events += new
            summary.known_events += len(made) - new
            summary.without_face += not made
            summary.several_faces += len(made) > 1
    summary.seconds = time.monotonic() - started
    return summary


def _image(root: Path, path: Path, *, tracks: bool) -> SourceImage:
    folder = root.name if path.parent == root else path.parent.relative_to(root).as_posix()
    source = storable(folder)[-TEXT_LENGTH:]
    return SourceImage(
        filename=storable(path.name),
        data=_read(path),
        external_id=external_id_of(root, path),
        user_data=storable(str(path.relative_to(root)))[-TEXT_LENGTH:],
        source=source,
        track_id=source if tracks else None,
        use_exif_info=True,
    )


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadImage("not a regular file")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadImage(problem_of(error)) from None
