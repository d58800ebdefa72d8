"""What reporter and exporter share: parts that write rows and images of planned objects, the join of their pieces."""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import EventCard, FaceCard, ImageNotFound
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files import artefacts as files
from workers.files.csv_rows import Cell, rows_as_bytes
from workers.files.reports import Report, join, write_piece
from workers.task_types.columns import EVENT_COLUMNS, FACE_COLUMNS

Card = FaceCard | EventCard


@dataclass(frozen=True, slots=True)
class Table:
    """What stands in a row: the columns, and whose sample is the object's image."""

    objects_type: str
    columns: Sequence[str]
    delimiter: str
    with_images: bool
    descriptor_type: str = "face"

    @property
    def id_column(self) -> str:
        return "face_id" if self.objects_type == "faces" else "event_id"


def write_part(context: Context, table: Table, ids: Sequence[UUID], before: Sequence[Sequence[Cell]]) -> Artefact:
    """The piece of these objects (at most 1000); `before`: the cells of each row that come before its id.

    An object that is gone keeps those cells and its id, and is a stored error.
    """
    cards = read_cards(context, table.objects_type, ids)
    rows = [
        [*cells, object_id, *_cells(table, cards.get(object_id))] for cells, object_id in zip(before, ids, strict=True)
    ]
    for object_id in ids:
        if object_id not in cards:
            context.add_error(missing(table.objects_type, object_id))
    found = [cards[object_id] for object_id in ids if object_id in cards]
    images = _images(context, table, found) if table.with_images else ()
    with context.writing(".piece") as writer:
        write_piece(writer, rows_as_bytes(rows, table.delimiter), len(rows), images)
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def merge_parts(context: Context, table: Table, before: Sequence[str], parts: Iterable[Part]) -> Artefact:
    """The zip of all pieces; `before`: the names of the cells before the id. Raises ArchiveFailed."""
    names = [*before, table.id_column, *table.columns]
    facts = {"objects_type": table.objects_type, "columns": names, "csv_delimiter": table.delimiter}
    report = Report(
        table=f"task_{context.task_id}.csv",
        header=rows_as_bytes([names], table.delimiter),
        facts=facts,
        pieces=[_path_of(part) for part in parts],
    )
    try:
        with context.writing(".zip") as writer:
            join(writer, report, context.progress)
    except (ValueError, KeyError, zlib.error, struct.error):
        raise errors.ArchiveFailed from None
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def read_cards(context: Context, objects_type: str, ids: Sequence[UUID]) -> Mapping[UUID, Card]:
    """The objects that are there, by id."""
    if objects_type == "faces":
        return {face.face_id: face for face in registry.faces().get_faces(context.account_id, ids)}
    return {event.event_id: event for event in registry.events().get_events(context.account_id, ids)}


def missing(objects_type: str, object_id: UUID) -> errors.LunaError:
    """The stored error of an object that is gone."""
    kind = errors.FacesNotFound if objects_type == "faces" else errors.EventNotFound
    return kind(object_id, additional_info=str(object_id))


def _cells(table: Table, card: Card | None) -> Iterator[Cell]:
    if card is None:
        return (None for _ in table.columns)
    columns: Mapping[str, Callable[[Any], Cell]] = FACE_COLUMNS if isinstance(card, FaceCard) else EVENT_COLUMNS
    return (columns[name](card) for name in table.columns)


def _images(context: Context, table: Table, cards: Iterable[Card]) -> Iterator[tuple[str, bytes]]:
    buckets = registry.buckets()
    bucket = buckets.body_samples if table.descriptor_type == "body" else buckets.face_samples
    for card in cards:
        context.check()
        sample_id = _sample_of(card, table.descriptor_type)
        if sample_id is None:  # known by its descriptor only
            continue
        try:
            data = registry.image_store().get_image(context.account_id, bucket, sample_id)
        except ImageNotFound:
            context.add_error(errors.ImageNotFound(sample_id, additional_info=str(sample_id)))
            continue
        yield str(card.face_id if isinstance(card, FaceCard) else card.event_id), data


def _sample_of(card: Card, descriptor_type: str) -> UUID | None:
    if isinstance(card, FaceCard):
        return next(iter(card.sample_ids), None)
    seen = card.body_detections if descriptor_type == "body" else card.face_detections
    return next((detection.sample_id for detection in seen if detection.sample_id), None)


def _path_of(part: Part) -> Callable[[], Path]:
    if part.artefact is None:
        raise errors.ArtefactDamaged(part.task_id)
    artefact = part.artefact
    return lambda: files.local_path(artefact, task_id=part.task_id)
