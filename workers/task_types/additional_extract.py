"""Additional extraction: descriptors and basic attributes of faces and events, from their stored samples.

The split fixes which objects and which generation each of them gets, so that a part that ran one and a half times
extracts nothing twice and tells the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from django.conf import settings

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import EXTRACTABLE
from lunatasks.luna_services.embedded.face_models.extractor import FaceEstimate, FaceExtractor, Wanted, extractor_of
from lunatasks.luna_services.embedded.images import decode_photo
from lunatasks.luna_services.ports import (
    BadImage,
    BasicAttributes,
    Extractable,
    ImageNotFound,
    NewAttributes,
    StoredDescriptor,
    Vector,
)
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files.json_rows import merge_rows, write_rows
from workers.numeric.ids import to_array
from workers.task_types import selection, tables
from workers.task_types.base import Plan, TaskKind

FLUSH_OBJECTS = 25
"""So many are stored at once: a killed worker loses no more of its work."""


class Target(Protocol):
    """What is extracted, and where it goes."""

    @property
    def wanted(self) -> Wanted:
        """What is computed of a face."""
        ...

    @property
    def version(self) -> int:
        """Of the descriptors."""
        ...

    def objects(self, *, missing: bool, only: Sequence[UUID] | None = None) -> Iterator[list[Extractable]]:
        """Objects of the task's filters, or of the given ids, with samples and generation."""
        ...

    def put(self, found: "Sequence[Found]") -> None:
        """Store what was extracted."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What the samples of an object gave."""

    object_id: UUID
    sample_ids: tuple[UUID, ...]
    generation: int
    estimates: list[FaceEstimate] = field(repr=False)

    def vector(self) -> Vector:
        """The mean of the samples' descriptors; the service brings it to length 1."""
        vectors = [one.descriptor for one in self.estimates if one.descriptor is not None]
        return np.stack(vectors).sum(axis=0, dtype=np.float64).astype(np.float32)

    def attributes(self) -> BasicAttributes:
        """Mean age, the gender of most samples."""
        ages = [one.attributes.age for one in self.estimates if one.attributes.age is not None]
        genders = [one.attributes.gender for one in self.estimates if one.attributes.gender is not None]
        age = int(np.floor(np.mean(ages) + 0.5)) if ages else None
        return BasicAttributes(age=age, gender=int(2 * sum(genders) > len(genders)) if genders else None)

    def as_row(self) -> dict[str, Any]:
        """The object's row of the result."""
        return row(self.object_id, self.sample_ids, self.generation)


def row(object_id: UUID, sample_ids: Sequence[UUID], generation: int) -> dict[str, Any]:
    """A row of the result."""
    return {"object_id": str(object_id), "samples": [str(one) for one in sample_ids], "generation": generation}


def split(context: Context, phase: int) -> Plan:
    """Copy the ids, and the generation that each object will have."""
    target, ids, generations = target_of(context), [], [np.empty(0, np.int64)]
    for page in target.objects(missing=context.content["options"]["missing"]):
        context.check()
        ids.append(to_array([one.object_id for one in page]))
        generations.append(np.array([(one.generation or 0) + 1 for one in page], np.int64))
    planned = context.write_array("-generations.npy", np.concatenate(generations))
    return selection.plan_array(context, ids, settings.LUNATASKS_IMAGES_PER_PART, generations=planned)


def process(context: Context, content: Any) -> Artefact:
    """Extract some objects; their rows are left."""
    return write_rows(context, _rows(context, content))


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """All rows, by id of the object."""
    return merge_rows(context, parts)


def _rows(context: Context, content: Any) -> Iterator[dict[str, Any]]:
    target, done, [start, stop] = target_of(context), 0, content
    extractor = extractor_of(target.version)
    for ids in selection.batches(context, content):
        generations = context.read_input("generations")[start + done : start + done + len(ids)].tolist()
        stored = {one.object_id: one for page in target.objects(missing=False, only=ids) for one in page}
        waiting: list[Found] = []
        for object_id, generation in zip(ids, generations, strict=True):
            context.progress(done, stop - start)
            done += 1
            made = _extract(context, extractor, target, stored.get(object_id), object_id, generation)
            if isinstance(made, Found):
                waiting.append(made)
            if len(waiting) >= FLUSH_OBJECTS:
                target.put(waiting)
                waiting = []
            if made is not None:
                yield made.as_row() if isinstance(made, Found) else made
        target.put(waiting)


def _extract(
    context: Context,
    extractor: FaceExtractor,
    target: Target,
    stored: Extractable | None,
    object_id: UUID,
    generation: int,
) -> Found | dict[str, Any] | None:
    """What an object gives; its row alone when it has that generation already; None after a stored error."""
    objects_type = context.content["filters"]["objects_type"]
    if stored is None:
        context.add_error(tables.missing(objects_type, object_id))
        return None
    if stored.generation is not None and stored.generation >= generation:
        return row(object_id, stored.sample_ids, generation)
    if not stored.sample_ids:
        context.add_error(errors.SampleMissing(objects_type[:-1], object_id, additional_info=str(object_id)))
        return None
    estimates = []
    for sample_id in stored.sample_ids:
        try:
            estimates.append(_look(context, extractor, target.wanted, sample_id))
        except ImageNotFound:
            context.add_error(errors.ImageNotFound(sample_id, additional_info=str(object_id)))
        except BadImage as error:
            context.add_error(errors.ImageRefused(error, additional_info=str(object_id)))
    return Found(object_id, stored.sample_ids, generation, estimates) if estimates else None


def _look(context: Context, extractor: FaceExtractor, wanted: Wanted, sample_id: UUID) -> FaceEstimate:
    bucket = registry.buckets().face_samples
    data = registry.image_store().get_image(context.account_id, bucket, sample_id)
    photo = decode_photo(data)
    if (photo.width, photo.height) == (250, 250):
        return extractor.estimate_warp(data, wanted)
    # a sample that somebody else stored: it shows one face, somewhere
    found = extractor.estimate(photo, wanted)
    if not found:
        raise BadImage("there is no face in the sample")
    return found[0]


@dataclass(frozen=True, slots=True)
class FaceTarget:
    """Descriptors (`version`) or attributes of faces."""

    context: Context
    version: int
    wanted: Wanted

    def objects(self, *, missing: bool, only: Sequence[UUID] | None = None) -> Iterator[list[Extractable]]:
        given = {"face_ids": list(map(str, only))} if only is not None else self.context.content["filters"]
        filters = selection.face_filters(self.context.account_id, given)
        if self.wanted.descriptor:
            return registry.faces().iterate_for_descriptors(filters, version=self.version, missing=missing)
        return registry.faces().iterate_for_attributes(filters, missing=missing)

    def put(self, found: Sequence[Found]) -> None:
        if self.wanted.descriptor:
            registry.faces().put_descriptors(self.context.account_id, _descriptors(found, self.version))
        else:
            registry.faces().put_attributes(self.context.account_id, _attributes(found))


@dataclass(frozen=True, slots=True)
class EventTarget:
    """Descriptors of faces (`version`) or attributes of events."""

    context: Context
    version: int
    wanted: Wanted

    def objects(self, *, missing: bool, only: Sequence[UUID] | None = None) -> Iterator[list[Extractable]]:
        given = {"event_ids": list(map(str, only))} if only is not None else self.context.content["filters"]
        filters = selection.event_filters(self.context.account_id, given)
        if self.wanted.descriptor:
            events = registry.events()
            return events.iterate_for_descriptors(filters, kind="face", version=self.version, missing=missing)
        return registry.events().iterate_for_attributes(filters, missing=missing)

    def put(self, found: Sequence[Found]) -> None:
        if self.wanted.descriptor:
            descriptors = _descriptors(found, self.version)
            registry.events().put_descriptors(self.context.account_id, descriptors, kind="face")
        else:
            registry.events().put_attributes(self.context.account_id, _attributes(found))


def target_of(context: Context) -> Target:
    """What the content asks for. Raises NotAvailable."""
    content = context.content
    if content["extraction_target"] == "body_descriptor":
        raise errors.NotAvailable("body descriptor model")
    is_descriptor = content["extraction_target"] == "face_descriptor"
    version = content["options"]["descriptor_version"] if is_descriptor else settings.LUNATASKS_FACE_VERSION
    if version not in EXTRACTABLE:
        raise errors.NotAvailable(f"descriptor version {version}")
    wanted = Wanted(descriptor=is_descriptor, attributes=not is_descriptor, sample=False, most=1)
    kind = FaceTarget if content["filters"]["objects_type"] == "faces" else EventTarget
    return kind(context, version, wanted)


def _descriptors(found: Sequence[Found], version: int) -> list[StoredDescriptor]:
    return [StoredDescriptor(one.object_id, version, one.vector(), one.sample_ids, one.generation) for one in found]


def _attributes(found: Sequence[Found]) -> list[NewAttributes]:
    return [NewAttributes(one.object_id, one.attributes(), one.sample_ids, one.generation) for one in found]


KIND = TaskKind(number=TaskType.ADDITIONAL_EXTRACT, split=split, process=process, merge=merge, needs_all_parts=False)
