"""Between the values of the port and rows of the tables; all validation of new faces and of descriptors."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
from django.utils import timezone

from lunatasks.luna_services.descriptors import VERSIONS, normalise
from lunatasks.luna_services.embedded.images import check_jpeg
from lunatasks.luna_services.embedded.models import TEXT_LENGTH, Face, FaceDescriptor
from lunatasks.luna_services.ports import (
    BadDescriptor,
    BadValue,
    BasicAttributes,
    DescriptorKind,
    FaceCard,
    NewFace,
    Vector,
)

MOST_AGE = 999
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MOST_SAMPLES = 100


def check_faces(faces: Sequence[NewFace]) -> None:
    """Raises BadValue or BadImage for what no row can hold. Descriptors are checked by `descriptor_bytes`."""
    for face in faces:
        check_text("external_id", face.external_id)
        check_text("user_data", face.user_data)
        check_text("avatar", face.avatar, longest=500)
        check_attributes(face.attributes)
        check_time("create_time", face.create_time)
        if face.sample is not None:
            check_jpeg(face.sample)


def check_text(name: str, value: str, *, longest: int = TEXT_LENGTH) -> None:
    """Raises BadValue for a text that is too long or that PostgreSQL cannot store."""
    if not isinstance(value, str):
        raise BadValue(f"{name} is no text")
    if len(value) > longest:
        raise BadValue(f"{name} is longer than {longest} characters")
    if _UNSTORABLE.search(value):
        raise BadValue(f"{name} holds a character that cannot be stored")


def check_time(name: str, value: datetime | None) -> None:
    """Raises BadValue for a time without a zone."""
    if value is not None and timezone.is_naive(value):
        raise BadValue(f"{name} has no time zone")


def check_attributes(attributes: BasicAttributes | None) -> None:
    """Raises BadValue for codes that the contract does not know."""
    if attributes is None:
        return
    allowed = {"age": range(MOST_AGE + 1), "gender": range(2), "ethnicity": range(1, 5)}
    for name, values in allowed.items():
        value = getattr(attributes, name)
        if value is not None and value not in values:
            raise BadValue(f"{name} is not in {values[0]}..{values[-1]}")


def face_row(account_id: UUID, face: NewFace) -> Face:
    """The row of a face."""
    attributes = face.attributes or BasicAttributes()
    return Face(
        face_id=face.face_id,
        account_id=account_id,
        external_id=face.external_id,
        user_data=face.user_data,
        event_id=face.event_id,
        avatar=face.avatar,
        create_time=face.create_time or timezone.now(),
        age=attributes.age,
        gender=attributes.gender,
        ethnicity=attributes.ethnicity,
    )


def descriptor_rows(faces: Iterable[NewFace]) -> list[FaceDescriptor]:
    """Rows of all descriptors, normalised. Raises BadDescriptor."""
    keys, blobs = flat_descriptors({face.face_id: face.descriptors for face in faces}, "face")
    return [
        FaceDescriptor(face_id=face_id, version=version, vector=blob)
        for (face_id, version), blob in zip(keys, blobs, strict=True)
    ]


def flat_descriptors(
    descriptors: Mapping[UUID, Mapping[int, Vector]], kind: DescriptorKind
) -> tuple[list[tuple[UUID, int]], list[bytes]]:
    """(owner, version) and stored bytes of descriptors by owner and version. Raises BadDescriptor."""
    keys = [(owner, version) for owner, versions in descriptors.items() for version in versions]
    return keys, descriptor_bytes(kind, [(version, descriptors[owner][version]) for owner, version in keys])


def descriptor_bytes(kind: DescriptorKind, descriptors: Sequence[tuple[int, Vector]]) -> list[bytes]:
    """What is stored of (version, vector), in order: normalised. Raises BadDescriptor."""
    by_version: dict[int, list[int]] = defaultdict(list)
    for number, (version, vector) in enumerate(descriptors):
        _check_shape(kind, version, vector)
        by_version[version].append(number)
    blobs = [b""] * len(descriptors)
    for version, numbers in by_version.items():
        stored = _normalised(version, [descriptors[number][1] for number in numbers])
        for number, row in zip(numbers, stored, strict=True):
            blobs[number] = row.tobytes()
    return blobs


def uuids_to_bytes(ids: Sequence[UUID]) -> bytes:
    """16 bytes each. Raises BadValue for too many."""
    if len(ids) > MOST_SAMPLES:
        raise BadValue(f"more than {MOST_SAMPLES} samples of one object")
    return b"".join(one.bytes for one in ids)


def uuids_of_bytes(data: bytes | memoryview) -> tuple[UUID, ...]:
    """The inverse of `uuids_to_bytes`."""
    raw = bytes(data)
    return tuple(UUID(bytes=raw[start : start + 16]) for start in range(0, len(raw), 16))


def face_card(face: Face, list_ids: Iterable[UUID], sample_ids: Iterable[UUID]) -> FaceCard:
    """The card of a row with the ids of its lists and samples."""
    return FaceCard(
        face_id=face.face_id,
        account_id=face.account_id,
        external_id=face.external_id,
        user_data=face.user_data,
        create_time=face.create_time,
        event_id=face.event_id,
        avatar=face.avatar,
        lists=tuple(sorted(list_ids)),
        attributes=BasicAttributes(face.age, face.gender, face.ethnicity),
        sample_ids=tuple(sorted(sample_ids)),
        attributes_sample_ids=uuids_of_bytes(face.attributes_sample_ids),
        attributes_generation=face.attributes_generation,
    )


def _check_shape(kind: DescriptorKind, version: int, vector: Vector) -> None:
    if version not in VERSIONS or VERSIONS[version].kind != kind:
        raise BadDescriptor(f"descriptor version {version} of a {kind} is not known")
    dimension = VERSIONS[version].dimension
    if np.shape(vector) != (dimension,):
        raise BadDescriptor(f"a descriptor of version {version} has {dimension} numbers")


def _normalised(version: int, vectors: Sequence[Vector]) -> np.ndarray:
    try:
        return normalise(np.stack(vectors)).astype("<f4", copy=False)
    except (ValueError, TypeError):
        raise BadDescriptor(f"a descriptor of version {version} is not finite or has length zero") from None
