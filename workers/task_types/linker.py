"""Linker: faces, or the faces of events, are linked to a list that may be made for them.

Linking, making the list and making the face of an event are by id: twice is once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import orjson
from django.conf import settings
from numpy.typing import NDArray

from lunatasks import errors
from lunatasks.luna_services import ports, registry
from lunatasks.luna_services.ports import BasicAttributes, EventCard, NewFace
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.numeric.ids import to_array, to_strings
from workers.task_types import selection, tables
from workers.task_types.base import Plan, TaskKind


def split(context: Context, phase: int) -> Plan:
    """Make or find the list, copy the ids of the objects."""
    content = context.content
    _provide_list(context)
    if content["objects_type"] == "faces":
        chunks = registry.faces().iterate_ids(selection.face_filters(context.account_id, content["filters"]))
    else:
        chunks = registry.events().iterate_ids(selection.event_filters(context.account_id, content["filters"]))
    return selection.plan_ids(context, chunks, size=settings.LUNATASKS_PART_SIZE)


def process(context: Context, content: Any) -> Artefact:
    """Link some of them; the ids of the linked faces are left."""
    linked: set[UUID] = set()
    for ids in selection.batches(context, content):
        if context.content["objects_type"] == "events":
            linked |= _link_events(context, ids)
        else:
            linked |= _link(context, ids)
    return context.write_array(".npy", to_array(sorted(linked)))


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """Ids of all linked faces, ascending, each once."""
    ids = _unique([part.read_array() for part in parts])
    with context.writing(".json") as writer:
        writer.write(b"[")
        for start in range(0, len(ids), 10_000):
            context.check()
            separator = b"," if start else b""
            writer.write(separator + orjson.dumps(list(to_strings(ids[start : start + 10_000])))[1:-1])
        writer.write(b"]")
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def _unique(arrays: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    every = np.concatenate([np.empty((0, 16), np.uint8), *arrays])
    return np.unique(np.ascontiguousarray(every).view("V16").ravel()).view(np.uint8).reshape(-1, 16)


def _list_id(context: Context) -> UUID:
    return UUID(context.content["list_id"])


def _provide_list(context: Context) -> None:
    list_id = _list_id(context)
    if context.content["create_list"]:
        user_data = context.content.get("user_data", "")
        try:
            registry.faces().ensure_list(context.account_id, list_id, user_data=user_data)
        except ports.ListNotFound:  # it is one of another account
            raise errors.ListNotFound(list_id) from None
    elif not registry.faces().get_lists(context.account_id, [list_id]):
        raise errors.ListNotFound(list_id)


def _link(context: Context, face_ids: Sequence[UUID]) -> set[UUID]:
    """Link faces; those that are gone are stored errors."""
    try:
        linked = set(registry.faces().link_faces(context.account_id, _list_id(context), face_ids))
    except ports.ListNotFound:
        raise errors.ListNotFound(_list_id(context)) from None
    for face_id in face_ids:
        if face_id not in linked:
            context.add_error(tables.missing("faces", face_id))
    return linked


def _link_events(context: Context, event_ids: Sequence[UUID]) -> set[UUID]:
    events = {event.event_id: event for event in registry.events().get_events(context.account_id, event_ids)}
    for event_id in event_ids:
        if event_id not in events:
            context.add_error(tables.missing("events", event_id))
    with_face = sorted({event.face_id for event in events.values() if event.face_id})
    without = [event for event in events.values() if not event.face_id]
    return _link(context, with_face) | _make_faces(context, without)


def _make_faces(context: Context, events: Sequence[EventCard]) -> set[UUID]:
    """A linked face of each event that has a descriptor."""
    version, ids = settings.LUNATASKS_FACE_VERSION, [event.event_id for event in events]
    stored = registry.events().get_descriptors(context.account_id, ids, kind="face", version=version)
    vectors = {descriptor.object_id: descriptor.vector for descriptor in stored}
    faces = []
    for event in events:
        context.check()
        if event.event_id in vectors:
            faces.append(_face_of(context, event, vectors[event.event_id], version))
        else:
            context.add_error(errors.DescriptorNotFound(version, event.event_id, additional_info=str(event.event_id)))
    _add(context, faces, {event.event_id: _sample_id(event) for event in events})
    return {face.face_id for face in faces}


def _face_of(context: Context, event: EventCard, vector: ports.Vector, version: int) -> NewFace:
    return NewFace(
        # of task and event, so that a part that runs again makes no second face
        face_id=uuid5(event.event_id, f"linker task {context.task_id}"),
        external_id=event.external_id,
        user_data=event.user_data,
        event_id=event.event_id,
        attributes=BasicAttributes(event.age, event.gender, event.ethnic_group),
        descriptors={version: vector},
        sample=_sample(context, event),
    )


def _sample_id(event: EventCard) -> UUID | None:
    return next((seen.sample_id for seen in event.face_detections if seen.sample_id), None)


def _sample(context: Context, event: EventCard) -> bytes | None:
    # a copy: the samples of an event may go with it
    sample_id = _sample_id(event)
    if sample_id is None:
        return None
    try:
        return registry.image_store().get_image(context.account_id, registry.buckets().face_samples, sample_id)
    except ports.ImageNotFound:
        context.add_error(errors.ImageNotFound(sample_id, additional_info=str(sample_id)))
        return None


def _add(context: Context, faces: Sequence[NewFace], samples: Mapping[UUID | None, UUID | None]) -> None:
    """Store and link faces; the sample of an event that is no image (any more) is left out, and is a stored error."""
    if not faces:
        return
    try:
        registry.faces().add_faces(context.account_id, faces, list_id=_list_id(context))
    except ports.ListNotFound:
        raise errors.ListNotFound(_list_id(context)) from None
    except ports.BadImage:
        if len(faces) > 1:
            for face in faces:
                context.check()
                _add(context, [face], samples)
            return
        sample_id = samples[faces[0].event_id]
        context.add_error(errors.ImageNotFound(sample_id, additional_info=str(sample_id)))
        _add(context, [replace(faces[0], sample=None)], samples)


KIND = TaskKind(number=TaskType.LINKER, split=split, process=process, merge=merge, needs_all_parts=False)
