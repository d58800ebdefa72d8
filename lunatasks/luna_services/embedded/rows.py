"""Between the values of the port and rows of the tables; all validation of new faces."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

import numpy as np
from django.utils import timezone

from lunatasks.luna_services.descriptors import VERSIONS, normalise, to_bytes
from lunatasks.luna_services.embedded.images import check_jpeg
from lunatasks.luna_services.embedded.models import TEXT_LENGTH, Face, FaceDescriptor
from lunatasks.luna_services.ports import BadDescriptor, BadValue, BasicAttributes, FaceCard, NewFace


def check_faces(faces: Sequence[NewFace]) -> None:
    """Raises BadValue or BadImage for what no row can hold. Descriptors are checked by `descriptor_rows`."""
    for face in faces:
        check_text("external_id", face.external_id)
        check_text("user_data", face.user_data)
        check_text("avatar", face.avatar, longest=500)
        _check_attributes(face.attributes)
        if face.create_time is not None and timezone.is_naive(face.create_time):
            raise BadValue("create_time has no time zone")
        if face.sample is not None:
            check_jpeg(face.sample)


def check_text(name: str, value: str, *, longest: int = TEXT_LENGTH) -> None:
    """Raises BadValue for a text that is too long or that PostgreSQL cannot store."""
    if len(value) > longest:
        raise BadValue(f"{name} is longer than {longest} characters")
    if any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in value):
        raise BadValue(f"{name} holds a character that cannot be stored")


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
    by_version: dict[int, list[tuple[UUID, np.ndarray]]] = defaultdict(list)
    for face in faces:
        for version, vector in face.descriptors.items():
            by_version[version].append((face.face_id, _checked(version, vector)))
    return [row for version, items in by_version.items() for row in _rows_of_version(version, items)]


def face_card(face: Face) -> FaceCard:
    """The card of a row whose links and samples are prefetched."""
    return FaceCard(
        face_id=face.face_id,
        account_id=face.account_id,
        external_id=face.external_id,
        user_data=face.user_data,
        create_time=face.create_time,
        event_id=face.event_id,
        avatar=face.avatar,
        lists=tuple(sorted(link.face_list_id for link in face.links.all())),
        attributes=BasicAttributes(face.age, face.gender, face.ethnicity),
        sample_ids=tuple(sorted(sample.sample_id for sample in face.samples.all())),
    )


def _check_attributes(attributes: BasicAttributes | None) -> None:
    if attributes is None:
        return
    allowed = {"age": range(1000), "gender": range(2), "ethnicity": range(1, 5)}
    for name, values in allowed.items():
        value = getattr(attributes, name)
        if value is not None and value not in values:
            raise BadValue(f"{name} is not in {values[0]}..{values[-1]}")


def _checked(version: int, vector: np.ndarray) -> np.ndarray:
    if version not in VERSIONS:
        raise BadDescriptor(f"descriptor version {version} is not known")
    dimension = VERSIONS[version].dimension
    if np.shape(vector) != (dimension,):
        raise BadDescriptor(f"a descriptor of version {version} has {dimension} numbers")
    return vector


def _rows_of_version(version: int, items: list[tuple[UUID, np.ndarray]]) -> Iterable[FaceDescriptor]:
    try:
        vectors = normalise(np.stack([vector for _, vector in items]))
    except (ValueError, TypeError):
        raise BadDescriptor(f"a descriptor of version {version} is not finite or has length zero") from None
    for (face_id, _), vector in zip(items, vectors, strict=True):
        yield FaceDescriptor(face_id=face_id, version=version, vector=to_bytes(vector))
