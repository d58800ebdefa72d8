"""What is extracted from samples, of faces and of events alike: descriptors, basic attributes, their generations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Exists, OuterRef, Q, QuerySet

from lunatasks.luna_services.descriptors import VERSIONS, from_bytes
from lunatasks.luna_services.embedded.models import EventDescriptor, FaceDescriptor
from lunatasks.luna_services.embedded.rows import check_attributes, descriptor_bytes, uuids_of_bytes, uuids_to_bytes
from lunatasks.luna_services.ports import (
    BadValue,
    DescriptorKind,
    Extractable,
    Ids,
    NewAttributes,
    StoredDescriptor,
    Vectors,
)

NEVER_EXTRACTED = Q(age=None, gender=None, attributes_generation=0)
"""Of a face or event; another member that is null too stands beside it."""

SamplesOf = Callable[[Sequence[UUID]], dict[UUID, tuple[UUID, ...]]]


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The descriptors of one kind of one kind of owner."""

    table: type[FaceDescriptor] | type[EventDescriptor]
    owner: str
    kind: DescriptorKind
    extra: dict[str, str] = field(default_factory=dict)

    def of(self, owner_ids: Sequence[UUID], version: int) -> QuerySet[Any]:
        """Rows of a version, by owner."""
        wanted: dict[str, Any] = {f"{self.owner}__in": list(owner_ids), "version": version, **self.extra}
        return self.table.objects.filter(**wanted).order_by(f"{self.owner}_id")

    def exists(self, version: int) -> Exists:
        """The condition that an owner has one of the version."""
        wanted: dict[str, Any] = {self.owner: OuterRef("pk"), "version": version, **self.extra}
        return Exists(self.table.objects.filter(**wanted))

    def page(self, owner_ids: Sequence[UUID], version: int) -> tuple[Ids, Vectors] | None:
        """(ids, vectors) of those of the owners that have one, ids ascending; None when nobody has."""
        found = list(self.of(owner_ids, version).values_list(f"{self.owner}_id", "vector"))
        if not found:
            return None
        ids = np.frombuffer(b"".join(owner.bytes for owner, _ in found), dtype=np.uint8).reshape(-1, 16)
        return ids, from_bytes([bytes(blob) for _, blob in found], VERSIONS[version].dimension)

    def get(self, owner_ids: Sequence[UUID], version: int) -> list[StoredDescriptor]:
        """All of them, by owner."""
        found = self.of(owner_ids, version).values_list(f"{self.owner}_id", "vector", "sample_ids", "generation")
        if version not in VERSIONS:
            return []
        dimension = VERSIONS[version].dimension
        return [
            StoredDescriptor(owner, version, from_bytes([bytes(blob)], dimension)[0], uuids_of_bytes(some), generation)
            for owner, blob, some, generation in found
        ]

    def rows(self, descriptors: Sequence[StoredDescriptor]) -> list[Any]:
        """Unsaved rows, checked and normalised. Raises BadDescriptor, BadValue."""
        blobs = descriptor_bytes(self.kind, [(one.version, one.vector) for one in descriptors])
        return [
            self.table(
                **{f"{self.owner}_id": one.object_id},
                version=one.version,
                vector=blob,
                generation=_generation(one.generation),
                sample_ids=uuids_to_bytes(one.sample_ids),
                **self.extra,
            )
            for one, blob in zip(descriptors, blobs, strict=True)
        ]

    def put(self, rows: Sequence[Any], owner_ids: Sequence[UUID]) -> list[UUID]:
        """Save those rows of the locked owners that are newer than what is there; returns whose changed."""
        stored = self.table.objects.filter(**{f"{self.owner}__in": list(owner_ids)}, **self.extra)
        known = {
            (owner, version): generation
            for owner, version, generation in stored.values_list(f"{self.owner}_id", "version", "generation")
        }
        alive, newer = set(owner_ids), {}
        for row in rows:
            key = (self._owner_of(row), row.version)
            if key[0] in alive and row.generation > known.get(key, -1):
                newer[key] = row
        self.table.objects.bulk_create(
            newer.values(),
            update_conflicts=True,
            unique_fields=[self.owner, *self.extra, "version"],
            update_fields=["vector", "generation", "sample_ids"],
        )
        return sorted({owner for owner, _ in newer})

    def delete(self, owner_ids: Sequence[UUID], version: int) -> list[UUID]:
        """Delete those of the version; returns whose there were."""
        found = list(self.of(owner_ids, version).values_list(f"{self.owner}_id", flat=True))
        if found:
            self.of(found, version).order_by().delete()
        return found

    def extractable(
        self, pages: Iterator[list[UUID]], samples_of: SamplesOf, version: int
    ) -> Iterator[list[Extractable]]:
        """Pages of ids with samples and the generation of the version's descriptor."""
        for ids in pages:
            samples = samples_of(ids)
            generations = dict(self.of(ids, version).values_list(f"{self.owner}_id", "generation"))
            yield [Extractable(one, samples.get(one, ()), generations.get(one)) for one in ids]

    def _owner_of(self, row: Any) -> UUID:
        return getattr(row, f"{self.owner}_id")


def pages_of(rows: QuerySet[Any], key: str, chunk: int) -> Iterator[list[UUID]]:
    """Ids of all rows in ascending order, in chunks, each by a query of its own."""
    pages = rows.order_by(key).values_list(key, flat=True)
    last: UUID | None = None
    while ids := list((pages.filter(**{f"{key}__gt": last}) if last else pages)[:chunk]):
        yield ids
        last = ids[-1]


def put_attributes(owners: QuerySet[Any], attributes: Sequence[NewAttributes], *, ethnicity: str) -> list[UUID]:
    """Update locked rows whose attributes are older; `ethnicity` is their column of it. Returns whose changed.

    What was not estimated stays as it is.
    """
    changed, newest = [], _newest(attributes)
    for row in owners:
        new = newest[row.pk]
        if new.generation <= row.attributes_generation and not _never_extracted(row):
            continue
        estimated = {"age": new.attributes.age, "gender": new.attributes.gender, ethnicity: new.attributes.ethnicity}
        for name, value in estimated.items():
            if value is not None:
                setattr(row, name, value)
        row.attributes_generation = new.generation
        row.attributes_sample_ids = uuids_to_bytes(new.sample_ids)
        changed.append(row)
    columns = ["age", "gender", ethnicity, "attributes_generation", "attributes_sample_ids"]
    if changed:
        type(changed[0]).objects.bulk_update(changed, columns, batch_size=200)
    return sorted(row.pk for row in changed)


def check_new_attributes(attributes: Sequence[NewAttributes]) -> None:
    """Raises BadValue for what no row can hold."""
    for one in attributes:
        check_attributes(one.attributes)
        _generation(one.generation)
        uuids_to_bytes(one.sample_ids)


def attributes_extractable(
    pages: Iterator[list[UUID]], samples_of: SamplesOf, table: type[Any]
) -> Iterator[list[Extractable]]:
    """Pages of ids with samples and the generation of the attributes, None when they were never extracted."""
    for ids in pages:
        samples = samples_of(ids)
        rows = {row.pk: row for row in table.objects.filter(pk__in=ids).only("age", "gender", "attributes_generation")}
        yield [Extractable(one, samples.get(one, ()), _attributes_generation(rows.get(one))) for one in ids]


def _attributes_generation(row: Any) -> int | None:
    return None if row is None or _never_extracted(row) else row.attributes_generation


def _never_extracted(row: Any) -> bool:
    return row.age is None and row.gender is None and row.attributes_generation == 0


def _newest(attributes: Sequence[NewAttributes]) -> dict[UUID, NewAttributes]:
    return {one.object_id: one for one in sorted(attributes, key=lambda one: one.generation)}


def _generation(value: int) -> int:
    if not 0 <= value < 2**31:
        raise BadValue("a generation is not in 0..2147483647")
    return value
